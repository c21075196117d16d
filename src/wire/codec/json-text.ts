/**
 * Strict JSON (RFC 8259) from bytes, in one pass that is linear in the text.
 *
 * Written here because `JSON.parse` loses what a caller must know: it lets the last of two members
 * with one name win (Go's protojson refuses them, and so do we), it rounds integers beyond 2^53, it
 * recurses and allocates as far as the text asks, and it gives objects a prototype. Long strings are
 * still left to it. Text that `JSON.parse` refuses is refused here too, without exception.
 *
 * Bounds, so that a 4 MiB body can't cost more memory than the device has: {@link MAX_DEPTH} levels,
 * {@link MAX_VALUES} values, numbers of {@link MAX_NUMBER_CHARS} characters. The size of the text is
 * the caller's business.
 */
import { AgentError } from "../../base/errors.ts";
import { quoted } from "./body-fault.ts";
import { exactInteger, MAX_NUMBER_CHARS } from "./json-number.ts";
import { type JsonValue, Members } from "./json-value.ts";
import { MAX_DEPTH, MAX_VALUES } from "./limits.ts";
import { LONG_TEXT, unescapeLong } from "./long-text.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * Strings longer than this are read by `JSON.parse`. It is also the longest that V8 copies when it
 * cuts a string: a longer cut would keep the whole body alive for as long as the handler keeps it.
 */
const SHORT_STRING = 12;

/**
 * Reads one JSON text.
 *
 * @throws AgentError `ERR_WIRE_BODY` that says at which byte, and why.
 */
export function parseJson(bytes: Uint8Array): JsonValue {
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    throw new AgentError("ERR_WIRE_BODY", "body is not JSON: it is not valid UTF-8", {
      fields: { reason: "not valid UTF-8" },
    });
  }
  return new JsonReader(text).read();
}

