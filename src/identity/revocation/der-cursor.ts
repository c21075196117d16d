/**
 * Walks over DER (X.690) without making an object per element: a CRL has tens of thousands of them.
 * Definite lengths only, never past the end. Pure.
 */
import { refuse } from "./refusal.ts";

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

export class DerCursor {
  readonly bytes: Uint8Array;
  /** Where the next element begins. */
  at: number;
  readonly end: number;
  /** Of the element that {@link advance} has read: its tag and offsets in {@link bytes}. */
  tag = 0;
  start = 0;
  contentStart = 0;
  contentEnd = 0;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  /** Tag of the next element; 0 at the end. */
  get nextTag(): number {
    return this.done ? 0 : (this.bytes[this.at] ?? 0);
  }

  /** Content of the element that was read last. */
  get content(): Uint8Array {
    return this.bytes.subarray(this.contentStart, this.contentEnd);
  }

  /** The same with its tag and length. */
  get whole(): Uint8Array {
    return this.bytes.subarray(this.start, this.contentEnd);
  }

  /** Reads the head of the next element and steps over it. @throws AgentError when it is cut off. */
  advance(): this {
    const { bytes, end } = this;
    const tag = bytes[this.at];
    if (this.done || tag === undefined) throw refuse("malformed", "it ends too early");
    if ((tag & 0x1f) === 0x1f) throw refuse("malformed", "it holds a tag number above 30");
    let at = this.at + 1;
    let length = at < end ? (bytes[at] ?? 0) : 0x80;
    at += 1;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 4 || at + octets > end) {
        throw refuse("malformed", "it is cut off, or has an indefinite or enormous length");
      }
      length = 0;
      for (let index = 0; index < octets; index++) length = length * 256 + (bytes[at + index] ?? 0);
      at += octets;
    }
    if (at + length > end) throw refuse("malformed", "it is cut off");
    this.tag = tag;
    this.start = this.at;
    this.contentStart = at;
    this.contentEnd = at + length;
    this.at = this.contentEnd;
    return this;
  }

  /** The next element, which must have `tag`. @param what For the error. */
  take(tag: number, what: string): this {
    if (this.nextTag !== tag) throw refuse("malformed", `${what} is missing or of another type`);
    return this.advance();
  }

  /** Whether the next element has `tag`; if so it is read. */
  takeIf(tag: number): boolean {
    if (this.nextTag !== tag) return false;
    this.advance();
    return true;
  }

  /** A cursor over the content of the element that was read last. */
  inside(): DerCursor {
    return new DerCursor(this.bytes, this.contentStart, this.contentEnd);
  }

  /** Reads a Time (RFC 5280 section 4.1.2.5). @returns Unix milliseconds. */
  takeTime(what: string): number {
    this.advance();
    const text = Buffer.from(this.content).toString("latin1");
    const { tag } = this;
    const form = tag === TAG.utcTime ? /^\d{12}Z$/ : /^\d{14}Z$/;
    if ((tag !== TAG.utcTime && tag !== TAG.generalizedTime) || !form.test(text)) {
      throw refuse("malformed", `${what} is no time`);
    }
    const short = tag === TAG.utcTime;
    const two = Number(text.slice(0, 2));
    const year = short ? (two < 50 ? 2000 + two : 1900 + two) : Number(text.slice(0, 4));
    const rest = text.slice(short ? 2 : 4);
    const part = (index: number): number => Number(rest.slice(index * 2, index * 2 + 2));
    return Date.UTC(year, part(0) - 1, part(1), part(2), part(3), part(4));
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** An integer's content without leading zero octets: how serials are compared. */
export function trimInteger(content: Uint8Array): Uint8Array {
  let skip = 0;
  while (skip < content.length - 1 && content[skip] === 0) skip += 1;
  return content.subarray(skip);
}
