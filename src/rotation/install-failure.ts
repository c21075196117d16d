/** What a failed attempt to put a pushed identity in force means: can it pass, or is it for good? Pure. */
import { AgentError, ERRORS, type ErrorFields } from "../base/errors.ts";
import { isTimeTrusted, type TimeView } from "../identity/time/time-view.ts";
import type { FailureTraits } from "../queue/handlers.ts";
import { CandidateRefused } from "./candidate-refused.ts";

/** What the queue is told: waits, or is given up. Carries code and words of what failed. */
export class InstallFailed extends AgentError implements FailureTraits {
  readonly permanent: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(error: AgentError, permanent: boolean, retryAfterMs?: number) {
    const fields: ErrorFields = error.fields;
    super(error.code, error.message, { cause: error, fields });
    this.permanent = permanent;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Reasons that time takes away by itself; the last one is a disk that read back something else. */
const PASSING: ReadonlySet<string> = new Set([
  "not-yet-valid",
  "authority-not-yet-valid",
  "digest-mismatch",
]);
/** Reasons that a clock may have made up. */
const BY_CLOCK: ReadonlySet<string> = new Set(["expired", "authority-expired"]);

/**
 * Whether trying again can help without anybody doing anything.
 *
 * @param endsAt Of the certificate, Unix ms: what is proven to be over is over, whatever the clock.
 */
export function canPass(error: AgentError, time: TimeView, endsAt: number): boolean {
  if (error instanceof CandidateRefused) {
    const clockSpeaks = !isTimeTrusted(time) && time.floorMs <= endsAt;
    return error.reasons.every(
      ({ code }) => PASSING.has(code) || (BY_CLOCK.has(code) && clockSpeaks),
    );
  }
  // Another identity came while it waited its turn: judged against that one the next time.
  if (error.code === "ERR_CERT_SUPERSEDED") return true;
  return ERRORS[error.code].retry;
}

/** Whether it can, of what failed beside the judgement of the candidate. */
export function isPassing(error: AgentError): boolean {
  const nobody = { state: "unknown", nowMs: 0, floorMs: 0, clockWrong: false } as const;
  return canPass(error, { ...nobody, words: undefined }, 0);
}
