/**
 * The shape of a body that the caller gave no shape for: any JSON value, as it comes. Integers that a
 * double can't hold are `bigint` in both directions and stand as plain digits, which Go reads into any
 * integer field; bytes are written in standard base64, as protobuf's JSON has them.
 */
import { AgentError } from "../../base/errors.ts";
import { asBodyError } from "../../wire/codec/body-fault.ts";
import { formatJson } from "../../wire/codec/json-format.ts";
import type { Shape } from "../../wire/codec/shape.ts";

export const plainShape: Shape<unknown> = {
  typeName: "JSON value",
  fromJson: (value) => value,
  toJson: formatPlain,
  fromProtobuf: needsShapes,
  toProtobuf: needsShapes,
  fromBytes: needsShapes,
  toBytes: needsShapes,
};

/** `{}` or nothing: what opens a stream; go-micro servers throw it away (`docs/wire.md`, "Streams"). */
export const openingShape: Shape<undefined> = {
  typeName: "opening",
  fromJson: () => undefined,
  toJson: () => "{}",
  fromProtobuf: () => undefined,
  toProtobuf: () => new Uint8Array(0),
  fromBytes: () => undefined,
  toBytes: () => new Uint8Array(0),
};

function formatPlain(value: unknown): string {
  try {
    return formatJson(value);
  } catch (thrown) {
    throw asBodyError("request", thrown);
  }
}

function needsShapes(): never {
  throw new AgentError(
    "ERR_RPC_BAD_REQUEST",
    "this codec needs the types of the messages: give the options request and response",
  );
}
