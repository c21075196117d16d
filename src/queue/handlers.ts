/**
 * Who works intents off: one handler for each kind.
 */
import type { Intent, IntentKind, StoreObject } from "./intent.ts";

/** Why an intent is not attempted though its own pause is over. */
export interface Hold {
  /**
   * `power-up`: the devices of a street don't all begin at once. `back-off`: of other work of its kind.
   * `tokens`: too many attempts within a short time. `another`: one of its kind is being worked on.
   * `refused`: the authority has said no, and only an operator can change that. `early`: it waits for something
   * else to happen first. `no-handler`: the configuration has nothing that could do it. `no-agent`: the agent
   * is not running.
   */
  readonly by:
    | "power-up"
    | "back-off"
    | "tokens"
    | "another"
    | "refused"
    | "early"
    | "no-handler"
    | "no-agent";
  /** Milliseconds; `undefined` when nobody can tell. */
  readonly forMs: number | undefined;
}

/** What a handler may ask while it works. */
export interface IntentSteps {
  /**
   * Writes the next step down; the handler takes it when this has resolved.
   *
   * @throws AgentError `ERR_QUEUE_SEQUENCE` when a newer generation has superseded the intent.
   */
  advance(step: string, object?: StoreObject): Promise<Intent>;
}

/**
 * Works an intent off. `intent.step` says how far an attempt before this one has come: that step may
 * have happened, may not have happened, or have happened without its answer coming back.
 *
 * Resolving ends the intent as done. Rejecting makes it wait for its next attempt; an error with
 * {@link FailureTraits} says more. When `signal` aborts, the handler ends soon.
 */
export interface IntentHandler {
  (intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<void>;
  /**
   * Whether it is too early for this intent, though its pause is over, and if it can tell, why and for how
   * long: asked at each look, once a minute while it waits. So a wait of months writes nothing to flash.
   * Somebody who asks for it is not held up.
   */
  readonly holds?: (intent: Intent) => boolean | Hold | undefined;
}

/** Something that works intents off, with a state of its own. */
export interface IntentWork {
  handle: (...of: Parameters<IntentHandler>) => Promise<void>;
  holds: NonNullable<IntentHandler["holds"]>;
}

export function handlerOf(work: IntentWork): IntentHandler {
  return Object.assign(work.handle.bind(work), { holds: work.holds.bind(work) });
}

export type IntentHandlers = Readonly<Partial<Record<IntentKind, IntentHandler>>>;

/** Properties of an error that a handler rejects with; all may be missing. */
export interface FailureTraits {
  /** Milliseconds, as in Retry-After (RFC 9110, section 10.2.3). */
  readonly retryAfterMs?: number | undefined;
  /** Trying again is pointless. */
  readonly permanent?: boolean | undefined;
  /** What failed concerns this kind alone: no other work waits, or stops waiting, on its account. */
  readonly apart?: boolean | undefined;
}
