/**
 * Waits for a moment of the wall clock that somebody has written down. The moment is read again at every
 * look, a look comes at least every hour and after every jump and suspension, so neither a clock that
 * is set nor a machine that slept moves the deadline by more than that. No timer is longer than an hour:
 * Node fires one of more than 24.8 days at once.
 *
 * A deadline that is over only because the clock jumped, and nobody vouches for the clock, is held.
 */
import { errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";
import { formatMoment } from "../span-words.ts";
import type { JumpWatch } from "./jump-watch.ts";
import type { TimeView } from "./time-view.ts";

export interface WallDeadlineOptions {
  /** What is due, for the log. */
  readonly name: string;
  /** The moment as it is written down, Unix ms; `undefined` when there is none at present. */
  readonly readMs: () => number | undefined | Promise<number | undefined>;
  /** Called when it is over. Should write down the next one; if it doesn't, it is called again an hour later. */
  readonly run: () => void | Promise<void>;
  readonly time: DeadlineTime;
  readonly jumps: Pick<JumpWatch, "onJump">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** {@link TrustedTime} is one. */
export interface DeadlineTime {
  view(): TimeView;
  /** Unix ms, without what unconfirmed jumps have added. */
  dueMs(): number;
}

export class WallDeadline implements AsyncDisposable {
  readonly #options: WallDeadlineOptions;
  readonly #unwatch: () => void;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #heldFor: number | undefined;
  #closed = false;

  constructor(options: WallDeadlineOptions) {
    this.#options = options;
    this.#unwatch = options.jumps.onJump(() => void this.look());
  }

  /** Reads the deadline and runs it if it is over; to be called at the start and when it was written anew. */
  look(): Promise<void> {
    this.#again = this.#looking !== undefined;
    this.#looking ??= this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Waits for a run under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#timer?.cancel();
    await this.#looking;
  }

  async #lookUntilDone(): Promise<void> {
    do {
      this.#again = false;
      this.#timer?.cancel();
      const delayMs = await this.#once();
      if (this.#closed) return;
      this.#timer = this.#options.clock.setTimer(delayMs, () => void this.look());
    } while (this.#again);
  }

  /** Returns after how many milliseconds to look again. */
  async #once(): Promise<number> {
    const { name, readMs, run, time, log } = this.#options;
    try {
      const atMs = await readMs();
      if (atMs === undefined || this.#closed) return MAX_TIMER_MS;
      const leftMs = atMs - time.dueMs();
      if (leftMs > 0) {
        this.#tellHeld(atMs);
        return Math.min(leftMs, MAX_TIMER_MS);
      }
      await run();
      const nextMs = await readMs();
      // The same once more: without a pause this would never end.
      if (nextMs === undefined || nextMs === atMs) return MAX_TIMER_MS;
      return Math.min(Math.max(0, nextMs - time.dueMs()), MAX_TIMER_MS);
    } catch (error) {
      log.emit("time.deadline.failed", { name, reason: errorText(error) });
      return MAX_TIMER_MS;
    }
  }

  #tellHeld(atMs: number): void {
    const { name, time, log } = this.#options;
    const { nowMs } = time.view();
    if (nowMs < atMs || this.#heldFor === atMs) return;
    this.#heldFor = atMs;
    const fields = { deadline: formatMoment(atMs), clock: formatMoment(nowMs) };
    log.emit("time.deadline.held", { name, ...fields });
  }
}
