/**
 * What is drawn once for a certificate and must survive a restart: where in its window it is renewed, and
 * since when it is in force. Kept as a note of the store, one write for each new certificate. Pure.
 */
export const PLAN_NOTE = "renewal-plan";

export interface RenewalPlan {
  /** SHA-256 of the leaf; a trust bundle that is replaced leaves the plan as it is. */
  readonly leaf: string;
  /** Uniform in [0, 1). */
  readonly draw: number;
  /** Unix ms by the trusted time; `undefined` when it was in force before anybody looked. */
  readonly inForceSince: number | undefined;
  /** Of the certificate, Unix ms; `undefined` in plans of older versions. */
  readonly notBefore?: number | undefined;
  /** How many renewals in a row came long before they were due, with the one that brought it; default 0. */
  readonly hasty?: number;
}

export function formatPlan(plan: RenewalPlan): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: 1, ...plan }));
}

/** `undefined` for a note that is none, or of a later version: a new plan is drawn. */
export function parsePlan(bytes: Uint8Array | undefined): RenewalPlan | undefined {
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const { version, leaf, draw, inForceSince, ...more } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1 || typeof leaf !== "string" || !/^[0-9a-f]{64}$/.test(leaf)) return undefined;
  if (typeof draw !== "number" || !(draw >= 0 && draw < 1)) return undefined;
  const notBefore = typeof more["notBefore"] === "number" ? more["notBefore"] : undefined;
  const hasty = Number.isSafeInteger(more["hasty"]) ? Number(more["hasty"]) : 0;
  if (inForceSince === undefined) return { leaf, draw, inForceSince, notBefore, hasty };
  if (typeof inForceSince !== "number" || !(inForceSince >= 0)) return undefined;
  return { leaf, draw, inForceSince, notBefore, hasty };
}
