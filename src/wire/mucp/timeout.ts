/**
 * The `Timeout` header: how long the caller waits, in nanoseconds, decimal (`docs/wire.md`, "Headers").
 *
 * go-micro parses it as an unsigned 64-bit number and ignores what is not one; so do we. Beyond that:
 *
 * - `0` is no limit. In go-micro it would be a deadline that has passed before the handler starts; it
 *   comes from a client whose connection time-out is switched off, which means the opposite.
 * - More than an hour is no limit either. No timer here runs longer, and a number beyond the signed
 *   range, which go-micro takes for a deadline in the past, is surely meant to be long.
 */

/** Longest limit that is honoured, in milliseconds. */
export const MAX_TIMEOUT_MS = 3_600_000;

const NANOSECONDS = 1e6;
const DIGITS = /^\d{1,20}$/;

/** Whole milliseconds, rounded up, so that a limit is never 0; `undefined` for no limit. */
export function parseTimeout(value: string | undefined): number | undefined {
  if (value === undefined || !DIGITS.test(value)) return undefined;
  const timeoutMs = Math.ceil(Number(value) / NANOSECONDS);
  return timeoutMs === 0 || timeoutMs > MAX_TIMEOUT_MS ? undefined : timeoutMs;
}

/**
 * @param timeoutMs Above 0; fractions of a nanosecond are rounded up.
 */
export function formatTimeout(timeoutMs: number): string {
  if (Number.isInteger(timeoutMs)) return `${timeoutMs}000000`;
  return String(BigInt(Math.ceil(timeoutMs * NANOSECONDS)));
}
