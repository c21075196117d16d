/**
 * Watches the window in which old and new authorities are both trusted, and ends it. The end is a wall-clock
 * time in a note of the store, read against the trusted time once an hour or sooner: no timer is set for
 * the whole window.
 */
import { AgentError, errorText } from "../base/errors.ts";
import { MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import { formatMoment } from "../identity/span-words.ts";
import { isTimeTrusted, type TimeView } from "../identity/time/time-view.ts";
import type { OverlapStatus, RotatorOptions } from "./rotation-ports.ts";
import {
  corrected,
  formatOverlap,
  hasSameAuthorities,
  isOver,
  OVERLAP_NOTE,
  type OverlapAnchor,
  overlapOf,
  parseOverlap,
  remainder,
  type TrustOverlap,
  watch,
} from "./trust-overlap.ts";

type Ports = Pick<RotatorOptions, "store" | "time" | "clock" | "log">;

/** No window is longer; an authority that must go within none of these years is not leaving. */
export const MAX_OVERLAP_MS = 366 * 86_400_000;
/** Both clocks, read at once. */
interface Readings {
  readonly view: TimeView;
  readonly monotonicMs: number;
}

export class TrustWindow implements Disposable {
  readonly #ports: Ports;
  /** Puts the remaining bundle in force, asked for when its turn has come. */
  readonly #end: (left: () => string | undefined) => Promise<void>;
  #overlap: TrustOverlap | undefined;
  #anchor: OverlapAnchor | undefined;
  #timer: Timer | undefined;
  #stuck = false;
  /** Notes that are being written for a decision. */
  #keeping = 0;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(ports: Ports, end: (left: () => string | undefined) => Promise<void>) {
    this.#ports = ports;
    this.#end = end;
  }

  get status(): OverlapStatus | undefined {
    if (this.#overlap === undefined) return undefined;
    const { until, leaving } = this.#overlap;
    return { until, leaving };
  }

  /** Takes up a window that a process before this one opened. */
  async start(): Promise<void> {
    const note = await this.#ports.store.readNote(OVERLAP_NOTE);
    if (note === undefined) return;
    this.#overlap = parseOverlap(note);
    if (this.#overlap === undefined) return;
    await this.#look();
  }

  /**
   * Writes down that the old authorities go after `lengthMs`. Before the bundle with both is in force: a
   * note without its bundle is void, a bundle without its note would stay for ever.
   *
   * @param leastMs Of it, what counts from when the time can be trusted, if it can't be now.
   * @returns Both bundles as one, and what to call when that could not be put in force.
   * @throws AgentError `ERR_STORE_*`; `ERR_CERT_INVALID` for a window of more than a year.
   */
  async open(
    oldPem: string,
    newPem: string,
    lengthMs: number,
    leastMs = lengthMs,
  ): Promise<{ readonly bundlePem: string; readonly undo: () => Promise<void> }> {
    if (!(lengthMs > 0 && lengthMs <= MAX_OVERLAP_MS)) {
      const words = `an overlap of ${lengthMs} ms is not between 1 ms and ${MAX_OVERLAP_MS} ms`;
      throw new AgentError("ERR_CERT_INVALID", words);
    }
    const { time, log } = this.#ports;
    const view = time();
    const { bundlePem, overlap: begun } = overlapOf(oldPem, newPem, view.nowMs, lengthMs);
    const overlap = isTimeTrusted(view) ? begun : { ...begun, leastMs };
    if (overlap.leaving.length === 0) return { bundlePem, undo: async () => undefined };
    const before = this.#overlap;
    await this.#keep(overlap);
    log.emit("trust.overlap.begun", {
      until: formatMoment(overlap.until),
      leaving: overlap.leaving,
    });
    const undo = (): Promise<void> => (before === undefined ? this.close() : this.#keep(before));
    return { bundlePem, undo };
  }

  /** A bundle went in force. One with other authorities is a new decision, which voids the window. */
  async decided(oldPem: string | undefined, newPem: string): Promise<void> {
    if (oldPem === undefined || !hasSameAuthorities(oldPem, newPem)) await this.close();
  }

  async #keep(overlap: TrustOverlap): Promise<void> {
    this.#keeping += 1;
    try {
      await this.#ports.store.writeNote(OVERLAP_NOTE, formatOverlap(overlap));
    } finally {
      this.#keeping -= 1;
    }
    this.#overlap = overlap;
    this.#anchor = undefined;
    this.#stuck = false;
    this.#schedule();
  }

  /** Sets right what a wrong clock has made of the window; a decision that is being written goes first. */
  async #correct(overlap: TrustOverlap, view: TimeView): Promise<TrustOverlap> {
    const right = corrected(overlap, view);
    if (right === overlap || this.#keeping > 0) return overlap;
    await this.#ports.store.writeNote(OVERLAP_NOTE, formatOverlap(right));
    if (this.#overlap !== overlap) return overlap;
    this.#overlap = right;
    return right;
  }

  /** The window is void: somebody decided anew what is trusted. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    const open = this.#overlap !== undefined;
    this.#overlap = undefined;
    this.#anchor = undefined;
    this.#stuck = false;
    if (open) await this.#ports.store.dropNote(OVERLAP_NOTE);
  }

  /** Resolves when no end of a window is under way. */
  idle(): Promise<void> {
    return this.#looking;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** @param readings Those by which it was found not to be over: later ones may lie past the end. */
  #schedule({ view, monotonicMs }: Readings = this.#readings()): void {
    this.#timer?.cancel();
    if (this.#closed || this.#overlap === undefined) return;
    const { clock } = this.#ports;
    this.#anchor = watch(this.#anchor, view, monotonicMs);
    const { until, lengthMs } = this.#overlap;
    // By the clock, or, where nobody vouches for it, by how long this process has watched.
    const ahead = [until - view.nowMs, this.#anchor.watchedSinceMs + lengthMs - monotonicMs];
    // Past both something held it up: an identity that needs the old authorities, or the disk.
    const delayMs = Math.min(MAX_TIMER_MS, ...ahead.filter((leftMs) => leftMs > 0));
    this.#timer = clock.setTimer(delayMs, () => {
      this.#looking = this.#look();
    });
  }

  /** Never rejects: what fails is said, and tried again. */
  async #look(): Promise<void> {
    const { log } = this.#ports;
    let overlap = this.#overlap;
    if (overlap === undefined || this.#closed) return;
    const readings = this.#readings();
    const { view, monotonicMs } = readings;
    this.#anchor = watch(this.#anchor, view, monotonicMs);
    try {
      if (this.#left(overlap) === undefined) {
        await this.close();
        return;
      }
      overlap = await this.#correct(overlap, view);
      if (isOver(overlap, view, this.#anchor, monotonicMs)) {
        const ended = overlap;
        await this.#end(() => this.#left(ended));
        // Somebody may have decided anew while this waited its turn, or the agent stops and nothing was done.
        if (this.#overlap === overlap && this.#left(overlap) === undefined) {
          await this.close();
          log.emit("trust.overlap.ended", { dropped: overlap.leaving });
        }
        return;
      }
    } catch (error) {
      if (!this.#stuck) log.emit("trust.overlap.stuck", { reason: errorText(error) });
      this.#stuck = true;
    }
    this.#schedule(readings);
  }

  #readings(): Readings {
    const { time, clock } = this.#ports;
    return { view: time(), monotonicMs: clock.monotonicMs() };
  }

  /** What remains to be trusted; `undefined` when this window has nothing to say any more. */
  #left(overlap: TrustOverlap): string | undefined {
    const { current } = this.#ports.store;
    if (current === undefined || this.#overlap !== overlap) return undefined;
    return remainder(current.trustBundlePem, overlap);
  }
}
