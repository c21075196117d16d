/**
 * A parsed JSON text. Integers that a double can't hold exactly arrive as `bigint`, all other numbers
 * as `number`. Objects have no prototype, so a member called `__proto__` is only a member.
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
