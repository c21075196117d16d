/**
 * Reads the HTTP/1.1 messages of go-micro's HTTP transport from a byte stream, in pieces of any size.
 *
 * - Strict: what RFC 9112 lets a recipient read in two ways is an error here (see `field-lines.ts`).
 * - Incremental: how the stream is cut never changes what is read, nor which error it ends in.
 * - Bounded: holds at most `maxHeaderBytes` of a head and twice the received bytes of a body; the
 *   rest of a piece is never copied. Nothing is allocated from a length that a peer claims.
 * - A body that lies within one piece is a view of that piece, not a copy.
 *
 * Time is the owner's: `phase` and `received` say what to wait for and how far it is.
 */
import { BodyBuffer, bodyTooLarge } from "./body-buffer.ts";
import { ChunkedBody } from "./chunked-body.ts";
import {
  CHUNKED,
  type HeadGrammar,
  REQUEST_GRAMMAR,
  RESPONSE_GRAMMAR,
  UNTIL_CLOSE,
  withoutCr,
} from "./head-grammar.ts";
import {
  DEFAULT_LIMITS,
  type MessageLimits,
  type MessageSink,
  type ReaderPhase,
  type RequestHead,
  type ResponseHead,
} from "./message.ts";
import { malformed, tooLarge } from "./wire-fault.ts";

/** Empty lines before a start line (RFC 9112 section 2.2 asks for one). */
const MAX_EMPTY_LINES = 4;

/** 1xx replies before the real one. */
const MAX_INTERIM = 8;

const LF = 10;
const CR = 13;
const EMPTY: Buffer = Buffer.alloc(0);

/** A reader of requests, for a server. */
export function requestReader(limits: MessageLimits = DEFAULT_LIMITS): MessageReader<RequestHead> {
  return new MessageReader(REQUEST_GRAMMAR, limits);
}

/**
 * A reader of replies, for a client. Interim (1xx) replies are passed over; a reply without a length
 * lasts until the connection ends, so tell the reader by {@link MessageReader.end}.
 */
export function responseReader(
  limits: MessageLimits = DEFAULT_LIMITS,
): MessageReader<ResponseHead> {
  return new MessageReader(RESPONSE_GRAMMAR, limits);
}

export class MessageReader<Head extends RequestHead | ResponseHead> {
  readonly #grammar: HeadGrammar<Head>;
  readonly #limits: MessageLimits;

  /** The message at hand: its head is read, its body is not. */
  #head: Head | undefined;
  #keep = true;
  /** Bytes of the body still to come; {@link CHUNKED}, {@link UNTIL_CLOSE}. */
  #left = 0;
  #body: BodyBuffer | undefined;
  #chunked: ChunkedBody | undefined;

  /** A head that has begun, in `#partial[0 .. #partialSize]`; never beyond `maxHeaderBytes`. */
  #partial: Buffer = EMPTY;
  #partialSize = 0;
  #startLineChecked = false;
  #afterCr = false;
  #emptyLines = 0;
  #interims = 0;
  #received = 0;

  /** The peer said that this was its last message: what follows is not ours to read. */
  #closed = false;
  #failure: unknown;
  #running = false;
  #held = false;
  /** What came while held, and whether the connection ended meanwhile. */
  #rest: Buffer = EMPTY;
  #ended = false;

  constructor(grammar: HeadGrammar<Head>, limits: MessageLimits) {
    this.#grammar = grammar;
    this.#limits = limits;
  }

