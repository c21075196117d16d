/** `application/json`: one JSON value and a line end, in the `protojson` dialect. */
import type { Codec } from "./codec.ts";
import { parseJson } from "./json-text.ts";
import type { JsonObject } from "./json-value.ts";
import type { Shape } from "./shape.ts";
import { encodeUtf8 } from "./utf8.ts";

/** What an empty body stands for. */
const EMPTY: JsonObject = Object.freeze({});

export const jsonCodec: Codec = {
  name: "json",
  contentType: "application/json",
  openRequest: () => undefined,
  readRequest: read,
  writeRequest: write,
  readReply: (bytes, shape) => ({ ok: true, value: read(bytes, shape) }),
  writeReply: write,
  writeError: () => new Uint8Array(),
};

function read<T>(bytes: Uint8Array, shape: Shape<T>): T {
  return shape.fromJson(bytes.byteLength === 0 ? EMPTY : parseJson(bytes), "protojson");
}

function write<T>(value: T, shape: Shape<T>): Uint8Array {
  return encodeUtf8(`${shape.toJson(value, "protojson")}\n`);
}
