/**
 * Chunked transfer coding (RFC 9112 section 7.1), incrementally. go-micro itself sends it for one
 * thing only, the empty body of an `EOS` message; other peers may send anything, so every line, all
 * framing together and the trailers are bounded. Extensions and trailers are checked and dropped.
 */
import type { BodyBuffer } from "./body-buffer.ts";
import { malformed, tooLarge } from "./wire-fault.ts";

/** Longest chunk-size line with its extensions; ours. */
const MAX_SIZE_LINE = 1024;

/**
 * Size lines, extensions and line ends of a message together, in bytes, beyond a quarter of its body;
 * ours. Chunks of one byte cost sixty times what they carry; nobody who buffers sends them.
 */
const MAX_FRAMING = 16 * 1024;

/** Sixteen digits fill 64 bits; a longer size is no number that anybody means. */
const SIZE_LINE = /^([0-9A-Fa-f]{1,16})(?:[\t ]*;[\t -~]*)?$/;
const TRAILER_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*$/;

const LF = 10;
/** The CR LF that ends the trailers. */
const EMPTY_LINE = 2;

type Stage = "size" | "data" | "data-end" | "trailers" | "done";

export class ChunkedBody {
  readonly #body: BodyBuffer;
  #stage: Stage = "size";
  /** Bytes of the current chunk that are still to come. */
  #left = 0;
  /** Line that has begun but not ended, latin1. */
  #partial = "";
  #framing = 0;
  /** Bytes and lines that trailers may still take. */
  #trailerBytes: number;
  #trailerLines: number;

  /**
   * @param trailerBytes What the head has left of the header limit, in bytes; trailers share it.
   * @param trailerLines The same, in lines.
   */
  constructor(body: BodyBuffer, trailerBytes: number, trailerLines: number) {
    this.#body = body;
    this.#trailerBytes = trailerBytes + EMPTY_LINE;
    this.#trailerLines = trailerLines;
  }

  get done(): boolean {
    return this.#stage === "done";
  }

  /** Bytes held of a line that has not ended. */
  get buffered(): number {
    return this.#partial.length;
  }

  /**
   * Takes bytes from `at`; returns where it stopped: at the end of the chunk, or right behind the body.
   *
   * @throws AgentError `ERR_WIRE_MESSAGE`, `ERR_WIRE_TOO_LARGE`
   */
  read(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length && this.#stage !== "done") {
      at = this.#stage === "data" ? this.#data(chunk, at) : this.#line(chunk, at);
    }
    return at;
  }

  #data(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#body.append(chunk, at, end);
    this.#left -= end - at;
    if (this.#left === 0) this.#stage = "data-end";
    return end;
  }

  #line(chunk: Buffer, at: number): number {
    const max = this.#maxLine();
    const feed = chunk.indexOf(LF, at);
    const end = feed < 0 ? chunk.length : feed + 1;
    if (this.#partial.length + end - at > max) {
      if (this.#stage === "data-end") throw malformed("chunk is longer than its size");
      throw tooLarge(`chunk line or trailers longer than ${max} bytes`, max);
    }
    const line = this.#partial + chunk.toString("latin1", at, end);
    if (feed < 0) {
      this.#partial = line;
      return end;
    }
    this.#partial = "";
    if (!line.endsWith("\r\n")) throw malformed("line of a chunked body does not end in CR LF");
    this.#onLine(line.slice(0, -2));
    return end;
  }

  /** Bytes that the line at hand may have, CR LF included. */
  #maxLine(): number {
    if (this.#stage === "data-end") return 2;
    return this.#stage === "size" ? MAX_SIZE_LINE : this.#trailerBytes;
  }

  #onLine(line: string): void {
    if (this.#stage === "size") this.#onSize(line);
    else if (this.#stage === "trailers") this.#onTrailer(line);
    else this.#stage = "size"; // two bytes at most: the line can only be empty
  }

  #onSize(line: string): void {
    const digits = SIZE_LINE.exec(line)?.[1];
    if (digits === undefined) throw malformed("chunk size is not a hexadecimal number");
    // The line, its end, and the end of the chunk.
    this.#framing += line.length + 4;
    if (this.#framing > MAX_FRAMING + this.#body.size / 4) {
      throw tooLarge("chunked body is more framing than body", MAX_FRAMING);
    }
    this.#left = Number.parseInt(digits, 16);
    this.#body.assertRoom(this.#left);
    this.#stage = this.#left === 0 ? "trailers" : "data";
  }

  #onTrailer(line: string): void {
    if (line === "") {
      this.#stage = "done";
      return;
    }
    this.#trailerBytes -= line.length + 2;
    this.#trailerLines -= 1;
    if (this.#trailerLines < 0) throw tooLarge("headers and trailers have too many lines", 0);
    if (!TRAILER_LINE.test(line)) throw malformed("trailer line is not a header line");
  }
}
