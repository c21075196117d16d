/**
 * When a certificate is to be renewed, and how soon a failed attempt is made again. Pure; spans are
 * milliseconds, moments Unix milliseconds.
 *
 *     due = notBefore + at * lifetime, moved by up to a tenth either way by a draw that is kept
 *         or earlier, so that three times the longest outage on record is left
 *         but never before a quarter of the lifetime, and not twice within the least spacing
 *
 * The draw keeps a fleet that was enrolled on one day from renewing on one day for ever; two thirds and a
 * tenth are what docs/rotation.md promises to operators.
 */

export interface RenewalSettings {
  /** Share of the lifetime, 0 to 1. */
  readonly at: number;
}

/** What the decision is made of. */
export interface RenewalFacts {
  readonly notBefore: number;
  readonly notAfter: number;
  /** Uniform in [0, 1), drawn once for this certificate. */
  readonly draw: number;
  /** When this certificate came in force by the trusted time; `undefined` when that is not known any more. */
  readonly inForceSince: number | undefined;
  /** Of the device's own history, ms; 0 without any. */
  readonly longestOutageMs: number;
}

/**
 * `share`: its time has come by its share of the lifetime. `outages`: earlier, because this device has been
 * cut off for long before. `spacing`: later, because it came in force only just now. `dates`: its dates
 * make no lifetime, so it is replaced as soon as the spacing allows.
 */
export type RenewalReason = "share" | "outages" | "spacing" | "dates";

export interface RenewalDue {
  /** Unix ms. */
  readonly dueAt: number;
  readonly reason: RenewalReason;
}

/** How far the draw moves the moment, as a share of `at`. */
const JITTER = 0.1;
/** A renewal that is moved to the very end of the life is none. */
const LATEST_SHARE = 0.95;
/** However long the outages: each renewal wears the flash and loads the authority. */
const EARLIEST_SHARE = 0.25;
/** Of the longest outage is left when the renewal begins. */
const OUTAGE_MARGIN = 3;
/** Between two renewals, as a share of the lifetime, and at least. */
const SPACING_SHARE = 0.1;
export const MIN_SPACING_MS = 60_000;
const MAX_SPACING_MS = 86_400_000;

/** When this certificate is due. */
export function renewalDue({ at }: RenewalSettings, facts: RenewalFacts): RenewalDue {
  const { notBefore, notAfter, draw, inForceSince, longestOutageMs } = facts;
  const lifetimeMs = notAfter - notBefore;
  if (!(lifetimeMs > 0))
    return { dueAt: (inForceSince ?? notAfter) + MIN_SPACING_MS, reason: "dates" };
  const share = Math.min(LATEST_SHARE, at * (1 + JITTER * (2 * draw - 1)));
  const byShare = notBefore + share * lifetimeMs;
  // The same draw again, or devices of one roof with one outage would all come at once.
  const marginMs = longestOutageMs * OUTAGE_MARGIN * (1 + JITTER * draw);
  const earliest = notBefore + EARLIEST_SHARE * (1 + JITTER * draw) * lifetimeMs;
  const byOutages = Math.max(earliest, notAfter - marginMs);
  const [wanted, reason]: [number, RenewalReason] =
    byOutages < byShare ? [byOutages, "outages"] : [byShare, "share"];
  const free = inForceSince === undefined ? wanted : freeFrom(inForceSince, facts);
  if (free > wanted) return { dueAt: Math.round(free), reason: "spacing" };
  return { dueAt: Math.round(wanted), reason };
}

/** One that came in force shortly before its end is not spaced beyond the middle of what is left. */
function freeFrom(inForceSince: number, { notBefore, notAfter }: RenewalFacts): number {
  const leftMs = notAfter - inForceSince;
  const spacing = spacingMs(notAfter - notBefore);
  const most = leftMs > 0 ? Math.max(MIN_SPACING_MS, leftMs / 2) : spacing;
  return inForceSince + Math.min(spacing, most);
}

/** Least time between two renewals, whatever the dates say: no certificate can make a loop. */
export function spacingMs(lifetimeMs: number): number {
  const share = Math.max(0, lifetimeMs) * SPACING_SHARE;
  return Math.min(MAX_SPACING_MS, Math.max(MIN_SPACING_MS, share));
}

/** No wait exceeds this: the queue takes what lies further ahead for a clock that jumped. */
export const MAX_RETRY_MS = 1_800_000;
/** Shortest bound near the end of a life, by its length. */
const MIN_RETRY_MS = 30_000;
const MAX_MIN_RETRY_MS = 300_000;
const MIN_RETRY_SHARE = 1 / 288;
/** Spread behind the moment that an authority names, for it names the same to everybody. */
const SPREAD_MS = 120_000;

/**
 * The longest that may pass until the next attempt, ms: while the certificate lives, a quarter of what is
 * left of it, so that a link that comes back shortly before the end is not slept through.
 *
 * @param leftMs Until the certificate ends; zero or less when it has.
 */
export function longestWaitMs(leftMs: number, lifetimeMs: number): number {
  if (leftMs <= 0) return MAX_RETRY_MS;
  const share = Math.max(0, lifetimeMs) * MIN_RETRY_SHARE;
  const least = Math.min(MAX_MIN_RETRY_MS, Math.max(MIN_RETRY_MS, share));
  return Math.min(MAX_RETRY_MS, Math.max(least, leftMs / 4));
}

/**
 * The least wait that the answer asks for, beside the back-off; `undefined` when it asks for none.
 *
 * @param askedMs `Retry-After`; counts up to {@link MAX_RETRY_MS}.
 * @param needsOperator Nothing changes before somebody has done something.
 * @param draw Uniform in [0, 1).
 */
export function leastWaitMs(
  askedMs: number | undefined,
  needsOperator: boolean,
  draw: number,
): number | undefined {
  // Half of it at least: a full jitter could ask at once what only an operator can change.
  if (needsOperator) return Math.round(MAX_RETRY_MS * (0.5 + 0.5 * draw));
  if (askedMs === undefined) return undefined;
  return Math.round(Math.min(MAX_RETRY_MS, Math.max(0, askedMs) + SPREAD_MS * draw));
}