class JsonReader {
  readonly #text: string;
  #at = 0;
  #values = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): JsonValue {
    this.#skipSpace();
    const value = this.#value(0);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#fault("expected the end, got", this.#at);
    return value;
  }

  #value(depth: number): JsonValue {
    switch (this.#text.charCodeAt(this.#at)) {
      case 0x22:
        return this.#string();
      case 0x7b:
        return this.#object(depth + 1);
      case 0x5b:
        return this.#array(depth + 1);
      case 0x74:
        return this.#word("true", true);
      case 0x66:
        return this.#word("false", false);
      case 0x6e:
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonValue {
    this.#enter(depth);
    const object = new Members<JsonValue>();
    if (this.#skipSpace() === 0x7d) {
      this.#at++;
      return object;
    }
    for (;;) {
      const start = this.#at;
      if (this.#text.charCodeAt(start) !== 0x22) {
        throw this.#fault("expected a member name in quotes, got", start);
      }
      const name = this.#string();
      if (name in object) throw this.#error(`member ${quoted(name)} stands twice`, start);
      if (this.#skipSpace() !== 0x3a) throw this.#fault('expected ":", got', this.#at);
      this.#at++;
      this.#skipSpace();
      this.#count();
      object[name] = this.#value(depth);
      const next = this.#skipSpace();
      if (next !== 0x2c && next !== 0x7d) throw this.#fault('expected "," or "}", got', this.#at);
      this.#at++;
      if (next === 0x7d) return object;
      this.#skipSpace();
    }
  }

  #array(depth: number): JsonValue {
    this.#enter(depth);
    const array: JsonValue[] = [];
    if (this.#skipSpace() === 0x5d) {
      this.#at++;
      return array;
    }
    for (;;) {
      this.#count();
      array.push(this.#value(depth));
      const next = this.#skipSpace();
      if (next !== 0x2c && next !== 0x5d) throw this.#fault('expected "," or "]", got', this.#at);
      this.#at++;
      if (next === 0x5d) return array;
      this.#skipSpace();
    }
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    const shortEnd = start + 1 + SHORT_STRING;
    for (let at = start + 1; at <= shortEnd; at++) {
      const unit = text.charCodeAt(at);
      if (unit === 0x22) {
        this.#at = at + 1;
        return text.slice(start + 1, at);
      }
      // An escape, a character that must be escaped, or the end (NaN).
      if (unit === 0x5c || !(unit >= 0x20)) break;
    }
    return this.#longString(start);
  }

  #longString(start: number): string {
    const end = this.#closingQuote(start);
    if (end - start > LONG_TEXT) return this.#veryLongString(start, end);
    const literal = this.#text.slice(start, end + 1);
    let value: string;
    try {
      value = JSON.parse(literal);
    } catch {
      throw this.#error("a string has a bad escape or a bare control character", start);
    }
    // Only an escape can make half a surrogate pair: the text itself came from UTF-8.
    if (value.length !== literal.length - 2 && !value.isWellFormed()) {
      throw this.#error("a string has half of a surrogate pair", start);
    }
    this.#at = end + 1;
    return value;
  }

  #veryLongString(start: number, end: number): string {
    let value: string | undefined;
    try {
      value = unescapeLong(this.#text, start + 1, end);
    } catch {
      throw this.#error("a string has a bad escape or a bare control character", start);
    }
    if (value === undefined) throw this.#error("a string has half of a surrogate pair", start);
    this.#at = end + 1;
    return value;
  }

  /** Position of the quote that ends the string at `start`. Looks at no character twice. */
  #closingQuote(start: number): number {
    const text = this.#text;
    let from = start + 1;
    for (;;) {
      const quote = text.indexOf('"', from);
      if (quote < 0) throw this.#error("a string has no closing quote", start);
      let first = quote;
      while (first > from && text.charCodeAt(first - 1) === 0x5c) first--;
      if ((quote - first) % 2 === 0) return quote;
      from = quote + 1;
    }
  }

  /** Integers that a double holds are added up on the way; anything else is read from its text. */
  #number(): number | bigint {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    const negative = text.charCodeAt(at) === 0x2d;
    if (negative) at++;
    const first = text.charCodeAt(at);
    if (!isDigit(first)) throw this.#fault("expected a value, got", start);
    let value = first - 0x30;
    let unit = text.charCodeAt(++at);
    if (first === 0x30 && isDigit(unit)) throw this.#error("a number begins with 0", start);
    const digits = at;
    while (isDigit(unit)) {
      value = value * 10 + (unit - 0x30);
      unit = text.charCodeAt(++at);
    }
    this.#at = at;
    if (unit === 0x2e || unit === 0x65 || unit === 0x45) return this.#fractional(start, at);
    if (at - digits < 15) return negative ? -value : value;
    return this.#exact(start, at);
  }

  #fractional(start: number, point: number): number | bigint {
    let at = point;
    if (this.#text.charCodeAt(at) === 0x2e) at = this.#digits(at + 1);
    const unit = this.#text.charCodeAt(at);
    if (unit === 0x65 || unit === 0x45) {
      const sign = this.#text.charCodeAt(at + 1);
      at = this.#digits(sign === 0x2b || sign === 0x2d ? at + 2 : at + 1);
    }
    return this.#exact(start, at);
  }

  /** The end of a run of at least one digit. */
  #digits(from: number): number {
    let at = from;
    while (isDigit(this.#text.charCodeAt(at))) at++;
    if (at === from) throw this.#fault("expected a digit, got", from);
    return at;
  }

  #exact(start: number, end: number): number | bigint {
    if (end - start > MAX_NUMBER_CHARS) {
      throw this.#error(`a number has more than ${MAX_NUMBER_CHARS} characters`, start);
    }
    this.#at = end;
    const literal = this.#text.slice(start, end);
    const value = Number(literal);
    if (Number.isSafeInteger(value) || !Number.isInteger(value)) {
      if (Number.isFinite(value)) return value;
      if (/[.eE]/.test(literal)) throw this.#error("a number is beyond the range of double", start);
    }
    return exactInteger(literal) ?? value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at))
      throw this.#fault("expected a value, got", this.#at);
    this.#at += word.length;
    return value;
  }

  /** Returns the code unit it stops at; NaN at the end. */
  #skipSpace(): number {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return unit;
      this.#at++;
    }
  }

  #enter(depth: number): void {
    if (depth > MAX_DEPTH) {
      throw this.#error(`nested more than ${MAX_DEPTH} levels deep`, this.#at);
    }
    this.#at++;
  }

  #count(): void {
    if (++this.#values > MAX_VALUES) {
      throw this.#error(`more than ${MAX_VALUES} members and elements`, this.#at);
    }
  }

  #fault(expectation: string, at: number): AgentError {
    const code = this.#text.codePointAt(at);
    const got = code === undefined ? "the end" : quoted(String.fromCodePoint(code));
    return this.#error(`${expectation} ${got}`, at);
  }

  #error(reason: string, at: number): AgentError {
    const position = Buffer.byteLength(this.#text.slice(0, at));
    return new AgentError("ERR_WIRE_BODY", `body is not JSON: ${reason} at byte ${position}`, {
      fields: { position, reason },
    });
  }
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
