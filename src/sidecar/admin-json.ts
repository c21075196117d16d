/**
 * How calls, replies and errors stand in the JSON of the control socket. Both ends are in this room:
 * `admin-api.ts` in the agent, `admin-client.ts` in the command line. Pure.
 *
 * A message body is text under `body` where its codec is JSON, else base64 under `bodyBase64`; text,
 * because a JSON number that passed through `JSON.parse` would have lost digits.
 */
import { AgentError, ERRORS, type ErrorCode, errorText, isAgentError } from "../base/errors.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import { formatAddress, type NodeAddress, parseAddress } from "../registry/address.ts";
import { CandidateRefused } from "../rotation/candidate-refused.ts";
import { RemoteError } from "../rpc/client/remote-error.ts";
import type { CodecName } from "../wire/codec/codec.ts";
import { parseJson } from "../wire/codec/json-text.ts";
import type { MicroError } from "../wire/mucp/error.ts";
import type { AdminCall, AdminReply, MessageBytes, ProbeRequest } from "./admin-operations.ts";

const CODECS: readonly CodecName[] = ["json", "protobuf", "json-rpc", "proto-rpc", "bytes"];

type Members = Readonly<Record<string, unknown>>;

/** What the agent says. @throws AgentError `ERR_CONTROL_REQUEST`. */
export function parseObject(text: string): Members {
  return objectOf(() => JSON.parse(text));
}

/**
 * What the agent is asked. Bounded, unlike `JSON.parse`: 6 MiB of `[],[],` would end the agent for want
 * of memory.
 *
 * @throws AgentError `ERR_CONTROL_REQUEST` that says what is wrong and where.
 */
export function parseRequest(text: string): Members {
  return objectOf(() => parseJson(Buffer.from(text)));
}

