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

interface ErrorRow {
  /** go-micro error `code`; go-micro carries it inside an HTTP 200. */
  readonly status: number;
  /** May the same call succeed later with nothing changed by the caller? */
  readonly retry: boolean;
  /** What to do next: one line, imperative, no secrets. */
  readonly hint: string;
}

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
    hint: "give the device a certificate: `microedge cert import`",
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
  // certificates and keys
  ERR_CERT_INVALID: { status: 400, retry: false, hint: "issue the certificate again" },
  ERR_KEY_INVALID: { status: 400, retry: false, hint: "check the key file" },
  ERR_KEY_WEAK: {
    status: 400,
    retry: false,
    hint: "use a key on P-256, P-384 or Ed25519, or RSA with 2048 to 8192 bits",
  },
  ERR_KEY_PASSPHRASE: {
    status: 400,
    retry: false,
    hint: "give the passphrase that the file was made with",
  },
  ERR_KEY_DAMAGED: {
    status: 500,
    retry: false,
    hint: "import the key and certificate again, or enrol the device anew",
  },
  ERR_KEY_NOT_EXPORTABLE: {
    status: 400,
    retry: false,
    hint: "create a new key where it is needed and have a certificate issued for it",
  },
  ERR_KEY_SEALING_LOST: {
    status: 500,
    retry: false,
    hint: "restore the sealing key from where it came, or reset the store and enrol the device anew",
  },
  ERR_KEY_SEALING_WRONG: {
    status: 500,
    retry: false,
    hint: "restore the sealing key that this store was made with, or reset the store and enrol the device anew",
  },
  ERR_KEY_SEALING_INVALID: {
    status: 500,
    retry: false,
    hint: "correct where the sealing key is said to come from",
  },
  ERR_KEY_SEALING_EXPOSED: {
    status: 500,
    retry: false,
    hint: "give the sealing key's file to the agent's user and set its mode to 0600",
  },
  ERR_KEY_SEALING_UNAVAILABLE: {
    status: 503,
    retry: true,
    hint: "check the TPM or token and the program that speaks to it",
  },
  ERR_IMPORT_INVALID: {
    status: 400,
    retry: false,
    hint: "export the file again where it was made",
  },
  ERR_IMPORT_UNSUPPORTED: {
    status: 400,
    retry: false,
    hint: "convert the file with openssl as the message says, then import the result",
  },
  // the certificate store
  ERR_STORE_NONE: {
    status: 409,
    retry: false,
    hint: "set store.dir in place of tls.cert, tls.key and tls.ca, and restart the agent",
  },
  ERR_STORE_LOCKED: {
    status: 503,
    retry: true,
    hint: "another microedge uses this store; stop it, or give the command to the running agent",
  },
  ERR_STORE_UNSAFE: {
    status: 500,
    retry: false,
    hint: "the store must belong to the agent's user alone; correct owner and type as the message says",
  },
  ERR_STORE_FORMAT: {
    status: 500,
    retry: false,
    hint: "a newer microedge wrote this store; install that version again, or reset the store",
  },
  ERR_STORE_FULL: {
    status: 503,
    retry: true,
    hint: "free space or inodes on the store's file system; the store recovers by itself",
  },
  ERR_STORE_READ_ONLY: {
    status: 503,
    retry: true,
    hint: "mount the store's file system for writing; if it fell back to read-only, check the disk",
  },
  ERR_STORE_IO: {
    status: 503,
    retry: true,
    hint: "the disk failed: look into the kernel log, and replace the card if it fails again",
  },
  ERR_STORE_CORRUPT: {
    status: 500,
    retry: false,
    hint: "the file was damaged on disk; what it held must be given again",
  },
  ERR_STORE_CONTENT: {
    status: 400,
    retry: false,
    hint: "give a key, its certificate and a trust bundle that belong together, within the limits",
  },
  ERR_STORE_SEQUENCE: {
    status: 409,
    retry: false,
    hint: "look at `microedge cert history`: the step does not fit what is in the store",
  },
  ERR_STORE_BUSY: {
    status: 503,
    retry: true,
    hint: "the disk is slow and changes wait for it; try again later",
  },
  ERR_STORE_CLOSED: { status: 503, retry: true, hint: "the agent is stopping; try again" },
  // the rotation queue
  ERR_QUEUE_FULL: {
    status: 503,
    retry: true,
    hint: "look at `microedge queue list`; drop what is no longer wanted with `microedge queue drop`",
  },
  ERR_QUEUE_CONTENT: {
    status: 400,
    retry: false,
    hint: "an intent holds names of objects in the store, never keys, tokens or certificates",
  },
  ERR_QUEUE_UNKNOWN: {
    status: 404,
    retry: false,
    hint: "`microedge queue list` names what is in the queue",
  },
  ERR_QUEUE_SEQUENCE: {
    status: 409,
    retry: false,
    hint: "the intent has ended; `microedge queue list` says how, `microedge queue retry` begins it again",
  },
  ERR_QUEUE_IO: {
    status: 503,
    retry: true,
    hint: "the disk refused the write; free space, or look into the kernel log. The queue recovers by itself",
  },
  ERR_QUEUE_FORMAT: {
    status: 500,
    retry: false,
    hint: "a newer microedge wrote the queue; install that version again, or reset the store",
  },
  ERR_QUEUE_CLOSED: { status: 503, retry: true, hint: "the agent is stopping; try again" },
  // trusted time
  ERR_TIME_STATEMENT: {
    status: 400,
    retry: false,
    hint: "ask the agent for a new challenge, sign it within ten minutes, and send that answer",
  },
  // rotation of the identity
  ERR_CERT_REFUSED: {
    status: 400,
    retry: false,
    hint: "correct every reason that is listed; the identity in force has not changed",
  },
  ERR_CERT_SUPERSEDED: {
    status: 409,
    retry: false,
    hint: "a newer identity came while this one waited; look at `microedge cert history`",
  },
  ERR_CERT_LOCAL: {
    status: 500,
    retry: false,
    hint: "the identity can't be used on this device; look at `microedge doctor` and the agent's log",
  },
  // certificates from an authority
  ERR_ISSUER_UNREACHABLE: {
    status: 503,
    retry: true,
    hint: "check the network, issuer.url and client.proxy; the agent tries again by itself",
  },
  ERR_ISSUER_UNTRUSTED: {
    status: 503,
    retry: false,
    hint: "compare issuer.url and issuer.root_sha256 with the authority, and check the clock",
  },
  ERR_ISSUER_BUSY: {
    status: 503,
    retry: true,
    hint: "the authority asks for patience; the agent tries again by itself",
  },
  ERR_ISSUER_PENDING: {
    status: 503,
    retry: true,
    hint: "the request waits for somebody at the authority to approve or sign it",
  },
  ERR_ISSUER_REFUSED: {
    status: 403,
    retry: false,
    hint: "look into the authority's log for the request id; its policy refuses what was asked",
  },
  ERR_ISSUER_ENROL: {
    status: 401,
    retry: false,
    hint: "enrol the device anew: `microedge enroll --again --token-file FILE`",
  },
  ERR_ISSUER_TOKEN: {
    status: 400,
    retry: false,
    hint: "have a new token made for this device and this authority",
  },
  ERR_ISSUER_ANSWER: {
    status: 502,
    retry: false,
    hint: "check that issuer.url and issuer.kind name the authority; nothing of the answer was kept",
  },
  ERR_REVOCATION_SOURCE: {
    status: 503,
    retry: true,
    hint: "see the revocation lines of `microedge status`: the last good copy stays in force",
  },
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
