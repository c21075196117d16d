/**
 * What a caller may say about a call, and what the client takes when it says nothing. Spans are
 * milliseconds.
 */
import { AgentError } from "../../base/errors.ts";
import type { SelectorStrategy } from "../../registry/selector.ts";
import type { CodecName } from "../../wire/codec/codec.ts";
import type { Shape } from "../../wire/codec/shape.ts";
import { isToken, isTransportHeader } from "../../wire/mucp/header-names.ts";

export interface ClientOptions {
  /** For the whole call: lookup, waiting, connecting, every attempt. */
  readonly timeoutMs: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Connections to one node. */
  readonly poolSize: number;
  /** Age at which a connection is not used again. */
  readonly poolTtlMs: number;
  /** Calls that may wait for a connection to one node. */
  readonly maxWaiting: number;
  readonly maxReplyBytes: number;
  readonly selector: SelectorStrategy;
  /** How long a failed node rests, the first time. */
  readonly nodeRestMs: number;
  /**
   * Send a `Micro-Stream` of its own with every unary call. go-micro servers lose about one call in a
   * thousand on a kept connection without it (`docs/wire.md`, "Defects", 1).
   */
  readonly uniqueStream: boolean;
  readonly codec: CodecName;
  /** Replies of a stream that wait for their reader; beyond that the connection is not read. */
  readonly streamInbox: number;
  /** How long {@link Client.close} lets open calls finish. */
  readonly drainMs: number;
}

export const DEFAULT_CLIENT_OPTIONS: ClientOptions = {
  // go-micro's own
  timeoutMs: 5000,
  poolTtlMs: 60_000,
  codec: "json",
  // ours
  retries: 1,
  poolSize: 8,
  maxWaiting: 1024,
  maxReplyBytes: 4 * 1024 * 1024,
  selector: "random",
  nodeRestMs: 5000,
  uniqueStream: true,
  streamInbox: 64,
  drainMs: 5000,
};

interface SharedOptions {
  /** Gives the call or stream up; the error is `ERR_RPC_CANCELLED` with the reason as its cause. */
  readonly signal?: AbortSignal | undefined;
  /** Sent along, by name; names of the transport's own headers are refused. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Attempts after the first. */
  readonly retries?: number | undefined;
  readonly codec?: CodecName | undefined;
  /** Calls this `host:port`; the registry is not asked. */
  readonly address?: string | undefined;
  /** With `address`: the name that the node's certificate must carry, when it is not the host. */
  readonly serverName?: string | undefined;
}

export interface CallOptions extends SharedOptions {
  /** For the whole call. */
  readonly timeoutMs?: number | undefined;
  /** For one attempt, from the moment it has a connection; a lost one leaves time for the next. */
  readonly attemptTimeoutMs?: number | undefined;
  /** The handler may run twice with the effect of once. Only such a call is sent again; default false. */
  readonly idempotent?: boolean | undefined;
}

export interface StreamOptions extends SharedOptions {
  /** For the whole stream; no limit by default. */
  readonly timeoutMs?: number | undefined;
  /** After {@link ClientStream.end}: how long to wait for each further reply; default 5000. */
  readonly endTimeoutMs?: number | undefined;
}

/** The types of the messages; needed by every codec but `json`, `json-rpc` and `bytes`. */
export interface Shapes<Q, R> {
  readonly request: Shape<Q>;
  readonly response: Shape<R>;
}

const MAX_RETRIES = 20;

/** @throws AgentError `ERR_RPC_BAD_REQUEST` that names the option. */
export function assertOptions(options: CallOptions & StreamOptions): void {
  for (const name of ["timeoutMs", "attemptTimeoutMs", "endTimeoutMs"] as const) {
    const span = options[name];
    if (span !== undefined && !(span > 0 && Number.isFinite(span))) {
      throw refusal(`${name} must be a positive number of milliseconds, not ${span}`);
    }
  }
  const { retries, serverName, address } = options;
  if (
    retries !== undefined &&
    !(Number.isInteger(retries) && retries >= 0 && retries <= MAX_RETRIES)
  ) {
    throw refusal(`retries must be a whole number from 0 to ${MAX_RETRIES}, not ${retries}`);
  }
  if (serverName !== undefined && address === undefined) {
    throw refusal("serverName goes with address; a registered node has its own");
  }
}

/**
 * `Service` and `Handler.Method`, as go-micro needs them.
 *
 * @throws AgentError `ERR_RPC_BAD_REQUEST`.
 */
export function assertCallee(service: string, endpoint: string): void {
  if (service === "" || !/^[\x21-\x7e]+$/.test(service)) {
    throw refusal(`${JSON.stringify(service)} is not a service name`);
  }
  if (!/^[\x21-\x2d\x2f-\x7e]+\.[\x21-\x2d\x2f-\x7e]+$/.test(endpoint)) {
    throw refusal(`${JSON.stringify(endpoint)} is not an endpoint: write Handler.Method`);
  }
}

/** @throws AgentError `ERR_RPC_BAD_REQUEST` that names the entry; never its value, which may be a token. */
export function metadataEntries(
  metadata: Readonly<Record<string, string>> | undefined,
): readonly (readonly [string, string])[] {
  if (metadata === undefined) return [];
  const entries = Object.entries(metadata);
  for (const [name, value] of entries) {
    if (!isToken(name)) throw refusal(`metadata ${JSON.stringify(name)} is not a header name`);
    if (isTransportHeader(name.toLowerCase())) {
      throw refusal(`metadata ${name} is a header of the transport itself`);
    }
    if (typeof value !== "string") throw refusal(`metadata ${name} is not a string`);
  }
  return entries;
}

function refusal(message: string): AgentError {
  return new AgentError("ERR_RPC_BAD_REQUEST", message);
}
