/**
 * What the rest of the agent may know of the time. A wrong clock never deletes, renews or re-keys
 * anything by itself; whoever decides by a date asks here how much the date is worth.
 */

/**
 * `unknown`: nothing says that the clock is right. `floor`: it is behind what has been proven.
 * `network`: the system says that it was set from the network. `authenticated`: a CA or a fleet
 * signature has vouched for it since the boot.
 */
export type TimeState = "unknown" | "floor" | "network" | "authenticated";

export interface TimeView {
  readonly state: TimeState;
  /** The best estimate, Unix ms; never before {@link floorMs}. */
  readonly nowMs: number;
  /** It was certainly this late already, Unix ms. */
  readonly floorMs: number;
  /** The wall clock is known to be wrong. */
  readonly clockWrong: boolean;
  /**
   * With `floor`: an authority has answered us since the start, so that {@link nowMs} is not only what it
   * must be at least, but what it was, but for the day by which authorities date back.
   */
  readonly vouched?: boolean;
  /** For a person; `undefined` when the clock is trusted. */
  readonly words: string | undefined;
}

/** Whether the view is good enough to judge a date by: somebody says that the clock is right. */
export function isTimeTrusted({ state, clockWrong }: TimeView): boolean {
  return (state === "network" || state === "authenticated") && !clockWrong;
}

/**
 * What becomes of a peer whose certificate OpenSSL finds not yet valid while the clock is known to be
 * wrong. `refuse`: OpenSSL's word stands. `proven`: let in when it is valid at the proven time.
 * `tolerate`: also when it begins later than anything proven, as after years on a shelf.
 */
export type NotYetValidPolicy = "refuse" | "proven" | "tolerate";

/** How far a doubtful clock may speak for a peer. */
export interface DatePolicy {
  readonly notYetValid: NotYetValidPolicy;
  /** How long after its end a leaf still counts, milliseconds; 0 means never, and is the default. */
  readonly expiredGraceMs: number;
}

export const DEFAULT_DATE_POLICY: DatePolicy = { notYetValid: "proven", expiredGraceMs: 0 };

/** The time by which a peer is judged at this moment. */
export interface PeerTime {
  /** Unix ms: the clock's, or the proven time while the clock is known to be wrong. */
  readonly nowMs: number;
  /** Only there when OpenSSL's word on dates is not the last one. */
  readonly doubt?: DateDoubt | undefined;
}

export interface DateDoubt {
  /** What OpenSSL judges by, Unix ms. */
  readonly clockMs: number;
  readonly clockWrong: boolean;
  readonly policy: DatePolicy;
}

/** Where a listener or dialer gets the time to judge by. */
export interface PeerClock {
  peerTime(): PeerTime;
}
