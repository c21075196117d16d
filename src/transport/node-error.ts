/**
 * Errors of Node's sockets and TLS as causes that a person can act on. The only file that knows the
 * foreign codes. OpenSSL 3.5 names alerts `ERR_SSL_..._ALERT_...` (RFC 8446 section 6.2).
 */
import type { ProblemCause } from "../identity/peer-checks.ts";

/** Why a handshake failed or a peer was refused: constant, for counters and logs. */
export type HandshakeCause =
  | ProblemCause
  | "protocol-version"
  | "no-common-algorithm"
  | "plain-http"
  | "not-tls"
  | "rejected-by-peer"
  | "peer-wants-certificate"
  | "reset"
  | "timeout"
  | "tls";

export interface HandshakeFailure {
  readonly cause: HandshakeCause;
  readonly words: string;
  readonly fix: string;
}

const OUR_CERTIFICATE = "the peer refused our certificate: ";

/** Alerts that the other side sent us. */
const ALERTS: Readonly<Record<string, HandshakeFailure>> = {
  UNKNOWN_CA: {
    cause: "rejected-by-peer",
    words: `${OUR_CERTIFICATE}it does not know the authority that issued it`,
    fix: "add our authority to the peer's trust bundle, or issue our certificate from one it trusts",
  },
  BAD_CERTIFICATE: {
    cause: "rejected-by-peer",
    words: `${OUR_CERTIFICATE}unknown authority, wrong name or wrong purpose (Go peers send this alert for all of them)`,
    fix: "check on the peer: its trust bundle, the name it dials against our SANs, and its log",
  },
  CERTIFICATE_EXPIRED: {
    cause: "rejected-by-peer",
    words: `${OUR_CERTIFICATE}it is expired or not yet valid by the peer's clock`,
    fix: "check our certificate's dates (`microedge doctor`) and the clocks of both machines",
  },
  CERTIFICATE_REVOKED: {
    cause: "rejected-by-peer",
    words: `${OUR_CERTIFICATE}it was revoked`,
    fix: "issue us a new certificate",
  },
  CERTIFICATE_UNKNOWN: {
    cause: "rejected-by-peer",
    words: `${OUR_CERTIFICATE}it gave no clear reason`,
    fix: "look into the peer's log",
  },
  UNSUPPORTED_CERTIFICATE: {
    cause: "rejected-by-peer",
    words: `${OUR_CERTIFICATE}its kind or purpose is not accepted there`,
    fix: "issue our certificate with both serverAuth and clientAuth, and an ECDSA P-256 key",
  },
  CERTIFICATE_REQUIRED: {
    cause: "peer-wants-certificate",
    words: "the peer demands a client certificate and got none",
    fix: "configure tls.cert and tls.key",
  },
  PROTOCOL_VERSION: {
    cause: "protocol-version",
    words: "the peer does not speak our TLS versions",
    fix: 'upgrade the peer to TLS 1.3, or set tls.minVersion = "1.2"',
  },
  HANDSHAKE_FAILURE: {
    cause: "no-common-algorithm",
    words: "the peer found no cipher, group or signature in common",
    fix: "let the peer offer X25519 or P-256 and AES-GCM or ChaCha20-Poly1305",
  },
  UNRECOGNIZED_NAME: {
    cause: "name-mismatch",
    words: "the peer does not serve the name we asked for",
    fix: "correct the address or server_name",
  },
  NO_APPLICATION_PROTOCOL: {
    cause: "no-common-algorithm",
    words: "the peer speaks none of the protocols we offered (ALPN)",
    fix: "check that the port belongs to a go-micro HTTP-transport service",
  },
};

