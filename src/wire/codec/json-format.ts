/**
 * JSON text from values of our own: what a handler answers, and JSON values passed on.
 *
 * Unlike `JSON.stringify`: a `bigint` is written as a number, exactly; bytes as base64, as Go's
 * `encoding/json` does; and what JSON can't carry (NaN, a function, an endless loop) is an error
 * that names the place instead of a silent `null`.
 */
import { encodeBase64 } from "./base64.ts";
import { FieldFault, kindOf, memberStep } from "./body-fault.ts";
import { MAX_DEPTH } from "./limits.ts";
import { LONG_TEXT, quoteLong } from "./long-text.ts";

/**
 * Members that are `undefined` are left out; an object with a `toJSON` method speaks for itself.
 *
 * @throws FieldFault naming the first value that JSON can't carry.
 */
export function formatJson(value: unknown): string {
  return format(value, 0);
}

/** What may not stand in a JSON string as it is (RFC 8259 section 7). */
const ESCAPED: readonly string[] = [
  '"',
  "\\",
  ...Array.from({ length: 0x20 }, (_, unit) => String.fromCharCode(unit)),
];

/**
 * From this length on, a string is first searched for each character of {@link ESCAPED}: a search for
 * one character takes 16 and more at a time, so that all 34 cost a quarter of one walk.
 */
const LONG_STRING = 1024;

/** A string as JSON text. Half surrogate pairs, which no reader accepts, become U+FFFD. */
export function formatString(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  if (whole.length >= LONG_STRING && !ESCAPED.some((unit) => whole.includes(unit))) {
    return `"${whole}"`;
  }
  return whole.length > LONG_TEXT ? quoteLong(whole) : JSON.stringify(whole);
}

/** The shortest text that reads back as the same double; `value` is finite. */
export function formatNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function format(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return formatString(value);
    case "number":
      if (Number.isFinite(value)) return formatNumber(value);
      throw new FieldFault(`JSON has no ${value}`);
    case "bigint":
    case "boolean":
      return String(value);
    case "object":
      if (value === null) return "null";
      if (depth >= MAX_DEPTH) throw new FieldFault(`nested more than ${MAX_DEPTH} levels deep`);
      return formatObject(value, depth + 1);
    default:
      throw new FieldFault(`JSON can't carry ${kindOf(value)}`);
  }
}

function formatObject(value: object, depth: number): string {
  if (Array.isArray(value)) return formatArray(value, depth);
  if (value instanceof Uint8Array) return `"${encodeBase64(value)}"`;
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return format(value.toJSON(), depth);
  }
  if (value instanceof Map || value instanceof Set) {
    throw new FieldFault(`JSON can't carry a ${value.constructor.name}`);
  }
  let text = "";
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    try {
      text += `${text === "" ? "" : ","}${formatString(name)}:${format(member, depth)}`;
    } catch (thrown) {
      throw thrown instanceof FieldFault ? thrown.under(memberStep(name)) : thrown;
    }
  }
  return `{${text}}`;
}

function formatArray(value: readonly unknown[], depth: number): string {
  let text = "";
  for (let index = 0; index < value.length; index++) {
    try {
      text += `${index === 0 ? "" : ","}${format(value[index], depth)}`;
    } catch (thrown) {
      throw thrown instanceof FieldFault ? thrown.under(`[${index}]`) : thrown;
    }
  }
  return `[${text}]`;
}
