/** `application/protobuf`: the bare message. go-micro's server assumes it where no type is named. */
import type { Codec } from "./codec.ts";

export const protobufCodec: Codec = {
  name: "protobuf",
  contentType: "application/protobuf",
  openRequest: () => undefined,
  readRequest: (bytes, shape) => shape.fromProtobuf(bytes),
  writeRequest: (value, shape) => shape.toProtobuf(value),
  readReply: (bytes, shape) => ({ ok: true, value: shape.fromProtobuf(bytes) }),
  writeReply: (value, shape) => shape.toProtobuf(value),
  writeError: () => new Uint8Array(),
};
