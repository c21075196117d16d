/**
 * Some programs (Mozilla's, Bouncy Castle) write PKCS#12 in BER: lengths left open, octet strings in
 * pieces (X.690 section 8.1.3.6). This rewrites such a file with definite lengths and whole strings, so
 * that the strict DER reader can take it. DER comes back as it is. Pure.
 *
 * Only octet strings under their own tag are joined; whoever reads an implicit one joins it himself.
 */

import { damaged } from "./der-fields.ts";
import { element } from "./der-writer.ts";

const WHAT = "the PKCS#12 file";
const CONSTRUCTED = 0x20;
const OCTET_STRING = 0x04;
/** A PFX has about twelve levels; each may sit in pieces. */
const MAX_DEPTH = 32;

/** @throws AgentError `ERR_IMPORT_INVALID` when a length leads nowhere or nesting is too deep. */
export function withDefiniteLengths(bytes: Uint8Array): Uint8Array {
  const whole = new Rewriter(bytes);
  const result = whole.next(0);
  if (whole.at !== bytes.length) throw damaged(WHAT, "something follows its end");
  return whole.changed ? result : bytes;
}

class Rewriter {
  at = 0;
  /** Whether anything was not definite. */
  changed = false;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The element that begins here, rewritten. */
  next(depth: number): Buffer {
    if (depth > MAX_DEPTH) throw damaged(WHAT, "its parts are nested too deep");
    const tag = this.#octet();
    if ((tag & 0x1f) === 0x1f) throw damaged(WHAT, "it has a tag number above 30");
    const length = this.#length();
    if (length === undefined) {
      if ((tag & CONSTRUCTED) === 0) throw damaged(WHAT, "a simple part has an open length");
      this.changed = true;
      return this.#constructed(tag, undefined, depth);
    }
    const end = this.at + length;
    if (end > this.#bytes.length) throw damaged(WHAT, "it is cut off");
    if ((tag & CONSTRUCTED) !== 0) return this.#constructed(tag, end, depth);
    const content = this.#bytes.subarray(this.at, end);
    this.at = end;
    return element(tag, content);
  }

  #constructed(tag: number, end: number | undefined, depth: number): Buffer {
    const parts: Buffer[] = [];
    while (end === undefined ? !this.#endOfContents() : this.at < end) {
      parts.push(this.next(depth + 1));
    }
    if (end !== undefined && this.at !== end) throw damaged(WHAT, "a part runs past its end");
    if (tag !== (OCTET_STRING | CONSTRUCTED)) return element(tag, ...parts);
    this.changed = true;
    return element(OCTET_STRING, ...parts.map(contentOf));
  }

  #endOfContents(): boolean {
    if (this.#bytes[this.at] !== 0 || this.#bytes[this.at + 1] !== 0) return false;
    this.at += 2;
    return true;
  }

  #octet(): number {
    const octet = this.#bytes[this.at++];
    if (octet === undefined) throw damaged(WHAT, "it is cut off");
    return octet;
  }

  /** `undefined` for an open one. */
  #length(): number | undefined {
    const first = this.#octet();
    if (first < 0x80) return first;
    if (first === 0x80) return undefined;
    if (first > 0x84) throw damaged(WHAT, "a length is enormous");
    let length = 0;
    for (let count = first & 0x7f; count > 0; count--) length = length * 256 + this.#octet();
    return length;
  }
}

function contentOf(part: Buffer): Buffer {
  const first = part[1] ?? 0;
  return part.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f));
}
