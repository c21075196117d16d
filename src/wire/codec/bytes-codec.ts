/** `application/octet-stream`: the body is the bytes. */
import type { Codec } from "./codec.ts";

export const bytesCodec: Codec = {
  name: "bytes",
  contentType: "application/octet-stream",
  openRequest: () => undefined,
  readRequest: (bytes, shape) => shape.fromBytes(bytes),
  writeRequest: (value, shape) => shape.toBytes(value),
  readReply: (bytes, shape) => ({ ok: true, value: shape.fromBytes(bytes) }),
  writeReply: (value, shape) => shape.toBytes(value),
  writeError: () => new Uint8Array(),
};
