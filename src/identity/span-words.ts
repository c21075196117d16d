/**
 * Spans and moments as a person says them. Pure.
 */
const UNITS = [
  { name: "day", ms: 86_400_000 },
  { name: "hour", ms: 3_600_000 },
  { name: "minute", ms: 60_000 },
  { name: "second", ms: 1000 },
] as const;

/** `3 days`, `1 hour`, `less than a second`: the largest unit that fits, rounded down. */
export function formatSpan(spanMs: number): string {
  for (const { name, ms } of UNITS) {
    const count = Math.floor(spanMs / ms);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"}`;
  }
  return "less than a second";
}

/** `2026-06-01T12:00:00Z`; certificates carry whole seconds. */
export function formatMoment(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}
