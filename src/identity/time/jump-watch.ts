/**
 * Sees when the wall clock jumps: it is held against time that nobody can set. Also counts the time
 * that the machine was suspended, which Node's monotonic clock leaves out.
 *
 * A jump is only reported. Nothing is deleted, renewed or re-keyed because of one; listeners read their
 * deadlines again and make their checks again.
 */
import type { Logger } from "../../base/log.ts";
import type { Clock, Timer } from "../../host/clock.ts";
import { formatMoment } from "../span-words.ts";

export interface ClockJump {
  /** `suspend`: the machine slept and the clock is right again; `jump`: somebody set the clock. */
  readonly kind: "jump" | "suspend";
  /** Where the clock would be, and where it is; Unix ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Milliseconds, negative for backwards. */
  readonly sizeMs: number;
}

export interface JumpWatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds since the boot with suspended time, or `undefined`; default never. */
  readonly bootTimeMs?: (() => number | undefined) | undefined;
  /** Between two looks; default 30 s: a timer a minute costs an idle device nothing. */
  readonly intervalMs?: number;
  /** Smaller ones are corrections, not jumps; default 5 s. Time services slew at 0.5 ms a second. */
  readonly thresholdMs?: number;
}

/** One look at all clocks at once, milliseconds. */
interface Sample {
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly steadyMs: number;
}

/** `/proc/uptime` is rounded; less than this is no suspension. */
const SUSPEND_MIN_MS = 1000;

export class JumpWatch implements Disposable {
  readonly #options: JumpWatchOptions;
  readonly #listeners = new Set<(jump: ClockJump) => void>();
  readonly #intervalMs: number;
  readonly #thresholdMs: number;
  /** Boot time less monotonic time at the start; `undefined` where boot time is not told. */
  readonly #bootLeadMs: number | undefined;
  #suspendedMs = 0;
  #last: Sample;
  #timer: Timer | undefined;

  constructor(options: JumpWatchOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? 30_000;
    this.#thresholdMs = options.thresholdMs ?? 5_000;
    const boot = options.bootTimeMs?.();
    this.#bootLeadMs = boot === undefined ? undefined : boot - options.clock.monotonicMs();
    this.#last = this.#sample();
  }

  /** Begins to look by itself. */
  start(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(this.#intervalMs, () => {
      this.start();
      this.look();
    });
  }

  /**
   * Milliseconds since an arbitrary start, never set by anybody; suspended time counts where the machine
   * tells it.
   */
  steadyMs(): number {
    return this.#sample().steadyMs;
  }

  /** Calls `listener` after each jump and suspension; returns the function that ends it. */
  onJump(listener: (jump: ClockJump) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks now; what was found has been reported when this returns. */
  look(): readonly ClockJump[] {
    const before = this.#last;
    const now = this.#sample();
    this.#last = now;
    const jumps = jumpsBetween(before, now, this.#thresholdMs);
    for (const jump of jumps) this.#report(jump);
    return jumps;
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #report(jump: ClockJump): void {
    const { kind, fromMs, toMs, sizeMs } = jump;
    if (kind === "suspend") {
      this.#options.log.emit("time.suspended", { for_ms: sizeMs });
    } else {
      this.#options.log.emit("time.jumped", {
        from: formatMoment(fromMs),
        to: formatMoment(toMs),
        jump_ms: sizeMs,
        direction: sizeMs > 0 ? "forwards" : "backwards",
        // Without boot time a suspended machine looks just like a clock that was set forwards.
        maybe_suspended: sizeMs > 0 && this.#bootLeadMs === undefined ? true : undefined,
      });
    }
    for (const listener of [...this.#listeners]) listener(jump);
  }

  #sample(): Sample {
    const { clock, bootTimeMs } = this.#options;
    const monotonicMs = clock.monotonicMs();
    const boot = this.#bootLeadMs === undefined ? undefined : bootTimeMs?.();
    if (boot !== undefined && this.#bootLeadMs !== undefined) {
      const suspended = boot - monotonicMs - this.#bootLeadMs;
      // Only grows, and by real suspensions only, so that rounding never moves it.
      if (suspended > this.#suspendedMs + SUSPEND_MIN_MS) this.#suspendedMs = suspended;
    }
    return { wallMs: clock.now(), monotonicMs, steadyMs: monotonicMs + this.#suspendedMs };
  }
}

function jumpsBetween(before: Sample, now: Sample, thresholdMs: number): readonly ClockJump[] {
  const jumps: ClockJump[] = [];
  const steady = now.steadyMs - before.steadyMs;
  const suspended = steady - (now.monotonicMs - before.monotonicMs);
  if (suspended >= thresholdMs) {
    const toMs = before.wallMs + steady;
    jumps.push({ kind: "suspend", fromMs: toMs - suspended, toMs, sizeMs: suspended });
  }
  const sizeMs = now.wallMs - before.wallMs - steady;
  if (Math.abs(sizeMs) >= thresholdMs) {
    jumps.push({ kind: "jump", fromMs: now.wallMs - sizeMs, toMs: now.wallMs, sizeMs });
  }
  return jumps;
}
