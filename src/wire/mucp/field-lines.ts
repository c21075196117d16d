/**
 * Header lines of one message, strictly (RFC 9112 section 5): every line ends in CR LF, a name is a
 * token directly followed by a colon, no folding, no control characters in values. What differs from
 * the RFC's lenient readings differs so that no two readers can see two different messages.
 *
 * One pass over the bytes, one string for the whole head, values are slices of it: this is most of
 * what a small call costs on the wire, so there is no expression, closure or copy per header.
 */
import { isUtf8 } from "node:buffer";
import { type HeaderRole, KNOWN_HEADERS, TOKEN_OCTETS } from "./header-names.ts";
import { malformed, octetText, tooLarge } from "./wire-fault.ts";

/** What the header lines say, those that frame the message already understood. */
export interface Fields {
  /** By lower-case name; of a repeated header the first value, as go-micro reads it. */
  readonly headers: Map<string, string>;
  /** Bytes; -1 if the header is absent. */
  contentLength: number;
  chunked: boolean;
  /** `Connection` lists `close`, in any case. */
  close: boolean;
  /** `Expect: 100-continue`. */
  expectContinue: boolean;
}

export interface FieldRules {
  /** Lines at most. */
  readonly maxHeaders: number;
  /**
   * Requests must have UTF-8 values without control characters. Replies are read more gently: Go
   * writes an error text with its control characters, and that text must not be lost.
   */
  readonly strictValues: boolean;
}

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;
const DELETE = 127;

/** Longest part of a header name that an error shows. */
const SHOWN_NAME = 64;

/** Octets that may stand in a value as they are: visible ASCII, space and tab. */
const VALUE_OCTETS: Uint8Array = valueOctets();

function valueOctets(): Uint8Array {
  const set = new Uint8Array(256);
  for (let octet = SPACE; octet < DELETE; octet += 1) set[octet] = 1;
  set[TAB] = 1;
  return set;
}

/**
 * Reads the header lines in `bytes` from `from` up to `to`, which must stand right behind the CR LF of
 * the last line (so `from === to` when there are none).
 *
 * @param text The same bytes as latin1, `text[0]` being `bytes[textFrom]`.
 * @throws AgentError `ERR_WIRE_MESSAGE`, `ERR_WIRE_TOO_LARGE` (number of lines).
 */
export function readFields(
  bytes: Buffer,
  from: number,
  to: number,
  text: string,
  textFrom: number,
  rules: FieldRules,
): Fields {
  const headers = new Map<string, string>();
  const fields = {
    headers,
    contentLength: -1,
    chunked: false,
    close: false,
    expectContinue: false,
  };
  let length = "";
  let hosts = 0;
  let lines = 0;
  let at = from;
  while (at < to) {
    lines += 1;
    if (lines > rules.maxHeaders) {
      throw tooLarge(`more than ${rules.maxHeaders} header lines`, rules.maxHeaders);
    }
    let end = at;
    while (TOKEN_OCTETS[bytes[end] ?? 0] === 1) end += 1;
    if (bytes[end] !== COLON || end === at) throw badName(bytes, at, end);
    const raw = text.slice(at - textFrom, end - textFrom);
    let known = KNOWN_HEADERS.get(raw);
    let name = known?.name;
    if (name === undefined) {
      name = raw.toLowerCase();
      known = KNOWN_HEADERS.get(name);
    }

    let start = end + 1;
    while (bytes[start] === SPACE || bytes[start] === TAB) start += 1;
    end = start;
    while (VALUE_OCTETS[bytes[end] ?? 0] === 1) end += 1;
    let value: string;
    if (bytes[end] === CR && bytes[end + 1] === LF) {
      at = end + 2;
      while (end > start && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end -= 1;
      value = text.slice(start - textFrom, end - textFrom);
    } else {
      end = endOfOddValue(bytes, end, name, rules.strictValues);
      at = end + 2;
      value = oddValue(bytes, start, end, name, rules.strictValues);
    }

    const role: HeaderRole = known === undefined ? "plain" : known.role;
    if (role !== "plain") {
      if (role === "content-length") length = contentLength(fields, value, length);
      else if (role === "transfer-encoding") transferEncoding(fields, value);
      else if (role === "connection") fields.close ||= listsClose(value);
      else if (role === "expect") fields.expectContinue ||= value.toLowerCase() === "100-continue";
      else if (++hosts > 1) throw malformed("more than one Host header");
    }
    if (!headers.has(name)) headers.set(name, value);
  }
  if (fields.chunked && fields.contentLength >= 0) {
    // RFC 9112 section 6.3: an attempt at request smuggling, or as good as one.
    throw malformed("both Content-Length and Transfer-Encoding");
  }
  return fields;
}

/** RFC 9112 section 6.3, but without the licence to take `5, 5`: digits, and repeats must be identical. */
function contentLength(fields: Fields, value: string, before: string): string {
  if (fields.contentLength >= 0 && value !== before) {
    throw malformed("Content-Length headers that differ");
  }
  let length = 0;
  for (let at = 0; at < value.length; at += 1) {
    const digit = value.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) throw malformed("Content-Length is not a number of digits");
    length = length * 10 + digit;
  }
  if (value.length === 0) throw malformed("Content-Length is empty");
  // Beyond 2^53 this is not exact any more (and Infinity after 309 digits), but far above any limit.
  fields.contentLength = length;
  return value;
}

