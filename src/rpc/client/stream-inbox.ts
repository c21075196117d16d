/**
 * Replies of a stream between the socket and their reader: a short queue that says when it is full and
 * when it has room again. What was queued before the end, or before a failure, is still read.
 */
import type { AgentError } from "../../base/errors.ts";

interface Reader<R> {
  resolve(result: IteratorResult<R, undefined>): void;
  reject(error: AgentError): void;
}

export class StreamInbox<R> {
  readonly #size: number;
  readonly #onRoom: () => void;
  #queue: R[] = [];
  #readers: Reader<R>[] = [];
  #end: { readonly error: AgentError | undefined } | undefined;
  #wasFull = false;

  /** @param onRoom Called when a queue that was full is half empty. */
  constructor(size: number, onRoom: () => void) {
    this.#size = Math.max(1, size);
    this.#onRoom = onRoom;
  }

  get isFull(): boolean {
    return this.#queue.length >= this.#size;
  }

  /** Not after the end. */
  push(reply: R): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve({ done: false, value: reply });
    else this.#queue.push(reply);
    if (this.isFull) this.#wasFull = true;
  }

  /** No more replies; with `error`, whoever reads on gets it. The first end counts. */
  end(error?: AgentError): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    for (const reader of this.#readers.splice(0)) {
      if (error === undefined) reader.resolve({ done: true, value: undefined });
      else reader.reject(error);
    }
  }

  /** Ends, and drops what is queued: the reader has gone. */
  discard(): void {
    this.#queue = [];
    this.end();
  }

  next(): Promise<IteratorResult<R, undefined>> {
    if (this.#queue.length > 0) {
      const value = this.#queue.shift() as R;
      if (this.#wasFull && this.#queue.length <= this.#size >> 1) {
        this.#wasFull = false;
        this.#onRoom();
      }
      return Promise.resolve({ done: false, value });
    }
    const end = this.#end;
    if (end === undefined) {
      return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    }
    if (end.error !== undefined) return Promise.reject(end.error);
    return Promise.resolve({ done: true, value: undefined });
  }
}
