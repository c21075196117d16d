/**
 * A clock that stands still until it is told to move. Timers run in order of their due time, and what
 * they resolve has run before `advance` returns.
 */
import type { Clock, Timer } from "#src/host/clock.ts";

interface Pending {
  readonly dueAt: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<Pending>();

  constructor(wallMs: number = Date.UTC(2026, 5, 1)) {
    this.#wallMs = wallMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer: Pending = { dueAt: this.#monotonicMs + Math.max(0, delayMs), run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Of input there is no fake: sockets in memory live by the real event loop. */
  afterInput(run: () => void): void {
    setImmediate(run);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted === true) {
      reject(signal.reason);
      return promise;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = this.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** How many timers wait; zero means that nothing was left behind. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer; `undefined` if none waits. */
  get nextInMs(): number | undefined {
    const due = [...this.#timers].map((timer) => timer.dueAt);
    return due.length === 0 ? undefined : Math.min(...due) - this.#monotonicMs;
  }

  /** Moves time on, timer by timer; promises settled by one timer are seen before the next. */
  async advance(ms: number): Promise<void> {
    const endAt = this.#monotonicMs + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers]
        .filter((timer) => timer.dueAt <= endAt)
        .sort((a, b) => a.dueAt - b.dueAt)[0];
      if (next === undefined) break;
      this.#step(Math.max(0, next.dueAt - this.#monotonicMs));
      this.#timers.delete(next);
      next.run();
    }
    this.#step(endAt - this.#monotonicMs);
    await settle();
  }

  /** Time passes but no timer runs, as when the process was not scheduled for a while. */
  skip(ms: number): void {
    this.#step(ms);
  }

  /** A jump of the wall clock, as at the first NTP answer; spans do not notice. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #step(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }
}

/** Lets everything that is ready run: microtasks, and what they put in the check phase. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

const MANY_ROUNDS = 32;

/** Lets work that is done in portions, one in each round of the event loop, come to its end. */
export async function rounds(): Promise<void> {
  for (let round = 0; round < MANY_ROUNDS; round++) await settle();
}
