/**
 * The shape of a message that passes through untouched: JSON as its text, protobuf and raw bytes as
 * they are. So the command line can call any endpoint without knowing its types, and without losing a
 * digit of a number.
 */
import { formatJson } from "../wire/codec/json-format.ts";
import type { Shape } from "../wire/codec/shape.ts";
import type { MessageBytes } from "./admin-operations.ts";

export const carriedShape: Shape<MessageBytes> = {
  typeName: "message",
  fromJson: (value) => new TextEncoder().encode(formatJson(value)),
  // An empty body is the empty message, as it is in protobuf.
  toJson: (body) => (body.length === 0 ? "{}" : new TextDecoder().decode(body)),
  fromProtobuf: (bytes) => bytes.slice(),
  toProtobuf: (body) => body,
  fromBytes: (bytes) => bytes.slice(),
  toBytes: (body) => body,
};
