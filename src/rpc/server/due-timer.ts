/**
 * One timer for the time limits of all connections.
 *
 * A timer per request would cost more than the request. Here a connection states the earliest moment
 * at which it must be looked at; that moment may be too early, never too late. While limits only move
 * away, as they do under traffic, no timer is touched: the one that fires finds nothing due, and is
 * set again for the earliest moment of all. Looking at every connection then is cheap, for there are
 * a few hundred at most.
 */
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";

export interface Due {
  /** Monotonic milliseconds; `Infinity` when nothing is to be watched. */
  readonly dueAt: number;
  /** Acts on limits that have passed, then states the next moment in `dueAt`, after `nowMs`. */
  onDue(nowMs: number): void;
}

export class DueTimer {
  readonly #clock: Clock;
  readonly #watched = new Set<Due>();
  #timer: Timer | undefined;
  #armedAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  watch(due: Due): void {
    this.#watched.add(due);
    this.noticeEarlier(due.dueAt);
  }

  forget(due: Due): void {
    this.#watched.delete(due);
    if (this.#watched.size === 0) this.#disarm();
  }

  /** Call when a watched moment has become earlier. */
  noticeEarlier(dueAt: number): void {
    if (dueAt < this.#armedAt) this.#arm(dueAt);
  }

  #arm(dueAt: number): void {
    this.#disarm();
    if (dueAt === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(MAX_TIMER_MS, Math.max(0, dueAt - this.#clock.monotonicMs()));
    this.#armedAt = dueAt;
    this.#timer = this.#clock.setTimer(delayMs, this.#fire);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedAt = Number.POSITIVE_INFINITY;
  }

  readonly #fire = (): void => {
    this.#disarm();
    const nowMs = this.#clock.monotonicMs();
    for (const due of [...this.#watched]) if (due.dueAt <= nowMs) due.onDue(nowMs);
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#watched) next = Math.min(next, dueAt);
    // A timer may fire a fraction of a millisecond early: never spin on it.
    this.#arm(Math.max(next, nowMs + 1));
  };
}
