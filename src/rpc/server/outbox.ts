/**
 * What goes out on one connection: replies are collected and written together.
 *
 * Between `cork` and `uncork` (one read event) everything pushed becomes one `socket.write`, so that a
 * small reply is one TLS record and many small replies are one too. What is pushed at other times is
 * written in one microtask. Large replies go out in pieces, each when the one before has left: only so
 * can be seen whether a slow peer still takes anything.
 */
import type { Socket } from "node:net";
import type { Clock } from "../../host/clock.ts";
import { SOCKET_BYTES } from "./server-limits.ts";

/**
 * Bytes per write, when there is more: two TLS records. What is written lies in memory twice, in clear
 * and encrypted, until the peer takes it. At 32 KiB in 30 s a peer that takes 2 KiB/s is not cut off.
 */
const PIECE_BYTES = 32 * 1024;

export class Outbox {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #onTurn: () => void;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #corked = false;
  #scheduled = false;
  #blocked = false;
  #ending = false;
  #closed = false;
  #waiting: PromiseWithResolvers<void> | undefined;
  /** Monotonic milliseconds since which the peer has taken nothing; meaningful while `blocked`. */
  progressAt = 0;

  /** @param onTurn Called when the peer begins to take less than we have, and when it takes more again. */
  constructor(socket: Socket, clock: Clock, onTurn: () => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onTurn = onTurn;
    socket.on("drain", this.#onDrain);
  }

  /** The peer takes less than we have: whoever can wait should. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Bytes pushed that wait for the peer, and what the socket holds of them out of sight. */
  get heldBytes(): number {
    return this.#bytes + (this.#blocked ? this.#socket.writableLength + SOCKET_BYTES : 0);
  }

  cork(): void {
    this.#corked = true;
  }

  uncork(): void {
    this.#corked = false;
    if (this.#chunks.length > 0) this.#flush();
  }

  /** Takes ownership of `bytes`: the caller never writes to them again. */
  push(bytes: Uint8Array): void {
    if (this.#closed || this.#ending) return; // nobody is left to read it
    this.#chunks.push(bytes);
    this.#bytes += bytes.byteLength;
    if (this.#corked) {
      if (this.#bytes >= PIECE_BYTES) this.#flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#flushLate);
    }
  }

  /** Resolves when the peer takes more, or when the connection is over. */
  drained(): Promise<void> {
    if (!this.#blocked || this.#closed) return Promise.resolve();
    this.#waiting ??= Promise.withResolvers<void>();
    return this.#waiting.promise;
  }

  /** Sends what is held, then ends our side. Nothing can be pushed any more. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#flush();
  }

  /** The connection is over: drops what is held and lets waiting writers go. */
  close(): void {
    this.#closed = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#blocked = false;
    this.#socket.off("drain", this.#onDrain);
    this.#releaseWriters();
  }

  readonly #flushLate = (): void => {
    this.#scheduled = false;
    if (this.#corked) return;
    this.#flush();
    // Nobody else looks at this connection now, and its time to take something begins.
    if (this.#blocked) this.#onTurn();
  };

  #flush(): void {
    while (this.#bytes > 0 && !this.#blocked && this.#socket.writable) {
      if (this.#socket.write(this.#takePiece())) continue;
      this.#block();
    }
    // Destroyed, and "close" has not come yet: a handler that goes on would never let it come.
    if (this.#bytes > 0 && !this.#socket.writable) this.#block();
    if (this.#ending && this.#bytes === 0 && this.#socket.writable) this.#socket.end();
  }

  #block(): void {
    if (this.#blocked) return;
    this.#blocked = true;
    this.progressAt = this.#clock.monotonicMs();
  }

  #takePiece(): Uint8Array {
    const chunks = this.#chunks;
    const [first] = chunks;
    if (chunks.length === 1 && first !== undefined && first.byteLength <= PIECE_BYTES) {
      this.#chunks = [];
      this.#bytes = 0;
      return first;
    }
    let taken = 0;
    let length = 0;
    while (taken < chunks.length && length < PIECE_BYTES)
      length += chunks[taken++]?.byteLength ?? 0;
    const last = chunks[taken - 1];
    const overhang = length - PIECE_BYTES;
    const piece = chunks.splice(0, taken);
    if (overhang > 0 && last !== undefined) {
      const cut = last.byteLength - overhang;
      chunks.unshift(last.subarray(cut));
      piece[taken - 1] = last.subarray(0, cut);
      length = PIECE_BYTES;
    }
    this.#bytes -= length;
    return piece.length === 1 && piece[0] !== undefined ? piece[0] : Buffer.concat(piece, length);
  }

  readonly #onDrain = (): void => {
    this.#blocked = false;
    this.#flush();
    if (this.#blocked) return;
    this.#releaseWriters();
    this.#onTurn();
  };

  #releaseWriters(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }
}
