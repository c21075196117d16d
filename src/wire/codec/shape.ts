/**
 * The type of one message body, able to read and write itself in every format that a codec uses.
 *
 * A `Shape` is made from a protobuf descriptor (`message-shape.ts`), from a Standard Schema
 * (`standard-shape.ts`, JSON only), or is raw bytes (`bytes-shape.ts`). Reading throws an
 * `AgentError` `ERR_WIRE_BODY` that names the field and the reason; a format that a shape can't be
 * written in throws `ERR_WIRE_CONTENT_TYPE`. Writing a value that the type can't hold is a bug of
 * the code that made it: `ERR_INTERNAL`, which names the field too.
 *
 * What is read never shares memory with the bytes it was read from: they may be reused at once.
 * `toBytes` may return the very memory that the value holds.
 */
import type { JsonDialect, JsonValue } from "./json-value.ts";

export interface Shape<T> {
  /** Name for error messages: the protobuf type name, or what the author called it. */
  readonly typeName: string;
  /** An object without members is the zero message, which is also what an empty body means. */
  fromJson(value: JsonValue, dialect: JsonDialect): T;
  /** JSON text, without a line end. */
  toJson(value: T, dialect: JsonDialect): string;
  /** No bytes are the zero message. */
  /**
   * What the codec of a handler module is given to write. Without it: the JSON text, read again. Not
   * checked: whoever takes it copies it within limits. {@link fromJson} takes what such a codec reads, where
   * bytes may stand instead of base64.
   */
  toPlain?(value: T): unknown;
  fromProtobuf(bytes: Uint8Array): T;
  toProtobuf(value: T): Uint8Array;
  fromBytes(bytes: Uint8Array): T;
  toBytes(value: T): Uint8Array;
}
