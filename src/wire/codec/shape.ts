/**
 * The type of one message body, able to read and write itself in every format that a codec uses.
 *
 * A `Shape` is made from a protobuf descriptor, from a Standard Schema (JSON only), or is raw bytes.
 * Reading throws an `AgentError` `ERR_WIRE_BODY` that names the field and the reason; a format that a
 * shape can't be written in throws `ERR_WIRE_CONTENT_TYPE`.
 */
import type { JsonDialect, JsonValue } from "./json-value.ts";

export interface Shape<T> {
  /** Name for error messages: the protobuf type name, or what the author called it. */
  readonly typeName: string;
  fromJson(value: JsonValue, dialect: JsonDialect): T;
  /** JSON text, without a line end. */
  toJson(value: T, dialect: JsonDialect): string;
  fromProtobuf(bytes: Uint8Array): T;
  toProtobuf(value: T): Uint8Array;
  fromBytes(bytes: Uint8Array): T;
  toBytes(value: T): Uint8Array;
}
