/**
 * What of the attempt budget outlives a restart, so that a program that crashes again and again, or a
 * device whose power flickers, does not start over with short waits.
 */
export interface SavedLane {
  /** In a row. */
  readonly failures: number;
  /** Unix ms of a clock that may be wrong. */
  readonly notBeforeAt: number;
}

export interface SavedAttempts {
  readonly renewal: SavedLane;
  readonly other: SavedLane;
}

/** No wait is longer, whoever asks for it; milliseconds. */
export const MAX_WAIT_MS = 30 * 60_000;

/**
 * Milliseconds until a moment that was written down, by a clock that may have been set since. No wait of
 * ours exceeds the cap, so a moment that is further away is the work of a clock that jumped: it counts
 * as due.
 */
export function leftMs(notBeforeAt: number, nowMs: number, capMs = MAX_WAIT_MS): number {
  const left = notBeforeAt - nowMs;
  return left > 0 && left <= capMs ? left : 0;
}

/** The same moment as it is told to a person: one that counts as due, since a clock jumped, is now. Unix ms. */
export function toldAt(notBeforeAt: number, nowMs: number): number {
  return notBeforeAt > nowMs && leftMs(notBeforeAt, nowMs) === 0 ? Math.round(nowMs) : notBeforeAt;
}
