/**
 * A parsed JSON text. An integer beyond 2^53, which a double may not hold exactly, arrives as
 * `bigint`: always when it is written in plain digits, and up to 2^64 also when it is written with a
 * fraction or an exponent. All other numbers arrive as `number`. Objects inherit nothing, so a member
 * called `__proto__` is only a member.
 */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | JsonObject;

export interface JsonObject {
  readonly [member: string]: JsonValue;
}

/**
 * How a message is spelled in JSON (`docs/wire.md`, "JSON spelling").
 *
 * - `protojson`: `application/json`. Writes lowerCamel names, 64-bit integers as strings, enums by
 *   name; reads both name spellings and strings or numbers; an unknown member is an error.
 * - `plain`: `application/json-rpc`. Writes original names, numbers for 64-bit integers and enums;
 *   reads both; an unknown member is ignored.
 */
export type JsonDialect = "protojson" | "plain";

/** Whether `value` is an object, with members. */
export function isJsonObject(value: JsonValue): value is JsonObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    // Not of a JSON text, but of the codec of a handler module: each byte would count as a member.
    !(value instanceof Uint8Array)
  );
}

/** Whether `value` is an array. */
export function isJsonArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/**
 * Makes objects that inherit nothing, at a fifth of the memory of `Object.create(null)`: V8 gives an
 * object without any prototype a hash table of its own (33 against 193 bytes when empty).
 */
export const Members = function Members() {} as unknown as new <T>() => Record<string, T>;
Members.prototype = Object.freeze(Object.create(null));
