/**
 * How long one call or stream may go on: its overall time limit and the caller's AbortSignal, as one
 * thing that ends at most once. Everything that a call waits for (a lookup, a free connection, a reply,
 * a pause before a retry) watches it, one after another.
 */
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";

/** `deadline`: the time is up. `aborted`: the caller gave up, or the client was closed. */
export type LimitEnd = "deadline" | "aborted";

export class CallLimit {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  /** Monotonic milliseconds; `Infinity` without a time limit. */
  readonly #endAt: number;
  #timer: Timer | undefined;
  #ended: LimitEnd | undefined;
  #watcher: ((end: LimitEnd) => void) | undefined;

  /** @param timeoutMs `undefined`: no time limit. */
  constructor(clock: Clock, timeoutMs: number | undefined, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#signal = signal;
    this.#endAt = timeoutMs === undefined ? Infinity : clock.monotonicMs() + timeoutMs;
    if (signal?.aborted === true) {
      this.#ended = "aborted";
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeoutMs !== undefined) this.#arm(timeoutMs);
  }

  get ended(): LimitEnd | undefined {
    return this.#ended;
  }

  /** What the caller's signal was aborted with; for the `cause` of an error. */
  get reason(): unknown {
    return this.#signal?.reason;
  }

  /** Milliseconds left, never negative; `Infinity` without a time limit. */
  get remainingMs(): number {
    return Math.max(0, this.#endAt - this.#clock.monotonicMs());
  }

  /** Calls `onEnd` when the limit ends, at once if it has; replaces the watcher before it. */
  watch(onEnd: (end: LimitEnd) => void): void {
    if (this.#ended !== undefined) onEnd(this.#ended);
    else this.#watcher = onEnd;
  }

  unwatch(): void {
    this.#watcher = undefined;
  }

  /** Ends now, as if the caller had aborted. */
  abort(): void {
    this.#end("aborted");
  }

  /** Resolves after `delayMs`, or as soon as the limit ends. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(Math.min(delayMs, MAX_TIMER_MS), () => {
        this.unwatch();
        resolve();
      });
      this.watch(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Lets go of the timer and the caller's signal; nothing ends after that. */
  release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#watcher = undefined;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => this.#end("aborted");

  #arm(delayMs: number): void {
    this.#timer = this.#clock.setTimer(Math.min(delayMs, MAX_TIMER_MS), () => {
      const leftMs = this.remainingMs;
      if (leftMs > 0) this.#arm(leftMs);
      else this.#end("deadline");
    });
  }

  #end(end: LimitEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = end;
    const watcher = this.#watcher;
    this.release();
    watcher?.(end);
  }
}
