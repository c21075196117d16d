/**
 * The one error type that crosses a room boundary.
 *
 * Every code is listed once, in {@link ERRORS}, with what the three audiences see: the RPC peer
 * (`status`, the HTTP-like number that go-micro puts in its error body), the caller in code
 * (`retry`), and the person at the terminal (`hint`). Adding a code means adding a row; the compiler
 * finds the rest, and `docs/errors.md` is generated from the table.
 *
 * Match on `code`, never on text. `cause` is for the log and never leaves the device.
 */

import type { ErrorRow } from "./error-row.ts";
import { IDENTITY_ERRORS } from "./identity-errors.ts";

export const ERRORS = {
  // configuration
  ERR_CONFIG_INVALID: {
    status: 500,
    retry: false,
    hint: "correct the configuration; `microedge config check` lists every problem",
  },
  ERR_CONFIG_UNREADABLE: {
    status: 500,
    retry: false,
    hint: "check that the file exists and that this user may read it",
  },
  // wire: what arrived is not a message that we accept
  ERR_WIRE_MESSAGE: { status: 400, retry: false, hint: "send a well-formed HTTP/1.1 message" },
  ERR_WIRE_TOO_LARGE: {
    status: 413,
    retry: false,
    hint: "send less, or raise rpc.max_body_bytes or rpc.max_header_bytes",
  },
  ERR_WIRE_TIMEOUT: { status: 408, retry: true, hint: "send the whole message without pausing" },
  ERR_WIRE_BODY: { status: 400, retry: false, hint: "correct the named field of the body" },
  ERR_WIRE_CONTENT_TYPE: {
    status: 415,
    retry: false,
    hint: "use application/json, protobuf, json-rpc, proto-rpc or octet-stream",
  },
  // TLS
  ERR_TLS_MATERIAL: {
    status: 500,
    retry: false,
    hint: "check the certificate, key and trust bundle files; `microedge doctor` names the fault",
  },
  ERR_IDENTITY_NONE: {
    status: 503,
    retry: true,
    hint: "give the device a certificate: `microedge enroll`, or `microedge cert import`",
  },
  ERR_TLS_HANDSHAKE: {
    status: 503,
    retry: true,
    hint: "run `microedge tls probe HOST:PORT` to see which side refuses and why",
  },
  ERR_TLS_PEER_REFUSED: {
    status: 401,
    retry: false,
    hint: "present a certificate that chains to the trust bundle and is in date",
  },
  ERR_LISTEN: {
    status: 500,
    retry: false,
    hint: "choose another rpc.listen address, or stop what holds this one",
  },
  ...IDENTITY_ERRORS,
  // calls
  ERR_RPC_NOT_FOUND: {
    status: 404,
    retry: false,
    hint: "check the service and endpoint names; `microedge services` lists what is served",
  },
  ERR_RPC_BAD_REQUEST: { status: 400, retry: false, hint: "name the endpoint as Handler.Method" },
  ERR_RPC_DEADLINE: { status: 408, retry: true, hint: "allow the call more time" },
  ERR_RPC_CANCELLED: { status: 499, retry: false, hint: "the caller went away" },
  ERR_RPC_OVERLOADED: { status: 503, retry: true, hint: "try again later" },
  ERR_RPC_DRAINING: { status: 503, retry: true, hint: "the agent is stopping; try again" },
  ERR_RPC_REMOTE: {
    status: 500,
    retry: false,
    hint: "the code and text are the called service's own; its log may say more",
  },
  ERR_RPC_CONNECT: {
    status: 503,
    retry: true,
    hint: "check the address and the network; `microedge tls probe HOST:PORT` shows more",
  },
  ERR_RPC_CONNECTION_LOST: {
    status: 503,
    retry: true,
    hint: "the connection ended before the answer; the call may have run",
  },
  ERR_RPC_STREAM_ENDED: { status: 409, retry: false, hint: "open a new stream" },
  // decisions
  ERR_ACL_UNAUTHENTICATED: { status: 401, retry: false, hint: "present a client certificate" },
  ERR_ACL_DENIED: { status: 403, retry: false, hint: "this peer may not call this endpoint" },
  ERR_RATE_LIMITED: { status: 429, retry: true, hint: "slow down" },
  // registry
  ERR_REGISTRY_NOT_FOUND: {
    status: 404,
    retry: true,
    hint: "add the service under [[registry.static]]",
  },
  ERR_REGISTRY_ADDRESS: {
    status: 400,
    retry: false,
    hint: "write the address as host:port, an IPv6 one as [2001:db8::1]:port",
  },
  // handler modules
  ERR_HANDLER_MODULE: {
    status: 500,
    retry: false,
    hint: "correct the module named under [[handlers]]",
  },
  ERR_HANDLER_CODEC: {
    status: 500,
    retry: false,
    hint: "the event codec.failed in the agent's log names the codec, its module and the reason",
  },
  // control socket and command line
  ERR_CONTROL_UNREACHABLE: {
    status: 503,
    retry: true,
    hint: "start the agent with `microedge run`, or name its configuration with --config",
  },
  ERR_CONTROL_REQUEST: { status: 400, retry: false, hint: "see `microedge help`" },
  ERR_CONTROL_SOCKET: {
    status: 500,
    retry: false,
    hint: "stop the agent that uses the socket, or give this one a control.socket of its own",
  },
  ERR_METRICS_LISTEN: {
    status: 500,
    retry: true,
    hint: "end the program that uses the address, or choose another metrics.listen",
  },
  ERR_USAGE: { status: 400, retry: false, hint: "see `microedge help`" },
  ERR_FILE_EXISTS: { status: 409, retry: false, hint: "choose another name; nothing was replaced" },
  ERR_FILE_IO: {
    status: 500,
    retry: false,
    hint: "check the path, its permissions and the free space",
  },
  // a bug of ours, or of a handler
  ERR_INTERNAL: {
    status: 500,
    retry: false,
    hint: "look the correlation id up in the agent's log",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Values safe to log and to send to an authenticated peer: never keys, tokens, PEM or bodies. */
export type ErrorFields = Readonly<Record<string, string | number | boolean>>;

export class AgentError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; fields?: ErrorFields } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "AgentError";
    this.code = code;
    this.fields = options.fields ?? {};
  }

  get retry(): boolean {
    return ERRORS[this.code].retry;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get hint(): string {
    return ERRORS[this.code].hint;
  }
}

/** Whether `value` is an {@link AgentError}, with `code` if one is given. */
export function isAgentError(value: unknown, code?: ErrorCode): value is AgentError {
  return value instanceof AgentError && (code === undefined || value.code === code);
}

/** The text of anything thrown; for logs and messages, never for decisions. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Where a bug is, for the log: never for a peer. */
export function stackText(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
