/**
 * The place of the rate limiter in the order of interceptors: after the deadline, before the decision
 * who may call, and before the body is read.
 */
import type { AgentError } from "../../base/errors.ts";
import type { Call } from "../call.ts";
import type { Interceptor } from "../interceptor.ts";

/** Decides whether a call may go on now. */
export interface RateLimiter {
  /**
   * `undefined` lets the call go on, `ERR_RATE_LIMITED` refuses it. A promise holds the call, and with
   * it the connection's reading: an implementation bounds the wait.
   */
  admit(call: Call): AgentError | undefined | Promise<AgentError | undefined>;
  /** A call has ended, also one that was not admitted. */
  finished?(call: Call): void;
}

/** Limits nothing; for tests of what comes after. */
export const unlimited: RateLimiter = { admit: () => undefined };

export function rateLimit(limiter: RateLimiter): Interceptor {
  return {
    name: "rate-limit",
    before: (call) => limiter.admit(call),
    after: (call) => limiter.finished?.(call),
  };
}
