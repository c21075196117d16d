/**
 * Full-jitter exponential back-off: wait a random time between zero and a bound that doubles.
 * Pure arithmetic; the caller owns the clock and the randomness. Spans are milliseconds.
 */
export interface BackoffPolicy {
  /** Bound of the first wait. */
  readonly baseMs: number;
  /** No bound exceeds this. */
  readonly capMs: number;
}

/**
 * The wait before attempt `attempt + 1`, after `attempt` attempts (1 or more) have failed.
 *
 * @param draw Uniform in [0, 1).
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, draw: number): number {
  const bound = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.floor(bound * draw);
}
