/**
 * Feeds systemd's watchdog, but only after real progress: a request to ourselves through the kernel,
 * the event loop and the control socket was answered. An agent that only keeps its timers running is
 * restarted; one whose network or cloud is away is not, because neither is asked.
 */
import { errorText } from "../base/errors.ts";
import type { Part } from "../base/lifecycle.ts";
import type { Logger } from "../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import type { ServiceNotifier } from "../host/systemd.ts";

export interface WatchdogOptions {
  readonly notifier: ServiceNotifier;
  readonly clock: Clock;
  readonly log: Logger;
  /** Rejects when the agent makes no progress, or when the signal aborts. */
  readonly prove: (signal: AbortSignal) => Promise<unknown>;
}

export class Watchdog implements Part {
  readonly name = "watchdog";
  readonly #options: WatchdogOptions;
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #round: Promise<void> = Promise.resolve();

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { watchdogMs } = this.#options.notifier;
    if (watchdogMs !== undefined) this.#next(Math.min(watchdogMs, MAX_TIMER_MS));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("the agent stops"));
    this.#timer?.cancel();
    await this.#round;
  }

  #next(everyMs: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#timer = this.#options.clock.setTimer(everyMs, () => {
      this.#round = this.#turn(everyMs).then(() => this.#next(everyMs));
    });
  }

  async #turn(everyMs: number): Promise<void> {
    const { clock, log, notifier, prove } = this.#options;
    const late = new AbortController();
    const timer = clock.setTimer(everyMs, () =>
      late.abort(new Error(`no answer in ${everyMs} ms`)),
    );
    try {
      await prove(AbortSignal.any([late.signal, this.#stopping.signal]));
      await notifier.alive();
    } catch (cause) {
      if (!this.#stopping.signal.aborted) log.emit("watchdog.missed", { reason: errorText(cause) });
    } finally {
      timer.cancel();
    }
  }
}
