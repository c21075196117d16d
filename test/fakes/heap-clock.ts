/**
 * A clock for thousands of waiters: like FakeClock it stands still while anything runs, and its timers lie
 * in a heap, so that the next one is found at once.
 */
import type { Clock, Timer } from "#src/host/clock.ts";
import { settle } from "./fake-clock.ts";

interface Pending {
  readonly dueAt: number;
  readonly number: number;
  run: (() => void) | undefined;
}

export class HeapClock implements Clock {
  readonly #startMs: number;
  #monotonicMs = 0;
  #count = 0;
  readonly #heap: Pending[] = [];

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const dueAt = this.#monotonicMs + Math.max(0, delayMs);
    const timer: Pending = { dueAt, number: this.#count++, run };
    this.#push(timer);
    return {
      cancel: () => {
        timer.run = undefined;
      },
    };
  }

  afterInput(run: () => void): void {
    setImmediate(run);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const timer = this.setTimer(delayMs, resolve);
      const onAbort = (): void => {
        timer.cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Runs timer after timer until `isOver`, or until none waits. */
  async run(isOver: () => boolean): Promise<void> {
    for (;;) {
      await settle();
      if (isOver()) return;
      const next = this.#pop();
      if (next === undefined) return;
      if (next.run === undefined) continue;
      this.#monotonicMs = Math.max(this.#monotonicMs, next.dueAt);
      next.run();
      while (this.#heap[0]?.run === undefined && this.#heap.length > 0) this.#pop();
    }
  }

  #push(timer: Pending): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): Pending | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [one, other] = [heap[left], heap[left + 1]];
      if (one === undefined) break;
      const child = other !== undefined && isBefore(other, one) ? other : one;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = child === one ? left : left + 1;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(one: Pending, other: Pending): boolean {
  return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.number < other.number);
}
