/**
 * Spans of time as people type and read them. Pure.
 */
const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `250ms`, `5s`, `1.5m`, `30d` in milliseconds; `undefined` for anything else, a bare number included. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const span = Math.round(Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ""] ?? Number.NaN));
  return span >= 1 && Number.isSafeInteger(span) ? span : undefined;
}

const STEPS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** The two largest units: `1 d 1 h`, `3 min 20 s`; under ten seconds in milliseconds. */
export function formatDuration(spanMs: number): string {
  if (spanMs < 10_000) return `${Math.round(spanMs)} ms`;
  const parts: string[] = [];
  let rest = spanMs;
  for (const [unit, ms] of STEPS) {
    const count = Math.floor(rest / ms);
    rest -= count * ms;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.join(" ");
}

/** `41.0 MB`, in powers of ten. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
