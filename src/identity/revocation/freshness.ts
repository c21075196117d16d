/** Whether a CRL or an OCSP answer is in date, as far as the time is known. Pure. */
import { formatMoment, formatSpan } from "../span-words.ts";
import { isTimeTrusted, type TimeView } from "../time/time-view.ts";

export interface Validity {
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
}

/**
 * `doubtful`: in date by a clock that nobody vouches for. It counts as stale where something has to be
 * fresh, but proves nothing against anybody.
 */
export interface Freshness {
  readonly state: "fresh" | "stale" | "future" | "doubtful";
  /** For a person; empty when fresh. */
  readonly words: string;
}

/** How far the authority's clock may run ahead of ours. */
export const CLOCK_SKEW_MS = 10 * 60_000;

export function freshnessOf({ thisUpdate, nextUpdate }: Validity, time: TimeView): Freshness {
  const trusted = isTimeTrusted(time);
  // also by a clock that nobody vouches for: what may be stale is not taken for fresh
  const lateMs = Math.max(time.nowMs, time.floorMs);
  if (nextUpdate < lateMs) {
    const words = `stale for ${formatSpan(lateMs - nextUpdate)} (since ${formatMoment(nextUpdate)})`;
    return { state: "stale", words };
  }
  if (!trusted) {
    const why = time.words ?? "this machine does not know the time";
    return { state: "doubtful", words: `of unknown age: ${why}` };
  }
  if (thisUpdate > time.nowMs + CLOCK_SKEW_MS) {
    return { state: "future", words: `not yet valid: it begins at ${formatMoment(thisUpdate)}` };
  }
  return { state: "fresh", words: "" };
}
