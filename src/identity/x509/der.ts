/**
 * Just enough DER (X.690) to read what `node:crypto` leaves out of a certificate: one element at a
 * time, definite lengths only, never past the end. Pure.
 */
import { AgentError } from "../../base/errors.ts";

export interface DerElement {
  /** The whole identifier octet: class, constructed bit and number (numbers above 30 are refused). */
  readonly tag: number;
  readonly content: Uint8Array;
}

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
} as const;

/**
 * Splits `bytes` into the elements that stand side by side in it.
 *
 * @throws AgentError `ERR_CERT_INVALID` if a length is indefinite, not minimal or runs past the end.
 */
export function readElements(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    if ((tag & 0x1f) === 0x1f) throw malformed("a tag number above 30");
    const { length, start } = readLength(bytes, at + 1);
    if (start + length > bytes.length) throw malformed("an element longer than what holds it");
    elements.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

/**
 * The one element that `bytes` holds, which must have `tag`.
 *
 * @throws AgentError `ERR_CERT_INVALID` otherwise.
 */
export function readOne(bytes: Uint8Array, tag: number): Uint8Array {
  const [element, ...rest] = readElements(bytes);
  if (element === undefined || rest.length > 0 || element.tag !== tag) {
    throw malformed(`something other than one element of tag ${tag}`);
  }
  return element.content;
}

/** Dotted text of an object identifier's content octets. */
export function formatOid(content: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  for (const octet of content) {
    value = value * 128 + (octet & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) throw malformed("an object identifier that is too long");
    if ((octet & 0x80) !== 0) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      arcs.push(first, value - first * 40);
    } else {
      arcs.push(value);
    }
    value = 0;
  }
  return arcs.join(".");
}

function readLength(bytes: Uint8Array, at: number): { length: number; start: number } {
  const first = bytes[at];
  if (first === undefined) throw malformed("an element without a length");
  if (first < 0x80) return { length: first, start: at + 1 };
  const octets = first & 0x7f;
  if (octets === 0 || octets > 4) throw malformed("an indefinite or enormous length");
  let length = 0;
  for (let index = 1; index <= octets; index++) {
    const octet = bytes[at + index];
    if (octet === undefined) throw malformed("a cut-off length");
    length = length * 256 + octet;
  }
  return { length, start: at + 1 + octets };
}

function malformed(what: string): AgentError {
  return new AgentError("ERR_CERT_INVALID", `certificate is malformed: it holds ${what}`);
}