/** OpenSSL's own findings about what the other side sent. */
const FINDINGS: Readonly<Record<string, HandshakeFailure>> = {
  UNSUPPORTED_PROTOCOL: {
    cause: "protocol-version",
    words: "the peer offers only TLS versions that are not accepted here",
    fix: 'upgrade the peer to TLS 1.3, or set tls.minVersion = "1.2" for the time being',
  },
  VERSION_TOO_LOW: {
    cause: "protocol-version",
    words: "the peer offers SSL 3 or older",
    fix: "upgrade the peer to TLS 1.3",
  },
  NO_SUITABLE_KEY_SHARE: {
    cause: "no-common-algorithm",
    words: "the peer offers no key exchange group that is accepted here",
    fix: "let the peer offer X25519 or P-256",
  },
  NO_SHARED_CIPHER: {
    cause: "no-common-algorithm",
    words: "the peer offers no cipher that is accepted here",
    fix: "let the peer offer AES-GCM or ChaCha20-Poly1305",
  },
  NO_SUITABLE_SIGNATURE_ALGORITHM: {
    cause: "no-common-algorithm",
    words: "the peer accepts no signature that our key can make",
    fix: "issue our certificate with an ECDSA P-256 key",
  },
  HTTP_REQUEST: {
    cause: "plain-http",
    words: "the peer speaks plain HTTP on a TLS port",
    fix: "switch TLS on in the peer",
  },
  WRONG_VERSION_NUMBER: {
    cause: "not-tls",
    words: "the peer does not speak TLS on this port",
    fix: "check address and port, and that TLS is switched on there",
  },
  PACKET_LENGTH_TOO_LONG: {
    cause: "not-tls",
    words: "the peer does not speak TLS on this port",
    fix: "check address and port, and that TLS is switched on there",
  },
};

const RESET: HandshakeFailure = {
  cause: "reset",
  words: "the peer closed the connection in the middle of the handshake",
  fix: "look into the peer's log: a peer that refuses our certificate often just hangs up",
};

const TIMEOUT: HandshakeFailure = {
  cause: "timeout",
  words: "the peer did not finish the handshake in time",
  fix: "check the network between the two, and that the other side is not overloaded",
};

const RESET_CODES = new Set(["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE", "ECONNABORTED"]);

/** The `code` of a Node error; empty if it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "";
}

/** What went wrong in a handshake that Node or OpenSSL ended. */
export function classifyHandshakeError(error: unknown): HandshakeFailure {
  const code = errorCode(error);
  if (RESET_CODES.has(code)) return RESET;
  if (code === "ETIMEDOUT") return TIMEOUT;
  const alert = /_ALERT_([A-Z_]+)$/.exec(code)?.[1];
  const known = ALERTS[alert ?? ""] ?? FINDINGS[code.replace(/^ERR_SSL_/, "")];
  if (known !== undefined) return known;
  const what = alert === undefined ? code : `alert ${alert}`;
  return {
    cause: "tls",
    words: `the TLS handshake failed (${what === "" ? "no code" : what})`,
    fix: "look at the other side's log; `microedge tls probe HOST:PORT` shows more",
  };
}

/**
 * A refusal of our certificate that comes after the handshake: in TLS 1.3 the client is done before the
 * server has seen its certificate (RFC 8446 section 4.4.4). `undefined` for everything else. A server
 * that sends it has not looked at any request.
 */
export function lateRefusal(error: unknown): HandshakeFailure | undefined {
  if (!errorCode(error).includes("_ALERT_")) return undefined;
  const failure = classifyHandshakeError(error);
  const { cause } = failure;
  return cause === "rejected-by-peer" || cause === "peer-wants-certificate" ? failure : undefined;
}

/** TCP and DNS errors as a sentence with the address in it. */
export function connectWords(error: unknown, where: string): string {
  switch (errorCode(error)) {
    case "ECONNREFUSED":
      return `${where} refused the connection: nothing listens there`;
    case "ETIMEDOUT":
      return `${where} did not answer in time`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `no route to ${where}`;
    case "ECONNRESET":
      return `${where} reset the connection`;
    case "EADDRNOTAVAIL":
      return `no local address to reach ${where} from`;
    default:
      return `cannot connect to ${where} (${errorCode(error) || "unknown error"})`;
  }
}
