/**
 * Messages of one stream that its handler has not taken yet: an async iterable with one reader. It ends
 * cleanly only if the peer ended the stream; otherwise reading throws why it stopped, so that a handler
 * never takes a torn stream for a whole one.
 */
export class MessageBacklog<T> implements AsyncIterableIterator<T> {
  readonly #onTaken: () => void;
  readonly #messages: { readonly value: T; readonly bytes: number }[] = [];
  #bytes = 0;
  #ended = false;
  #failure: Error | undefined;
  #reader: PromiseWithResolvers<IteratorResult<T, undefined>> | undefined;

  /** @param onTaken Called after each message that the handler has taken. */
  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  get length(): number {
    return this.#messages.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(value: T, bytes: number): void {
    if (this.#ended || this.#failure !== undefined) return;
    const reader = this.#reader;
    if (reader === undefined) {
      this.#messages.push({ value, bytes });
      this.#bytes += bytes;
      return;
    }
    this.#reader = undefined;
    reader.resolve({ done: false, value });
  }

  /** The peer has sent its last message. */
  end(): void {
    this.#ended = true;
    this.#reader?.resolve({ done: true, value: undefined });
    this.#reader = undefined;
  }

  /** Nothing more will come and what is waiting is dropped. */
  fail(reason: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#messages.length = 0;
    this.#bytes = 0;
    this.#reader?.reject(reason);
    this.#reader = undefined;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const message = this.#messages.shift();
    if (message !== undefined) {
      this.#bytes -= message.bytes;
      this.#onTaken();
      return Promise.resolve({ done: false, value: message.value });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    if (this.#reader !== undefined) {
      return Promise.reject(new Error("a stream's messages have one reader at a time"));
    }
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  /** The handler wants no more messages. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#ended = true;
    this.#messages.length = 0;
    this.#bytes = 0;
    this.#onTaken();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
