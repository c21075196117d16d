/** Every codec that is spoken here, and which one a `Content-Type` names. */
import { bytesCodec } from "./bytes-codec.ts";
import type { Codec, CodecName } from "./codec.ts";
import { jsonCodec } from "./json-codec.ts";
import { jsonRpcCodec } from "./json-rpc-codec.ts";
import { protoRpcCodec } from "./proto-rpc-codec.ts";
import { protobufCodec } from "./protobuf-codec.ts";

export const CODECS = {
  json: jsonCodec,
  protobuf: protobufCodec,
  "json-rpc": jsonRpcCodec,
  "proto-rpc": protoRpcCodec,
  bytes: bytesCodec,
} as const satisfies Readonly<Record<CodecName, Codec>>;

const BY_CONTENT_TYPE: ReadonlyMap<string, Codec> = new Map(
  Object.values(CODECS).map((codec) => [codec.contentType, codec]),
);

/**
 * The codec for a content type, which go-micro compares exactly: `application/json; charset=utf-8`
 * is none.
 */
export function codecFor(contentType: string): Codec | undefined {
  return BY_CONTENT_TYPE.get(contentType);
}
