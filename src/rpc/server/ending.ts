/**
 * How a connection ends: our half when all that is owed has been said, the rest when the peer has had
 * its time to read it. Holds only moments; the connection owns the socket.
 */
import type { Outbox } from "./outbox.ts";
import type { ServerLimits } from "./server-limits.ts";

/** Why the rest is cut off: the peer takes nothing of what we write, or its time is over. */
type Cut = "stalled" | "late";

export class Ending {
  readonly #limits: ServerLimits;
  readonly #outbox: Outbox;
  #begun = false;
  /** Monotonic milliseconds. */
  #cutAt = Number.POSITIVE_INFINITY;

  constructor(limits: ServerLimits, outbox: Outbox) {
    this.#limits = limits;
    this.#outbox = outbox;
  }

  /** The earliest moment at which {@link overdue} may say something. */
  get dueAt(): number {
    return Math.min(this.#cutAt, this.#stalledAt);
  }

  /** A message was refused: calls that are open get a moment. */
  refused(nowMs: number): void {
    this.#cutAt = nowMs + this.#limits.finishMs;
  }

  /** Nothing is owed any more: our half ends with what has been written. */
  begin(nowMs: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#cutAt = nowMs + this.#limits.writeTimeoutMs;
    this.#outbox.end();
  }

  /** All that we sent is with the kernel: the peer has a moment to read it. */
  sent(nowMs: number): void {
    this.#cutAt = nowMs + this.#limits.lingerMs;
  }

  overdue(nowMs: number): Cut | undefined {
    if (nowMs >= this.#stalledAt) return "stalled";
    return nowMs >= this.#cutAt ? "late" : undefined;
  }

  get #stalledAt(): number {
    const { blocked, progressAt } = this.#outbox;
    return blocked ? progressAt + this.#limits.writeTimeoutMs : Number.POSITIVE_INFINITY;
  }
}
