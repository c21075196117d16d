/**
 * Lets the operations of a store run one after another, so that a slow disk holds at most one thread
 * of libuv's pool; those that wait are bounded.
 */
import { AgentError } from "../../base/errors.ts";
import type { Clock } from "../../host/clock.ts";

/** Each may hold a note of 64 KiB. */
const MAX_WAITING = 32;
/** A worn card takes seconds to sync; longer than this is worth a word in the status. */
const SLOW_MS = 5_000;

export class StoreTurns {
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #begunAt: number | undefined;
  #what = "";
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the disk is taking long for, in words. */
  get slow(): string | undefined {
    if (this.#begunAt === undefined) return undefined;
    const spentMs = this.#clock.monotonicMs() - this.#begunAt;
    if (spentMs < SLOW_MS) return undefined;
    return `the disk has been busy with "${this.#what}" for ${Math.floor(spentMs / 1000)} s`;
  }

  /** @throws AgentError `ERR_STORE_BUSY`, `ERR_STORE_CLOSED`, or what `run` rejects with. */
  async take<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new AgentError("ERR_STORE_CLOSED", `${what}: the store is closed`);
    if (this.#waiting >= MAX_WAITING) {
      throw new AgentError("ERR_STORE_BUSY", `${what}: ${this.#waiting} changes wait for the disk`);
    }
    this.#waiting += 1;
    const turn = this.#last.then(async () => {
      this.#begunAt = this.#clock.monotonicMs();
      this.#what = what;
      try {
        return await run();
      } finally {
        this.#begunAt = undefined;
        this.#waiting -= 1;
      }
    });
    // The next one runs whatever became of this one; who asked for this one gets its error.
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Takes no more; resolves when those that were taken have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}
