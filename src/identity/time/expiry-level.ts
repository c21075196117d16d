/**
 * How near the end of a certificate is too near. Pure; Unix milliseconds and spans in milliseconds.
 *
 * A certificate that lives 90 days or longer warns at 30 days and is critical at 7. A shorter one
 * warns at a quarter of its life and is critical at a twelfth, else it would warn all its life.
 */
const DAY_MS = 86_400_000;
const LONG_LIFE_MS = 90 * DAY_MS;

export interface Thresholds {
  readonly warnMs: number;
  readonly criticalMs: number;
}

export function thresholds(lifetimeMs: number): Thresholds {
  return lifetimeMs >= LONG_LIFE_MS
    ? { warnMs: 30 * DAY_MS, criticalMs: 7 * DAY_MS }
    : { warnMs: lifetimeMs / 4, criticalMs: lifetimeMs / 12 };
}

export type DateState = "not-yet-valid" | "good" | "warn" | "critical" | "expired";

/** Bounds are inclusive (RFC 5280 section 4.1.2.5); exactly 30 days left is still good. */
export function dateState(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  nowMs: number,
): DateState {
  if (nowMs < notBefore) return "not-yet-valid";
  if (nowMs > notAfter) return "expired";
  const { warnMs, criticalMs } = thresholds(notAfter - notBefore);
  const left = notAfter - nowMs;
  if (left < criticalMs) return "critical";
  return left < warnMs ? "warn" : "good";
}
