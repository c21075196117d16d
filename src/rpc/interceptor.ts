/**
 * Interceptors look at a call before its body is read, in one fixed order: log, deadline, rate limit,
 * authorize. The first that refuses decides.
 */
import type { AgentError } from "../base/errors.ts";
import type { Call } from "./call.ts";

/** `undefined` lets the call go on. A promise holds it (a bounded wait for a token). */
export type Verdict = AgentError | undefined;

export interface CallOutcome {
  /** go-micro code of the answer; 200 when it was good, 499 when the peer went away first. */
  readonly status: number;
  /** The `ERR_...` code of a refusal or failure of ours; `undefined` for a good answer and for an error that the handler chose. */
  readonly code: string | undefined;
  readonly durationMs: number;
  /** Bytes of bodies received and sent. */
  readonly requestBytes: number;
  readonly replyBytes: number;
}

/** A stream whose handler runs. */
export interface OpenStream extends Call {
  /** Ends it with an error, for the peer and for the handler. */
  refuse(error: AgentError): unknown;
}

export interface Interceptor {
  readonly name: string;
  before?(call: Call): Verdict | Promise<Verdict>;
  /** Runs when every interceptor has let a stream begin; `after` follows. Must not throw. */
  opened?(stream: OpenStream): void;
  /** Runs once for every call that an interceptor's `before` could see, also for refused ones. Must not throw. */
  after?(call: Call, outcome: CallOutcome): void;
}
