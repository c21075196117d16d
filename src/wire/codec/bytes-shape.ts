/**
 * Shape of bytes that mean nothing to us: files, payloads of other protocols.
 *
 * They are the message `google.protobuf.BytesValue` in every format: bare in
 * `application/octet-stream`, a base64 string in JSON, field 1 in protobuf; in `json-rpc`, as in
 * Go's plain JSON, also `{"value": "..."}`.
 */
import { create } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { encodeBase64 } from "./base64.ts";
import { isJsonObject } from "./json-value.ts";
import { messageShape } from "./message-shape.ts";
import type { Shape } from "./shape.ts";

const MESSAGE = messageShape(BytesValueSchema);

export const bytesShape: Shape<Uint8Array> = {
  typeName: "bytes",
  fromJson(value, dialect) {
    if (value instanceof Uint8Array) return value;
    const empty = value === null || (isJsonObject(value) && Object.keys(value).length === 0);
    return empty ? new Uint8Array() : MESSAGE.fromJson(value, dialect).value;
  },
  toJson: (value) => `"${encodeBase64(value)}"`,
  toPlain: (value) => value,
  fromProtobuf: (bytes) => MESSAGE.fromProtobuf(bytes).value,
  toProtobuf: (value) => MESSAGE.toProtobuf(create(BytesValueSchema, { value })),
  fromBytes: (bytes) => new Uint8Array(bytes),
  toBytes: (value) => value,
};
