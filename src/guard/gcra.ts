/**
 * The generic cell rate algorithm: a token bucket in one number. Pure.
 *
 * A bucket is the moment at which it will be full again (the "theoretical arrival time" of ITU-T I.371):
 * each call pushes it on by `1 / rate`, and a call fits as long as that stays within `burst / rate`
 * from now. A bucket whose moment has passed is full, whatever it held before, so a client that was
 * never seen and one that has been quiet are the same: no entry needs to be kept for either.
 *
 * Times are monotonic milliseconds with fractions. After ten years of uptime a double still tells
 * 0.06 µs apart: there is no wrap-around, and the highest rate is off by 0.6 % at most.
 */

/** A limit as configured. */
export interface Rate {
  /** Calls per second, once the burst is spent. */
  readonly rate: number;
  /** Calls that may come at once after a quiet time. */
  readonly burst: number;
  /** A call that would fit within this many milliseconds waits for its turn; 0: is refused. */
  readonly waitMs: number;
}

export const MIN_RATE = 0.001;
export const MAX_RATE = 100_000;
export const MAX_BURST = 1_000_000;
/** A bucket that takes longer to fill is a quota, not a rate; it would not survive a restart. */
export const MAX_FILL_MS = 86_400_000;
export const MAX_WAIT_MS = 60_000;

/** A {@link Rate} as the arithmetic wants it; all in milliseconds. */
export interface Pace {
  readonly intervalMs: number;
  readonly burstMs: number;
  readonly waitMs: number;
}

/**
 * Forgives what rounding adds: without it the last call of a burst is refused now and then. It is not
 * gained twice, because a bucket is always pushed on by the whole interval.
 */
const ROUNDING_MS = 0.001;

export function paceOf({ rate, burst, waitMs }: Rate): Pace {
  const intervalMs = 1000 / rate;
  return { intervalMs, burstMs: burst * intervalMs, waitMs };
}

/** Milliseconds until a call fits; 0: it fits now. */
export function untilFit(fullAt: number, { intervalMs, burstMs }: Pace, nowMs: number): number {
  const ahead = fullAt > nowMs ? fullAt - nowMs : 0;
  const wait = ahead + intervalMs - burstMs;
  return wait > ROUNDING_MS ? wait : 0;
}

/** The bucket after one call. */
export function afterOne(fullAt: number, { intervalMs }: Pace, nowMs: number): number {
  return Math.max(fullAt, nowMs) + intervalMs;
}

/**
 * The bucket, no further ahead than its limit can have brought it. It is further after a reload that
 * lowered the burst, or if the clock stepped back: then it counts as empty and fills from now, so that
 * nobody is shut out for longer than a bucket takes to fill.
 */
export function withinLimit(fullAt: number, { burstMs, waitMs }: Pace, nowMs: number): number {
  const furthest = nowMs + burstMs + waitMs;
  return fullAt > furthest ? nowMs + burstMs : fullAt;
}
