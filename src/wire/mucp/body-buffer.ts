/**
 * Collects a body that arrives in pieces. Memory follows what was received, never what was claimed:
 * the buffer doubles, so it is at most twice the bytes that came (or {@link FIRST_BYTES}).
 */
import { tooLarge } from "./wire-fault.ts";

/** Allocated for the first piece at least, if so much is expected: spares a dribbled small body its copies. */
const FIRST_BYTES = 2048;

const EMPTY: Buffer = Buffer.alloc(0);

export class BodyBuffer {
  readonly #keep: boolean;
  readonly #max: number;
  #bytes: Buffer = EMPTY;
  #size = 0;

  /**
   * @param keep False: count only, for a body that is discarded.
   * @param maxBytes No more than this can come: the announced length, or the limit when there is none.
   */
  constructor(keep: boolean, maxBytes: number) {
    this.#keep = keep;
    this.#max = maxBytes;
  }

  /** Bytes taken so far, kept or not. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** What was collected; empty if it was discarded. */
  get bytes(): Buffer {
    return this.#keep ? this.#bytes.subarray(0, this.#size) : EMPTY;
  }

  /** @throws AgentError `ERR_WIRE_TOO_LARGE` if `more` bytes would pass the limit. */
  assertRoom(more: number): void {
    if (this.#size + more > this.#max) throw bodyTooLarge(this.#max);
  }

  /** @throws AgentError `ERR_WIRE_TOO_LARGE` */
  append(chunk: Buffer, from: number, to: number): void {
    const size = this.#size + to - from;
    this.assertRoom(to - from);
    if (this.#keep) {
      if (size > this.#bytes.length) this.#grow(size);
      this.#bytes.set(chunk.subarray(from, to), this.#size);
    }
    this.#size = size;
  }

  #grow(needed: number): void {
    const wanted = Math.max(needed, this.#bytes.length * 2, FIRST_BYTES);
    const larger = Buffer.allocUnsafe(Math.min(wanted, this.#max));
    larger.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = larger;
  }
}

export function bodyTooLarge(maxBytes: number): Error {
  return tooLarge(`body is larger than ${maxBytes} bytes`, maxBytes);
}
