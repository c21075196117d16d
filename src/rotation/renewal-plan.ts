/**
 * What is drawn once for a certificate and must survive a restart: where in its window it is renewed, and
 * since when it is in force. Kept as a note of the store, one write for each new certificate. Pure.
 */
import * as v from "valibot";

export const PLAN_NOTE = "renewal-plan";

export interface RenewalPlan {
  /** SHA-256 of the leaf; a trust bundle that is replaced leaves the plan as it is. */
  readonly leaf: string;
  /** Uniform in [0, 1). */
  readonly draw: number;
  /** Unix ms by the trusted time; `undefined` when it was in force before anybody looked. */
  readonly inForceSince?: number | undefined;
  /** Of the certificate, Unix ms; `undefined` in plans of older versions. */
  readonly notBefore?: number | undefined;
  /** How many renewals in a row came long before they were due, with the one that brought it; default 0. */
  readonly hasty?: number | undefined;
}

const moment = v.pipe(v.number(), v.minValue(0));

/** Of the note; a new plan is drawn where there is none that fits. */
export const PLAN_SHAPE = v.object({
  leaf: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  draw: v.pipe(v.number(), v.minValue(0), v.ltValue(1)),
  inForceSince: v.optional(moment),
  notBefore: v.optional(v.number()),
  hasty: v.optional(v.pipe(v.number(), v.safeInteger())),
});
