/**
 * Old and new authorities side by side for a while: what the trust bundle is during that window, when the
 * window ends, and what is left then. Kept as a note in the store. Pure.
 */
import { splitPem } from "../identity/pem.ts";
import { isTimeTrusted, type TimeView } from "../identity/time/time-view.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";

/** Name of the store's note. */
export const OVERLAP_NOTE = "trust-overlap";

export interface TrustOverlap {
  /** Unix ms by the trusted time when the window began, plus its length. */
  readonly until: number;
  /** Ms. */
  readonly lengthMs: number;
  /** Nobody vouched for the clock when the window began: so much of it counts from when somebody does, ms. */
  readonly leastMs?: number | undefined;
  /** SHA-256 of the DER of authorities that go at the end. */
  readonly leaving: readonly string[];
  /** Of those that stay; without any of them in force the window is void. */
  readonly staying: readonly string[];
}

/** First reading of this process; a jump of the wall clock shows against the monotonic clock. */
export interface OverlapAnchor {
  /** {@link TimeView.nowMs} of the first trustworthy reading; `undefined` until there was one. */
  readonly trusted: { readonly wallMs: number; readonly monotonicMs: number } | undefined;
  /** When this process began to watch the window, monotonic ms. */
  readonly watchedSinceMs: number;
}

export function formatOverlap(overlap: TrustOverlap): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: 1, ...overlap }));
}

/** `undefined` for a note that is none, or of a later version. */
export function parseOverlap(bytes: Uint8Array): TrustOverlap | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const members = (value ?? {}) as Record<string, unknown>;
  const { version, until, lengthMs, leastMs, leaving, staying } = members;
  if (version !== 1 || !isSpan(until) || !isSpan(lengthMs)) return undefined;
  if (!isList(leaving) || !isList(staying)) return undefined;
  return { until, lengthMs, ...(isSpan(leastMs) ? { leastMs } : {}), leaving, staying };
}

/** Both bundles as one, the new first, nothing twice; and the note that will end it. */
export function overlapOf(
  oldPem: string,
  newPem: string,
  nowMs: number,
  lengthMs: number,
): { readonly bundlePem: string; readonly overlap: TrustOverlap } {
  const fresh = authorities(newPem);
  const staying = new Set(fresh.map(({ sha256 }) => sha256));
  const leaving = unique(authorities(oldPem)).filter(({ sha256 }) => !staying.has(sha256));
  const texts = new Map([...fresh, ...leaving].map(({ sha256, pem }) => [sha256, pem]));
  return {
    bundlePem: [...texts.values()].join(""),
    overlap: {
      until: Math.round(nowMs + lengthMs),
      lengthMs,
      leaving: leaving.map(({ sha256 }) => sha256),
      staying: [...staying],
    },
  };
}

/** SHA-256 of the authorities that the old bundle has and the new one has not. */
export function droppedFrom(oldPem: string, newPem: string): readonly string[] {
  return overlapOf(oldPem, newPem, 0, 0).overlap.leaving;
}

export function hasSameAuthorities(onePem: string, otherPem: string): boolean {
  return droppedFrom(onePem, otherPem).length + droppedFrom(otherPem, onePem).length === 0;
}

/**
 * What remains of a bundle when the window has ended; `undefined` when the note does not speak of this
 * bundle (any more): none of the leaving is in it, or none of the staying.
 */
export function remainder(bundlePem: string, overlap: TrustOverlap): string | undefined {
  const all = authorities(bundlePem);
  const left = all.filter(({ sha256 }) => !overlap.leaving.includes(sha256));
  if (left.length === all.length) return undefined;
  if (!left.some(({ sha256 }) => overlap.staying.includes(sha256))) return undefined;
  return left.map(({ pem }) => pem).join("");
}

/**
 * Begins, or goes on, to watch: the first trustworthy reading of the wall clock is kept, as what it says
 * later is measured against it.
 */
export function watch(
  anchor: OverlapAnchor | undefined,
  time: TimeView,
  monotonicMs: number,
): OverlapAnchor {
  const watchedSinceMs = anchor?.watchedSinceMs ?? monotonicMs;
  if (!isTimeTrusted(time)) return { trusted: anchor?.trusted, watchedSinceMs };
  const trusted = anchor?.trusted ?? { wallMs: time.nowMs, monotonicMs };
  return { trusted, watchedSinceMs };
}

/** Clocks that are set a little differ by less. */
const SLACK_MS = 3_600_000;

/**
 * The window by a clock that somebody vouches for, when it was begun by one that was wrong: ahead, its end
 * would not come for decades; behind, it would be over as soon as the clock is set.
 *
 * @returns The same when there is nothing to correct.
 */
export function corrected(overlap: TrustOverlap, time: TimeView): TrustOverlap {
  if (!isTimeTrusted(time)) return overlap;
  const { leastMs, ...rest } = overlap;
  const latest = time.nowMs + overlap.lengthMs;
  if (leastMs === undefined && overlap.until <= latest + SLACK_MS) return overlap;
  return { ...rest, until: Math.min(latest, Math.max(overlap.until, time.nowMs + (leastMs ?? 0))) };
}

/**
 * Whether the window has ended. A clock that jumps can't end it early: either the time is trustworthy,
 * past the end, and this process has seen the rest of the window pass (or an authority vouches for the
 * time, or the end had passed before this process looked first); or this process itself has run for the
 * whole length of the window. A clock that stands still or goes back only makes it longer.
 */
export function isOver(
  overlap: TrustOverlap,
  time: TimeView,
  anchor: OverlapAnchor,
  monotonicMs: number,
): boolean {
  if (monotonicMs - anchor.watchedSinceMs >= overlap.lengthMs) return true;
  if (!isTimeTrusted(time) || time.nowMs < overlap.until) return false;
  if (time.state === "authenticated" || anchor.trusted === undefined) return true;
  const { wallMs, monotonicMs: sinceMs } = anchor.trusted;
  return monotonicMs - sinceMs >= overlap.until - wallMs;
}

interface Authority {
  readonly sha256: string;
  readonly pem: string;
}

function authorities(bundlePem: string): Authority[] {
  const blocks = splitPem(bundlePem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  return parseTrustBundle(bundlePem).map(({ summary }, index) => ({
    sha256: summary.fingerprint,
    pem: blocks[index]?.text ?? "",
  }));
}

function unique(all: readonly Authority[]): readonly Authority[] {
  return [...new Map(all.map((each) => [each.sha256, each])).values()];
}

function isSpan(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
