/**
 * `application/proto-rpc`: an envelope and a message, each in a frame of a 4-byte big-endian length
 * and that many bytes. The envelopes are protobuf (go-micro `codec/protorpc/envelope.proto`):
 *
 *     request   1 string service_method   2 fixed64 seq
 *     response  1 string service_method   2 fixed64 seq   3 string error
 *
 * `seq` is the call's id. An id that is not a decimal number of 64 bits travels as 0, which is
 * omitted; so does go-micro. Its replies name no method, and neither do ours.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { errorText } from "../../base/errors.ts";
import { bodyError } from "./body-fault.ts";
import type { Codec, DecodedReply, OpenedRequest } from "./codec.ts";
import { keptError, sentError } from "./error-text.ts";
import type { Shape } from "./shape.ts";

const TYPE = "proto-rpc body";
const PREFIX = 4;
const MAX_SEQ = 2n ** 64n - 1n;
/** Characters of a method: they go to logs. */
const MAX_METHOD = 256;
const METHOD = 1;
const SEQ = 2;
const ERROR = 3;
const NO_MESSAGE = new Uint8Array();

export const protoRpcCodec: Codec = {
  name: "proto-rpc",
  contentType: "application/proto-rpc",
  openRequest,
  readRequest: (bytes, shape) => shape.fromProtobuf(splitFrames(bytes).message),
  writeRequest: (value, shape, { endpoint, id }) => {
    const envelope = new BinaryWriter();
    if (endpoint !== "") envelope.tag(METHOD, WireType.LengthDelimited).string(endpoint);
    return joinFrames(withSeq(envelope, id).finish(), shape.toProtobuf(value));
  },
  readReply,
  writeReply: (value, shape, { id }) =>
    joinFrames(withSeq(new BinaryWriter(), id).finish(), shape.toProtobuf(value)),
  writeError: (error, { id }) => {
    const envelope = withSeq(new BinaryWriter(), id);
    envelope.tag(ERROR, WireType.LengthDelimited).string(sentError(error));
    return joinFrames(envelope.finish(), NO_MESSAGE);
  },
};

function openRequest(bytes: Uint8Array): OpenedRequest {
  const frames = splitFrames(bytes);
  const { method, seq } = readEnvelope(frames.envelope);
  if (method.length > MAX_METHOD) {
    throw bodyError(TYPE, ".service_method", `longer than ${MAX_METHOD} characters`);
  }
  return {
    envelope: { endpoint: method, id: String(seq) },
    read: (shape) => shape.fromProtobuf(frames.message),
  };
}

function readReply<T>(bytes: Uint8Array, shape: Shape<T>): DecodedReply<T> {
  const frames = splitFrames(bytes);
  const { error } = readEnvelope(frames.envelope);
  if (error !== "") return { ok: false, error: keptError(error) };
  return { ok: true, value: shape.fromProtobuf(frames.message) };
}

interface Frames {
  readonly envelope: Uint8Array;
  readonly message: Uint8Array;
}

/** No bytes at all are an empty envelope and the zero message. */
function splitFrames(bytes: Uint8Array): Frames {
  if (bytes.byteLength === 0) return { envelope: NO_MESSAGE, message: NO_MESSAGE };
  const envelope = frameAt(bytes, 0, "envelope");
  const message = frameAt(bytes, PREFIX + envelope.byteLength, "message");
  const end = 2 * PREFIX + envelope.byteLength + message.byteLength;
  if (end !== bytes.byteLength) {
    throw bodyError(TYPE, "", `${bytes.byteLength - end} bytes follow the second frame`);
  }
  return { envelope, message };
}

function frameAt(bytes: Uint8Array, at: number, name: string): Uint8Array {
  const left = bytes.byteLength - at;
  if (left < PREFIX) {
    throw bodyError(TYPE, `.${name}`, `cut off: ${PREFIX} bytes of length expected, ${left} left`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at);
  if (length > left - PREFIX) {
    const reason = `cut off: ${length} bytes announced, ${left - PREFIX} left`;
    throw bodyError(TYPE, `.${name}`, reason);
  }
  return bytes.subarray(at + PREFIX, at + PREFIX + length);
}

function joinFrames(envelope: Uint8Array, message: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(2 * PREFIX + envelope.byteLength + message.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(0, envelope.byteLength);
  bytes.set(envelope, PREFIX);
  view.setUint32(PREFIX + envelope.byteLength, message.byteLength);
  bytes.set(message, 2 * PREFIX + envelope.byteLength);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function withSeq(envelope: BinaryWriter, id: string): BinaryWriter {
  const seq = /^\d{1,20}$/.test(id) ? BigInt(id) : 0n;
  if (seq === 0n || seq > MAX_SEQ) return envelope;
  return envelope.tag(SEQ, WireType.Bit64).fixed64(seq);
}

interface ProtoRpcEnvelope {
  readonly method: string;
  readonly seq: bigint;
  readonly error: string;
}

function readEnvelope(bytes: Uint8Array): ProtoRpcEnvelope {
  const envelope = { method: "", seq: 0n, error: "" };
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === METHOD && wireType === WireType.LengthDelimited) {
        envelope.method = reader.string(true);
      } else if (field === SEQ && wireType === WireType.Bit64) {
        envelope.seq = BigInt(reader.fixed64());
      } else if (field === ERROR && wireType === WireType.LengthDelimited) {
        envelope.error = reader.string(true);
      } else {
        reader.skip(wireType, field);
      }
    }
  } catch (thrown) {
    throw bodyError(TYPE, ".envelope", `not protobuf: ${errorText(thrown)}`);
  }
  return envelope;
}