  get phase(): ReaderPhase {
    if (this.#head !== undefined) return "body";
    return this.#partialSize > 0 ? "head" : "idle";
  }

  /** Bytes of the current message so far, framing included; in `onMessage`, of the whole message. */
  get received(): number {
    return this.#received;
  }

  /** Bytes of memory that the reader holds on to (not counting views it handed out). */
  get buffered(): number {
    const body = (this.#body?.capacity ?? 0) + (this.#chunked?.buffered ?? 0);
    return this.#partial.length + body + this.#rest.length;
  }

  /** Whether the last message said `Connection: close`; nothing after it is read. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Reads `chunk`; calls `sink` for each head and each message that it completes. Must not be called
   * from within the sink. The chunk must not be changed afterwards: bodies may be views of it.
   *
   * @throws AgentError `ERR_WIRE_MESSAGE`, `ERR_WIRE_TOO_LARGE`; and what the sink throws. The reader
   *   is dead afterwards: every later call throws the same again.
   */
  push(chunk: Uint8Array, sink: MessageSink<Head>): void {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes =
      chunk instanceof Buffer
        ? chunk
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#held) {
      this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
      return;
    }
    this.#run(bytes, sink);
  }

  /**
   * Called from a sink that has enough to do: nothing further is read of this piece. One piece of
   * 64 KiB may hold thousands of messages, so pausing the socket alone does not bound a queue. The
   * rest of the piece waits, not copied, for {@link resume}; pause the socket too, for what is pushed
   * meanwhile is kept without limit.
   */
  hold(): void {
    this.#held = true;
  }

  /** Reads on; throws like {@link push} and {@link end}. */
  resume(sink: MessageSink<Head>): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#held = false;
    if (this.#running) return;
    const rest = this.#rest;
    this.#rest = EMPTY;
    if (rest.length > 0) this.#run(rest, sink);
    if (this.#ended && !this.#held) this.end(sink);
  }

  /**
   * The connection ended. Completes a reply that lasts until then.
   *
   * @throws AgentError `ERR_WIRE_MESSAGE` if a message had begun and can't be complete any more.
   */
  end(sink: MessageSink<Head>): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#ended = true;
    if (this.#held) return;
    try {
      const head = this.#head;
      if (head !== undefined && this.#left === UNTIL_CLOSE) {
        this.#complete(head, this.#body?.bytes ?? EMPTY, sink);
      } else if (this.phase !== "idle") {
        throw malformed(
          `connection ended in the ${this.phase} of a ${this.#grammar.what}, after ${this.#received} bytes`,
        );
      }
    } catch (thrown) {
      this.#fail(thrown);
      throw thrown;
    }
  }

  #run(bytes: Buffer, sink: MessageSink<Head>): void {
    if (this.#running) throw new TypeError("MessageReader: called from within its own sink");
    this.#running = true;
    try {
      let at = 0;
      while (at < bytes.length && !this.#held && !this.#closed) {
        at =
          this.#head === undefined
            ? this.#readHead(bytes, at, sink)
            : this.#readBody(bytes, at, sink);
      }
      if (this.#held && at < bytes.length) this.#rest = bytes.subarray(at);
    } catch (thrown) {
      this.#fail(thrown);
      throw thrown;
    } finally {
      this.#running = false;
    }
  }

  #readHead(bytes: Buffer, from: number, sink: MessageSink<Head>): number {
    let at = from;
    const max = this.#limits.maxHeaderBytes;
    if (this.#partialSize === 0) {
      at = this.#skipEmptyLines(bytes, at);
      const first = bytes[at];
      if (first === undefined) return at;
      this.#grammar.checkFirstOctet(first);
      const end = headEnd(bytes, at + 3, Math.min(bytes.length, at + max));
      if (end >= 0) {
        this.#onHead(bytes, at, end, sink);
        return end;
      }
    }
    const had = this.#partialSize;
    const taken = Math.min(bytes.length - at, max - had);
    this.#append(bytes, at, at + taken);
    const end = headEnd(this.#partial, Math.max(3, had), this.#partialSize);
    if (end < 0) {
      this.#checkStartLine(had);
      if (this.#partialSize >= max) {
        throw tooLarge(`head of a ${this.#grammar.what} is larger than ${max} bytes`, max);
      }
      return at + taken;
    }
    const head = this.#partial;
    this.#partial = EMPTY;
    this.#partialSize = 0;
    this.#startLineChecked = false;
    this.#onHead(head, 0, end, sink);
    return at + end - had;
  }

  #skipEmptyLines(bytes: Buffer, from: number): number {
    let at = from;
    for (; at < bytes.length; at += 1) {
      const octet = bytes[at];
      if (this.#afterCr) {
        if (octet !== LF) throw malformed(`bare CR before a ${this.#grammar.what}`);
        this.#afterCr = false;
        this.#emptyLines += 1;
        if (this.#emptyLines > MAX_EMPTY_LINES) {
          throw malformed(`too many empty lines before a ${this.#grammar.what}`);
        }
      } else if (octet === CR) this.#afterCr = true;
      else break;
    }
    return at;
  }

  #append(bytes: Buffer, from: number, to: number): void {
    const size = this.#partialSize + to - from;
    if (size > this.#partial.length) {
      const wanted = Math.max(size, this.#partial.length * 2);
      const larger = Buffer.allocUnsafe(Math.min(wanted, this.#limits.maxHeaderBytes));
      larger.set(this.#partial.subarray(0, this.#partialSize));
      this.#partial = larger;
    }
    this.#partial.set(bytes.subarray(from, to), this.#partialSize);
    this.#partialSize = size;
    this.#received = size;
  }

  /** Garbage is refused at its first line: it may never send the end of a head. */
  #checkStartLine(from: number): void {
    if (this.#startLineChecked) return;
    const feed = this.#partial.subarray(0, this.#partialSize).indexOf(LF, from);
    if (feed < 0) return;
    this.#grammar.checkStartLine(withoutCr(this.#partial.toString("latin1", 0, feed)));
    this.#startLineChecked = true;
  }

  #onHead(bytes: Buffer, from: number, to: number, sink: MessageSink<Head>): void {
    const { head, bodyLength, interim } = this.#grammar.parse(bytes, from, to, this.#limits);
    this.#emptyLines = 0;
    this.#received = to - from;
    if (interim) {
      this.#interims += 1;
      if (this.#interims > MAX_INTERIM) throw malformed("too many interim replies");
      this.#received = 0;
      return;
    }
    const { maxBodyBytes, maxHeaderBytes, maxHeaders } = this.#limits;
    this.#head = head;
    this.#left = bodyLength;
    this.#keep = sink.onHead(head) === "keep";
    // Only now: the owner answers in the words of this message, not of some message.
    if (bodyLength > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
    if (bodyLength === 0) {
      this.#complete(head, EMPTY, sink);
      return;
    }
    if (bodyLength > 0) return;
    this.#body = new BodyBuffer(this.#keep, maxBodyBytes);
    if (bodyLength === CHUNKED) {
      const room = maxHeaderBytes - this.#received;
      this.#chunked = new ChunkedBody(this.#body, room, maxHeaders - head.headers.size);
    }
  }

  #readBody(bytes: Buffer, at: number, sink: MessageSink<Head>): number {
    const head = this.#head;
    if (head === undefined) return at;
    if (this.#chunked !== undefined) {
      const end = this.#chunked.read(bytes, at);
      this.#received += end - at;
      if (this.#chunked.done) this.#complete(head, this.#body?.bytes ?? EMPTY, sink);
      return end;
    }
    const end = this.#left < 0 ? bytes.length : Math.min(bytes.length, at + this.#left);
    this.#received += end - at;
    if (this.#body === undefined && end - at === this.#left) {
      this.#complete(head, this.#keep ? bytes.subarray(at, end) : EMPTY, sink);
      return end;
    }
    this.#body ??= new BodyBuffer(this.#keep, this.#left);
    this.#body.append(bytes, at, end);
    if (this.#left > 0) {
      this.#left -= end - at;
      if (this.#left === 0) this.#complete(head, this.#body.bytes, sink);
    }
    return end;
  }

  #complete(head: Head, body: Uint8Array, sink: MessageSink<Head>): void {
    this.#head = undefined;
    this.#body = undefined;
    this.#chunked = undefined;
    this.#left = 0;
    this.#interims = 0;
    this.#closed = head.close;
    sink.onMessage(head, body);
    this.#received = 0;
  }

  /** Nothing more is read, and what was kept is let go. Later calls throw. */
  drop(): void {
    this.#fail(this.#failure ?? new TypeError("MessageReader: used after it was dropped"));
  }

  #fail(thrown: unknown): void {
    this.#failure = thrown ?? new TypeError("sink threw nothing");
    this.#partial = EMPTY;
    this.#partialSize = 0;
    this.#body = undefined;
    this.#chunked = undefined;
    this.#rest = EMPTY;
  }
}

/**
 * Where the first head ends in `bytes`: the index behind CR LF CR LF, or -1. `from` is the first index
 * at which the last LF may stand.
 *
 * Steps by what an octet can still be: almost all can't be part of the mark, so four are skipped.
 */
function headEnd(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to) {
    const octet = bytes[at] ?? 0;
    if (octet > CR) at += 4;
    else if (octet === LF) {
      if (bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
      at += 2;
    } else at += octet === CR ? 1 : 4;
  }
  return -1;
}
