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
  /** For a person; `undefined` when the clock is trusted. */
  readonly words: string | undefined;
}
