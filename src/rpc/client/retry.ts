/**
 * Whether a failed attempt is followed by another, and after which wait. Pure.
 *
 * The rule is RFC 9110 section 9.2.2: a client must not repeat a request by itself unless it knows
 * that the request is idempotent, or that the first one was never applied.
 *
 * - **Never sent** (no connection could be had, or the kernel refused to take the whole request): no
 *   handler can have run, because our requests are one message whose end never left this machine. Every
 *   call may be repeated, on another node at once, on the same node after a wait.
 * - **Sent**: the handler may have run, even if not one byte of the reply came, and even if the
 *   connection was an old one that the peer was about to close. Only a call that the caller marks as
 *   idempotent is repeated, and only after an outcome that can change by itself: the connection was
 *   lost, the attempt took too long, or the service said 408, 429 or 503.
 *
 * go-micro repeats every call up to five times after a 408, idempotent or not.
 */

import { type BackoffPolicy, backoffMs } from "../../base/backoff.ts";
import type { AgentError } from "../../base/errors.ts";
import { isRemoteError } from "./remote-error.ts";

export interface AttemptFailure {
  readonly error: AgentError;
  /** `false` only when no handler can have run; see above. */
  readonly sent: boolean;
}

export interface RetryState {
  /** Attempts made, 1 or more. */
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly idempotent: boolean;
  /** There is a node that this call has not tried. */
  readonly otherNode: boolean;
  /** Milliseconds left for the whole call. */
  readonly remainingMs: number;
  /** Uniform in [0, 1). */
  readonly draw: number;
}

/** First wait up to 100 ms, then doubling: a small gateway restarts within a few of them. */
const BACKOFF: BackoffPolicy = { baseMs: 100, capMs: 2000 };

/** Milliseconds to wait before the next attempt; `undefined` if there is to be none. */
export function retryWaitMs(failure: AttemptFailure, state: RetryState): number | undefined {
  if (state.attempts >= state.maxAttempts || !mayRepeat(failure, state)) return undefined;
  const waitMs = !failure.sent && state.otherNode ? 0 : pauseMs(failure.error, state);
  return waitMs < state.remainingMs ? waitMs : undefined;
}

function mayRepeat({ error, sent }: AttemptFailure, state: RetryState): boolean {
  // Our own wait queue is full: another try would only make it longer.
  if (error.code === "ERR_RPC_OVERLOADED" || error.code === "ERR_RPC_CANCELLED") return false;
  if (!sent) return error.retry || state.otherNode;
  if (!state.idempotent) return false;
  if (isRemoteError(error)) return error.retry;
  return error.code === "ERR_RPC_CONNECTION_LOST" || error.code === "ERR_RPC_DEADLINE";
}

/** Full jitter; after what the service asked for, if it did, so that callers do not come back together. */
function pauseMs(error: AgentError, state: RetryState): number {
  const jitterMs = backoffMs(BACKOFF, state.attempts, state.draw);
  return jitterMs + (isRemoteError(error) ? (error.retryAfterMs ?? 0) : 0);
}
