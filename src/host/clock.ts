/**
 * The only source of time in the agent. Everything that waits or asks the time gets a `Clock`, so
 * that tests can step it and faults (1970, jumps) can be played.
 *
 * No span over one hour is ever given to a timer: Node fires a timer of more than 24.8 days at once.
 */
export interface Clock {
  /** Wall clock, Unix milliseconds. May jump; never use it for spans. */
  now(): number;
  /** Monotonic milliseconds since an arbitrary start; for spans and deadlines. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs` (at most {@link MAX_TIMER_MS}); never keeps the process alive. */
  setTimer(delayMs: number, run: () => void): Timer;
  /** Calls `run` once, when all input that is ready now has been taken: for work done in portions. */
  afterInput(run: () => void): void;
  /** Resolves after `delayMs`, of any length; rejects with the signal's reason when it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

/** The longest span that a single timer may have. */
export const MAX_TIMER_MS = 3_600_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, run) {
    if (!(delayMs <= MAX_TIMER_MS)) throw new RangeError(`timer of ${delayMs} ms is too long`);
    const handle = setTimeout(run, Math.max(0, delayMs));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  afterInput: (run) => void setImmediate(run),
  async sleep(delayMs, signal) {
    const endAt = performance.now() + delayMs;
    for (let left = delayMs; left > 0; left = endAt - performance.now()) {
      await pause(Math.min(left, MAX_TIMER_MS), signal);
    }
  },
};

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(handle);
      reject(signal?.reason);
    };
    const handle = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
