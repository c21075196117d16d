/**
 * The streams of one connection by their `Micro-Stream` id.
 *
 * A stream that we end first may still have messages of the peer under way; so its id stays known as
 * over until the peer's `EOS` arrives, and what comes before that is dropped. Otherwise a late message
 * would open a new stream, as it does in go-micro. An `EOS` for an id that was never open is dropped
 * too (go-micro v4 does so; v5 and v6 close the connection, which would take other calls with it).
 */
import type { StreamCall } from "./stream-call.ts";

/** Ids remembered as over; a peer that never sends `EOS` pushes the oldest out. */
const MAX_OVER = 256;

export class OpenStreams {
  readonly #open = new Map<string, StreamCall>();
  readonly #over = new Set<string>();

  get size(): number {
    return this.#open.size;
  }

  /** One of them has more waiting than it may. */
  get full(): boolean {
    for (const stream of this.#open.values()) if (stream.full) return true;
    return false;
  }

  /** Bytes of messages that no handler has taken yet. */
  get heldBytes(): number {
    let bytes = 0;
    for (const stream of this.#open.values()) bytes += stream.heldBytes;
    return bytes;
  }

  get(id: string): StreamCall | undefined {
    return this.#open.get(id);
  }

  add(stream: StreamCall): void {
    this.#open.set(stream.streamId, stream);
  }

  /** The stream has ended on the wire. */
  close(stream: StreamCall): void {
    if (!this.#open.delete(stream.streamId) || stream.peerEnded) return;
    this.markOver(stream.streamId);
  }

  /** Drops what else comes under `id`, until the peer's `EOS`. */
  markOver(id: string): void {
    this.#over.add(id);
    if (this.#over.size <= MAX_OVER) return;
    for (const oldest of this.#over) {
      this.#over.delete(oldest);
      break;
    }
  }

  isOver(id: string): boolean {
    return this.#over.has(id);
  }

  /** The peer has ended `id`: it may be used again. */
  forget(id: string): void {
    this.#over.delete(id);
  }

  /** Ends streams whose deadline has passed; returns the earliest deadline that is left. */
  expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const stream of [...this.#open.values()]) {
      if (stream.deadlineAt === undefined) continue;
      if (stream.deadlineAt <= nowMs) stream.expire();
      else next = Math.min(next, stream.deadlineAt);
    }
    return next;
  }

  /** No more messages can come: handlers see the end of their input. */
  endInput(): void {
    for (const stream of this.#open.values()) stream.receiveEnd();
  }

  /** The peer has gone: streams that it had ended are read to their end without the connection. */
  leave(): void {
    for (const stream of [...this.#open.values()]) stream.leave();
    this.#open.clear();
  }

  /** The connection is over, or its time to finish is. */
  cancel(): void {
    for (const stream of [...this.#open.values()]) stream.cancel();
  }
}
