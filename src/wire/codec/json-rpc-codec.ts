/**
 * `application/json-rpc`, go-micro's JSON-RPC 1.0, in the `plain` dialect:
 *
 *     {"params":[<message>],"id":"0","method":"Greeter.Hello"}
 *     {"id":"0","result":<message>,"error":null}
 *
 * Members that are not ours are ignored, as everywhere in this dialect. Where go-micro's server would
 * take the first of several `params` and a zero message for none, we refuse: one call has one message.
 * Its error replies carry an empty `id`; ours carry the caller's.
 */
import { bodyError, kindOf } from "./body-fault.ts";
import type { Codec, DecodedReply, OpenedRequest } from "./codec.ts";
import { keptError, sentError } from "./error-text.ts";
import { formatJson, formatString } from "./json-format.ts";
import { parseJson } from "./json-text.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "./json-value.ts";
import type { Shape } from "./shape.ts";
import { encodeUtf8 } from "./utf8.ts";

const REQUEST = "json-rpc request";
const REPLY = "json-rpc reply";

/** Characters of an id or a method: they come back in the reply, and in logs. */
const MAX_NAME = 256;

/** What an empty body stands for. */
const EMPTY: JsonObject = Object.freeze({});

export const jsonRpcCodec: Codec = {
  name: "json-rpc",
  contentType: "application/json-rpc",
  openRequest,
  readRequest: (bytes, shape) => openMembers(bytes).read(shape),
  writeRequest: (value, shape, { endpoint, id }) =>
    encodeUtf8(
      `{"params":[${shape.toJson(value, "plain")}],"id":${formatString(id)},"method":${formatString(endpoint)}}\n`,
    ),
  readReply,
  writeReply: (value, shape, { id }) =>
    encodeUtf8(
      `{"id":${formatString(id)},"result":${shape.toJson(value, "plain")},"error":null}\n`,
    ),
  writeError: (error, { id }) =>
    encodeUtf8(
      `{"id":${formatString(id)},"result":null,"error":${formatString(sentError(error))}}\n`,
    ),
};

function openRequest(bytes: Uint8Array): OpenedRequest {
  const { members, read } = openMembers(bytes);
  return { envelope: { endpoint: methodOf(members["method"]), id: idOf(members["id"]) }, read };
}

function openMembers(bytes: Uint8Array): {
  readonly members: JsonObject;
  read<T>(shape: Shape<T>): T;
} {
  if (bytes.byteLength === 0) {
    return { members: EMPTY, read: (shape) => shape.fromJson(EMPTY, "plain") };
  }
  const members = parseEnvelope(bytes, REQUEST);
  return { members, read: (shape) => readMessage(members["params"], shape) };
}

function readMessage<T>(params: JsonValue | undefined, shape: Shape<T>): T {
  if (params === undefined || !isJsonArray(params)) {
    throw bodyError(REQUEST, ".params", `expected an array, got ${kindOf(params)}`);
  }
  const [message, ...others] = params;
  if (message === undefined || others.length > 0) {
    throw bodyError(REQUEST, ".params", `expected one element, got ${params.length}`);
  }
  return shape.fromJson(message ?? EMPTY, "plain");
}

function readReply<T>(bytes: Uint8Array, shape: Shape<T>): DecodedReply<T> {
  if (bytes.byteLength === 0) return { ok: true, value: shape.fromJson(EMPTY, "plain") };
  const { error, result } = parseEnvelope(bytes, REPLY);
  if (error !== null && error !== undefined) {
    // go-micro sends text; other servers an object, whose JSON is then the text.
    const text = typeof error === "string" ? error : formatJson(error);
    return { ok: false, error: text === "" ? "unspecified error" : keptError(text) };
  }
  if (result === undefined) throw bodyError(REPLY, "", "has neither a result nor an error");
  return { ok: true, value: shape.fromJson(result ?? EMPTY, "plain") };
}

function parseEnvelope(bytes: Uint8Array, what: string): JsonObject {
  const value = parseJson(bytes);
  if (isJsonObject(value)) return value;
  throw bodyError(what, "", `expected an object, got ${kindOf(value)}`);
}

function methodOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") {
    throw bodyError(REQUEST, ".method", `expected a string, got ${kindOf(value)}`);
  }
  return bounded(value, ".method");
}

/** JSON-RPC lets the caller choose strings or numbers; the reply repeats it as a string. */
function idOf(value: JsonValue | undefined): string {
  switch (typeof value) {
    case "string":
      return bounded(value, ".id");
    case "number":
    case "bigint":
      return bounded(String(value), ".id");
    default:
      if (value === undefined || value === null) return "";
      throw bodyError(REQUEST, ".id", `expected a string or a number, got ${kindOf(value)}`);
  }
}

function bounded(text: string, field: string): string {
  if (text.length <= MAX_NAME) return text;
  throw bodyError(REQUEST, field, `longer than ${MAX_NAME} characters`);
}
