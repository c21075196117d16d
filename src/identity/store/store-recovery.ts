/**
 * What the disk's errors mean for the store, and the way back: the agent goes on from memory, says so
 * once, and tries again by itself at growing intervals until the disk takes writes again.
 */
import { AgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";
import type { SpaceReserve } from "./space-reserve.ts";
import { isDiskFault, storeError } from "./store-error.ts";

const FIRST_RETRY_MS = 60_000;

export interface RecoveryOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly reserve: SpaceReserve;
  /**
   * Writes whatever is missing, a byte or two if nothing is; rejects while the disk does not take it.
   * Called from a timer: must wait for its turn.
   */
  readonly retry: () => Promise<void>;
}

export class StoreRecovery {
  readonly #options: RecoveryOptions;
  #fault: AgentError | undefined;
  #saidMissing = false;
  #timer: Timer | undefined;
  #delayMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Why the store can't be written, in words. */
  get fault(): string | undefined {
    return this.#fault?.message;
  }

  /** It is space or inodes that are missing. */
  get full(): boolean {
    return this.#fault?.code === "ERR_STORE_FULL";
  }

  /** Takes note of what a change failed with; returns what to throw. */
  failed(error: unknown, path: string): unknown {
    const known = storeError(error, path);
    if (!isDiskFault(known)) return known;
    const { dir, log } = this.#options;
    if (this.#fault?.message !== known.message) {
      log.emit("store.failed", { path: dir, code: known.code, reason: known.message });
    }
    this.#fault = known;
    this.#schedule();
    return known;
  }

  /** The disk has taken a change. */
  succeeded(): void {
    if (this.#fault === undefined) return;
    this.#fault = undefined;
    this.#delayMs = FIRST_RETRY_MS;
    this.#options.log.emit("store.recovered", { path: this.#options.dir });
  }

  /** Sets space aside again. A failure is told once, and tried again later. Never rejects. */
  async remake(largestBytes: number): Promise<void> {
    const { reserve, dir, log } = this.#options;
    if (reserve.suffices(largestBytes) || this.#fault?.code === "ERR_STORE_READ_ONLY") return;
    let reason = "the file system is full";
    try {
      await reserve.ensure(largestBytes);
    } catch (error) {
      const known = storeError(error, dir);
      reason = known instanceof AgentError ? known.message : String(known);
    }
    if (reserve.bytes > 0) {
      this.#saidMissing = false;
      if (!reserve.suffices(largestBytes)) this.#schedule();
      return;
    }
    if (!this.#saidMissing) log.emit("store.reserve.missing", { path: dir, reason });
    this.#saidMissing = true;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = this.#options.clock.setTimer(this.#delayMs, () => {
      this.#timer = undefined;
      this.#delayMs = Math.min(2 * this.#delayMs, MAX_TIMER_MS);
      void this.#try();
    });
  }

  async #try(): Promise<void> {
    try {
      await this.#options.retry();
    } catch (error) {
      this.failed(error, this.#options.dir);
    }
    if (this.#fault !== undefined) this.#schedule();
  }
}
