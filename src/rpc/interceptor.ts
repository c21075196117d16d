/**
 * Interceptors look at a call before its body is read, in one fixed order: log, deadline, rate limit,
 * authorize. The first that refuses decides.
 */
import type { AgentError } from "../base/errors.ts";
import type { Call } from "./call.ts";

/** `undefined` lets the call go on. A promise holds it (a bounded wait for a token). */
export type Verdict = AgentError | undefined;

export interface CallOutcome {
  /** go-micro code of the answer; 200 when it was good. */
  readonly status: number;
  readonly error: AgentError | undefined;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
}

export interface Interceptor {
  readonly name: string;
  before?(call: Call): Verdict | Promise<Verdict>;
  /** Runs once for every call that `before` saw, also for refused ones. */
  after?(call: Call, outcome: CallOutcome): void;
}
