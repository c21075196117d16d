/**
 * Time limits on what a peer sends: on the header, on the body as a whole and by its progress, and on
 * idling. Holds only numbers; the connection owns the timer.
 *
 * A span in which we did not read (a slow handler, a slow reader at the other end) is not the peer's
 * fault: after a pause every limit starts anew.
 */
import { AgentError } from "../../base/errors.ts";
import type { ReaderPhase } from "../../wire/mucp/message.ts";
import type { ServerLimits } from "./server-limits.ts";

/** What the connection should do when a limit has passed. */
export type Overrun =
  /** Nobody waits for an answer: close. */
  { readonly action: "close" } | { readonly action: "refuse"; readonly error: AgentError };

export class ReadingLimits {
  readonly #limits: ServerLimits;
  #phase: ReaderPhase = "idle";
  /** When the phase began, monotonic milliseconds. */
  #since: number;
  /** A header must come within `headerTimeoutMs` of the connection; later ones may idle. */
  #first = true;
  #windowAt = 0;
  #windowBytes = 0;

  constructor(limits: ServerLimits, nowMs: number) {
    this.#limits = limits;
    this.#since = nowMs;
  }

  /**
   * Notes where the reader stands after a read.
   *
   * @param completed Whether a message ended within the read, so that the phase is a new one even if
   *   it has the same name.
   */
  afterRead(phase: ReaderPhase, completed: boolean, received: number, nowMs: number): void {
    if (completed) this.#first = false;
    if (phase === this.#phase && !completed) return;
    this.#phase = phase;
    this.#since = nowMs;
    this.#windowAt = nowMs;
    this.#windowBytes = received;
  }

  /** Reading went on after we had paused it. */
  restart(received: number, nowMs: number): void {
    this.#since = nowMs;
    this.#windowAt = nowMs;
    this.#windowBytes = received;
  }

  /**
   * The earliest moment at which a limit may pass.
   *
   * @param busy Calls or streams are open: the peer may well wait in silence.
   */
  dueAt(busy: boolean): number {
    const { headerTimeoutMs, bodyTimeoutMs, bodyProgressMs, idleTimeoutMs } = this.#limits;
    switch (this.#phase) {
      case "idle":
        if (this.#first) return this.#since + headerTimeoutMs;
        return busy ? Number.POSITIVE_INFINITY : this.#since + idleTimeoutMs;
      case "head":
        return this.#since + headerTimeoutMs;
      case "body":
        return Math.min(this.#since + bodyTimeoutMs, this.#windowAt + bodyProgressMs);
    }
  }

  /** The limit that has passed at `nowMs`, if any. */
  check(busy: boolean, received: number, nowMs: number): Overrun | undefined {
    if (nowMs < this.dueAt(busy)) return undefined;
    const { headerTimeoutMs, bodyTimeoutMs, bodyProgressMs, minBodyBytes } = this.#limits;
    if (this.#phase === "idle") return { action: "close" };
    if (this.#phase === "head") return late(`the header did not end within ${headerTimeoutMs} ms`);
    if (nowMs >= this.#since + bodyTimeoutMs) {
      return late(`the body did not end within ${bodyTimeoutMs} ms`);
    }
    if (received - this.#windowBytes < minBodyBytes) {
      return late(`the body grew by less than ${minBodyBytes} bytes in ${bodyProgressMs} ms`);
    }
    this.#windowAt = nowMs;
    this.#windowBytes = received;
    return undefined;
  }

  /** The connection has no open call any more: idling begins. */
  becameIdle(nowMs: number): void {
    if (this.#phase === "idle") this.#since = nowMs;
  }
}

function late(detail: string): Overrun {
  return { action: "refuse", error: new AgentError("ERR_WIRE_TIMEOUT", detail) };
}
