/**
 * A connection that is not read for a while: the socket stands still and what the reader has is kept.
 *
 * A paused socket does not even say that the peer has gone. So it is read now and then all the same, a
 * little at a time; what comes is kept.
 */
import type { Socket } from "node:net";
import type { RequestHead } from "../../wire/mucp/message.ts";
import type { MessageReader } from "../../wire/mucp/message-reader.ts";
import { type ServerLimits, SOCKET_BYTES } from "./server-limits.ts";

export class ReadingPause {
  readonly #socket: Socket;
  readonly #reader: MessageReader<RequestHead>;
  readonly #limits: ServerLimits;
  #on = false;
  #lookAt = 0;
  #keepUpTo = 0;

  constructor(socket: Socket, reader: MessageReader<RequestHead>, limits: ServerLimits) {
    this.#socket = socket;
    this.#reader = reader;
    this.#limits = limits;
  }

  get on(): boolean {
    return this.#on;
  }

  /** While paused: when to look whether the peer is still there; monotonic milliseconds. */
  get lookAt(): number {
    return this.#lookAt;
  }

  begin(nowMs: number): void {
    if (this.#on) return;
    this.#on = true;
    this.#lookAt = nowMs + this.#limits.lookMs;
    this.#reader.hold();
    this.#socket.pause();
  }

  /** The socket stays still until {@link flow}: what the reader kept comes first. */
  end(): void {
    this.#on = false;
  }

  flow(): void {
    if (!this.#on) this.#socket.resume();
  }

  /** Reads a little, if it is time to. */
  look(nowMs: number): void {
    if (!this.#on || nowMs < this.#lookAt) return;
    const { lookMs, lookBytes } = this.#limits;
    const kept = this.#reader.buffered;
    this.#lookAt = nowMs + (kept > lookBytes ? 12 * lookMs : lookMs);
    this.#keepUpTo = kept + lookBytes;
    this.#socket.resume();
  }

  /** Something came while we looked: enough of it ends the look. */
  came(): void {
    if (this.#on && this.#reader.buffered >= this.#keepUpTo) this.#socket.pause();
  }

  /**
   * Bytes that the socket holds, of which some are out of sight.
   *
   * @param brief Until the next turn: too short for more to come than the socket tells.
   */
  heldBytes(brief: boolean): number {
    if (!this.#on) return 0;
    return brief ? this.#socket.readableLength : SOCKET_BYTES;
  }
}