/** Only `chunked`: nobody sends anything else to us, and every other reading is a way to differ. */
function transferEncoding(fields: Fields, value: string): void {
  if (fields.chunked) throw malformed("more than one Transfer-Encoding header");
  if (value.toLowerCase() !== "chunked") {
    throw malformed("Transfer-Encoding other than chunked is not supported");
  }
  fields.chunked = true;
}

/** Linear: 64 KiB of commas must not become as many strings. */
const CLOSE_OPTION = /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i;

function listsClose(value: string): boolean {
  return value === "close" || CLOSE_OPTION.test(value);
}

/** The error for a name that ends at `end` in something other than its colon. */
function badName(bytes: Buffer, at: number, end: number): Error {
  const stop = bytes[end];
  if (end === at) {
    if (stop === SPACE || stop === TAB) return malformed("folded header line");
    if (stop === COLON) return malformed("header line without a name");
  }
  const name = bytes.toString("latin1", at, Math.min(end, at + SHOWN_NAME));
  if (stop === SPACE || stop === TAB) {
    return malformed(`space after header name "${name}"; a colon must follow it directly`);
  }
  if (stop === CR || stop === LF) return malformed(`header line "${name}" has no colon`);
  return malformed(`octet ${octetText(stop)} in a header name, after "${name}"`);
}

/** Walks on over what is not plain ASCII, to the CR LF. */
function endOfOddValue(bytes: Buffer, from: number, name: string, strict: boolean): number {
  for (let at = from; ; at += 1) {
    const octet = bytes[at] ?? 0;
    if (octet >= 0x80 || VALUE_OCTETS[octet] === 1) continue;
    if (octet === CR && bytes[at + 1] === LF) return at;
    if (strict || octet === CR || octet === LF || octet === 0) {
      throw malformed(
        `octet ${octetText(octet)} in the value of header "${name.slice(0, SHOWN_NAME)}"`,
      );
    }
  }
}

/** go-micro writes UTF-8 raw; in a reply, what is not UTF-8 becomes U+FFFD. */
function oddValue(
  bytes: Buffer,
  start: number,
  lineEnd: number,
  name: string,
  strict: boolean,
): string {
  let end = lineEnd;
  while (end > start && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end -= 1;
  const octets = bytes.subarray(start, end);
  if (strict && !isUtf8(octets)) {
    throw malformed(`value of header "${name.slice(0, SHOWN_NAME)}" is not UTF-8`);
  }
  return octets.toString("utf8");
}
