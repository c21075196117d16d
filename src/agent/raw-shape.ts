/**
 * The shape of a message that only passes through: the command line has encoded it already, and
 * decodes the answer itself. Protobuf and bytes go as they are; JSON is read once, so that what is
 * sent is JSON.
 */
import { AgentError } from "../base/errors.ts";
import { formatJson } from "../wire/codec/json-format.ts";
import { parseJson } from "../wire/codec/json-text.ts";
import type { Shape } from "../wire/codec/shape.ts";

/** UTF-8 JSON text for the JSON codecs, encoded protobuf, or bytes. */
export const rawShape: Shape<Uint8Array> = {
  typeName: "message",
  fromJson: (value) => new TextEncoder().encode(formatJson(value)),
  toJson: (bytes) => formatJson(readJson(bytes)),
  fromProtobuf: (bytes) => bytes.slice(),
  toProtobuf: (bytes) => bytes,
  fromBytes: (bytes) => bytes.slice(),
  toBytes: (bytes) => bytes,
};

/** No bytes are the empty message. */
function readJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  try {
    return parseJson(bytes);
  } catch (cause) {
    if (cause instanceof AgentError) {
      throw new AgentError("ERR_CONTROL_REQUEST", `the message is not JSON: ${cause.message}`, {
        cause,
      });
    }
    throw cause;
  }
}
