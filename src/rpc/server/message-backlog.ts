export interface BacklogOwner<T> {
  decode(message: Uint8Array): T;
  /** After each message that the handler has taken. */
  onTaken(): void;
  /** The message that the handler wanted is none: the stream ends. */
  onUndecodable(thrown: unknown): void;
}

/**
 * Messages of one stream that its handler has not taken yet: an async iterable with one reader. They
 * wait as bytes, and are decoded one by one when they are taken: values are many times larger. It ends
 * cleanly only if the peer ended the stream; otherwise reading throws why it stopped, so that a handler
 * never takes a torn stream for a whole one.
 */
export class MessageBacklog<T> implements AsyncIterableIterator<T> {
  readonly #owner: BacklogOwner<T>;
  readonly #messages: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #failure: Error | undefined;
  #reader: PromiseWithResolvers<IteratorResult<T, undefined>> | undefined;

  constructor(owner: BacklogOwner<T>) {
    this.#owner = owner;
  }

  get length(): number {
    return this.#messages.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes one message; throws what decoding throws, if a reader waits for it. */
  push(message: Uint8Array): void {
    if (this.#ended || this.#failure !== undefined) return;
    if (this.#reader === undefined) {
      this.#messages.push(keepable(message));
      this.#bytes += message.byteLength;
      return;
    }
    const value = this.#owner.decode(message);
    this.#reader?.resolve({ done: false, value });
    this.#reader = undefined;
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
      this.#bytes -= message.byteLength;
      return this.#take(message);
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
    this.#owner.onTaken();
    return Promise.resolve({ done: true, value: undefined });
  }

  #take(message: Uint8Array): Promise<IteratorResult<T, undefined>> {
    let value: T;
    try {
      value = this.#owner.decode(message);
    } catch (thrown) {
      this.#owner.onUndecodable(thrown);
      return Promise.reject(this.#failure ?? thrown);
    }
    this.#owner.onTaken();
    return Promise.resolve({ done: false, value });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** A view of a small part of a larger piece would keep all of the piece. */
function keepable(message: Uint8Array): Uint8Array {
  return message.byteLength * 2 < message.buffer.byteLength ? new Uint8Array(message) : message;
}
