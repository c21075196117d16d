/**
 * What the device wants to do as soon as it can: renew its certificate, put a pushed generation in
 * force, report. An intent outlives power cuts and months without a network; what it needs beyond
 * these fields lies sealed in the certificate store, and the intent only names it.
 *
 * Times `…At` are Unix milliseconds of a wall clock that may be wrong.
 */
import { AgentError } from "../base/errors.ts";

/**
 * `renew`: a new certificate for the key in force. `re-key`: for a new key. `install`: put a pushed
 * generation in force. `trust`: replace the trust bundle. `revocation`: fetch CRLs and OCSP answers.
 * `report`: tell the fleet what became of one of these.
 */
export const INTENT_KINDS = [
  "renew",
  "re-key",
  "install",
  "trust",
  "revocation",
  "report",
] as const;
export type IntentKind = (typeof INTENT_KINDS)[number];

/** What the device's identity hangs on: it has space and attempts that nothing else can take. */
export const RESERVED_KINDS: readonly IntentKind[] = ["renew", "re-key", "install"];
/** What is done on the device itself: nobody is called, so no attempt of the budget is taken. */
export const LOCAL_KINDS: readonly IntentKind[] = ["install", "trust"];

/**
 * `waiting`: for its next attempt. `running`: an attempt has begun; after a restart it is resumed from
 * its step. The rest are ends: `done`; `failed`, for good, until somebody retries it; `superseded` by a
 * newer generation of the same kind. Of those that have ended the last of each kind is kept.
 */
export type IntentState = "waiting" | "running" | "done" | "failed" | "superseded";

export interface Intent {
  /** `KIND-GENERATION`, as in `renew-7`; the only one with that name in an epoch. */
  readonly id: string;
  readonly kind: IntentKind;
  /** Of the certificate store (`CertificateStore.epoch`). */
  readonly epoch: string;
  /**
   * The newest of a kind wins, except of reports, of which each counts. Give a number only once: for
   * `renew` and `re-key` that of the generation that would come of it.
   */
  readonly generation: number;
  readonly state: IntentState;
  /** What is about to be done, or was when the process ended; `undefined` before the first attempt. */
  readonly step: string | undefined;
  /** Begun, the one that is running included. */
  readonly attempts: number;
  /** Not before; one that is more than the back-off cap away counts as due. */
  readonly nextAttemptAt: number;
  /** Code and sentence of the last failure. */
  readonly lastError: string | undefined;
  readonly createdAt: number;
  /** What it works on. */
  readonly object: StoreObject | undefined;
}

export interface NewIntent {
  readonly kind: IntentKind;
  /** A whole number from 1. */
  readonly generation: number;
  readonly object?: StoreObject | undefined;
  /** Default at once. */
  readonly notBeforeAt?: number | undefined;
}

/** Whether nothing more is done about it by itself. */
export function hasEnded({ state }: Pick<Intent, "state">): boolean {
  return state !== "waiting" && state !== "running";
}

export function intentId(kind: IntentKind, generation: number): string {
  return `${kind}-${generation}`;
}

declare const storeObject: unique symbol;
/** `key/NAME`, `note/NAME` or `generation/NUMBER`; made by {@link objectNamed} alone. */
export type StoreObject = string & { readonly [storeObject]: true };

/**
 * So short and so plain that no key, token or digest can pass as a name: words of at most 12 lower-case
 * letters and digits, or of 16 digits, as generations may have; the first one begins with a letter; joined
 * by hyphens or dots.
 */
const OBJECT =
  /^(?:(?:key|note)\/(?=.{1,40}$)[a-z][a-z0-9]{0,11}(?:[.-](?:[a-z0-9]{1,12}|\d{13,16})){0,3}|generation\/[1-9]\d{0,11})$/;
const STEP = /^(?=.{1,24}$)[a-z]{1,12}(?:-[a-z]{1,12})*$/;

/**
 * The name of something in the certificate store.
 *
 * @throws AgentError `ERR_QUEUE_CONTENT` for anything else; the message does not repeat it.
 */
export function objectNamed(place: "key" | "note" | "generation", name: string): StoreObject {
  return parseObject(`${place}/${name}`);
}

/** @throws AgentError `ERR_QUEUE_CONTENT`. */
export function parseObject(text: string): StoreObject {
  if (OBJECT.test(text)) return text as StoreObject;
  throw new AgentError(
    "ERR_QUEUE_CONTENT",
    "that is no name of a store object: key/NAME or note/NAME with words of at most 12 of a-z 0-9, or generation/NUMBER",
  );
}

/** @throws AgentError `ERR_QUEUE_CONTENT` unless it is a word or two: at most 24 of a-z and hyphens. */
export function assertStep(step: string): void {
  if (STEP.test(step)) return;
  throw new AgentError("ERR_QUEUE_CONTENT", "a step is named by words of a-z, joined by hyphens");
}