function objectOf(parse: () => unknown): Members {
  let value: unknown;
  try {
    value = parse();
  } catch (cause) {
    const reason = isAgentError(cause) ? `: ${cause.fields["reason"]}` : "";
    throw new AgentError("ERR_CONTROL_REQUEST", `the request is not JSON${reason}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new AgentError("ERR_CONTROL_REQUEST", "the request is not a JSON object");
  }
  return value as Members;
}

/** @throws AgentError `ERR_CONTROL_REQUEST`. */
export function parseCall(members: Members): AdminCall {
  const codec = members["codec"] ?? "json";
  const known = CODECS.find((name) => name === codec);
  if (known === undefined) throw bad("codec", `must be one of ${CODECS.join(", ")}`);
  const timeoutMs = members["timeoutMs"];
  if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && Number(timeoutMs) > 0)) {
    throw bad("timeoutMs", "must be a whole number of milliseconds above 0");
  }
  return {
    service: word(members, "service"),
    endpoint: word(members, "endpoint"),
    codec: known,
    metadata: parseMetadata(members["metadata"]),
    timeoutMs: timeoutMs === undefined ? undefined : Number(timeoutMs),
    ...parseDirect(members),
  };
}

/** Where a call goes when the registry is not asked. */
function parseDirect(members: Members): Pick<AdminCall, "address" | "serverName"> {
  if (members["address"] === undefined) {
    if (members["serverName"] !== undefined) throw bad("serverName", "goes with address");
    return {};
  }
  const address = word(members, "address");
  addressOf(address, "address");
  const serverName = optionalWord(members, "serverName");
  return serverName === undefined ? { address } : { address, serverName };
}

/** Longest time that a step of a probe may take; the command line waits for all of them. */
const MAX_PROBE_MS = 60_000;

/** @throws AgentError `ERR_CONTROL_REQUEST`. */
export function parseProbe(members: Members): ProbeRequest {
  const { host, port } = addressOf(word(members, "address"), "address");
  const timeoutMs = Number(members["timeoutMs"]);
  if (!(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= MAX_PROBE_MS)) {
    throw bad("timeoutMs", `must be a whole number of milliseconds from 1 to ${MAX_PROBE_MS}`);
  }
  const ownOnly = members["ownOnly"] ?? false;
  if (typeof ownOnly !== "boolean") throw bad("ownOnly", "must be true or false");
  return { host, port, serverName: optionalWord(members, "serverName"), timeoutMs, ownOnly };
}

export function formatProbe({ host, port, serverName, timeoutMs, ownOnly }: ProbeRequest): Members {
  return {
    address: formatAddress({ host, port }),
    timeoutMs,
    ...(serverName === undefined ? {} : { serverName }),
    ...(ownOnly === undefined ? {} : { ownOnly }),
  };
}

function addressOf(text: string, name: string): NodeAddress {
  try {
    return parseAddress(text, name);
  } catch (cause) {
    throw new AgentError("ERR_CONTROL_REQUEST", errorText(cause), { cause });
  }
}

export function formatCall(call: AdminCall): Members {
  return {
    service: call.service,
    endpoint: call.endpoint,
    codec: call.codec,
    metadata: Object.fromEntries(call.metadata),
    ...(call.timeoutMs === undefined ? {} : { timeoutMs: call.timeoutMs }),
    ...(call.address === undefined ? {} : { address: call.address }),
    ...(call.serverName === undefined ? {} : { serverName: call.serverName }),
  };
}

/** Absent bodies are empty. @throws AgentError `ERR_CONTROL_REQUEST`. */
export function parseBody(members: Members): MessageBytes {
  const { body, bodyBase64 } = members as { body?: unknown; bodyBase64?: unknown };
  if (typeof bodyBase64 === "string" && body === undefined)
    return Buffer.from(bodyBase64, "base64");
  if (typeof body === "string" && bodyBase64 === undefined) return Buffer.from(body, "utf8");
  if (body === undefined && bodyBase64 === undefined) return new Uint8Array();
  throw bad("body", "must be text, or bodyBase64 in its place");
}

export function formatBody(body: MessageBytes, codec: CodecName): Members {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return codec === "json" || codec === "json-rpc"
    ? { body: buffer.toString("utf8") }
    : { bodyBase64: buffer.toString("base64") };
}

export function formatReply(reply: AdminReply, codec: CodecName): Members {
  return {
    ...formatBody(reply.body, codec),
    metadata: Object.fromEntries(reply.metadata),
    durationMs: reply.durationMs,
    node: reply.node,
  };
}

export function parseReply(members: Members): AdminReply {
  return {
    body: parseBody(members),
    metadata: parseMetadata(members["metadata"]),
    durationMs: Number(members["durationMs"]),
    node: String(members["node"]),
  };
}

/** What an error says over the socket: never its cause; a remote's go-micro error whole. */
export function formatError(error: AgentError): Members {
  const fix = error.fields["fix"];
  return {
    error: {
      code: error.code,
      message: error.message,
      hint: typeof fix === "string" ? fix : error.hint,
      ...(error instanceof RemoteError ? { remote: error.remote, node: error.node } : {}),
      ...(error instanceof CandidateRefused ? { reasons: error.reasons } : {}),
    },
  };
}

/** The error in an answer of the control socket, as if it had been thrown here. */
export function parseError(members: Members): AgentError {
  const { code, message, hint, remote, node, reasons } = (members["error"] ?? {}) as Members;
  if (isReasons(reasons)) return new CandidateRefused(reasons);
  if (isMicroError(remote)) return new RemoteError(remote, typeof node === "string" ? node : "");
  const text = typeof message === "string" ? message : "the agent answered with an error";
  const known = typeof code === "string" && Object.hasOwn(ERRORS, code);
  return new AgentError(known ? (code as ErrorCode) : "ERR_INTERNAL", text, {
    fields: typeof hint === "string" ? { fix: hint } : {},
  });
}

function isReasons(value: unknown): value is readonly Reason[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every((each: Partial<Reason>) =>
    [each?.code, each?.words, each?.fix].every((member) => typeof member === "string"),
  );
}

function isMicroError(value: unknown): value is MicroError {
  if (typeof value !== "object" || value === null) return false;
  const { id, code, detail, status } = value as Members;
  return (
    typeof code === "number" && [id, detail, status].every((member) => typeof member === "string")
  );
}

function parseMetadata(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (typeof value !== "object" || value === null)
    throw bad("metadata", "must be an object of text");
  const entries = Object.entries(value);
  const odd = entries.find(([, text]) => typeof text !== "string");
  if (odd !== undefined) throw bad(`metadata.${odd[0]}`, "must be text");
  return new Map(entries as [string, string][]);
}

function word(members: Members, name: string): string {
  const value = members[name];
  if (typeof value !== "string" || value === "") throw bad(name, "must be text and not empty");
  return value;
}

function optionalWord(members: Members, name: string): string | undefined {
  return members[name] === undefined ? undefined : word(members, name);
}

function bad(name: string, what: string): AgentError {
  return new AgentError("ERR_CONTROL_REQUEST", `${name} ${what}`, { fields: { member: name } });
}
