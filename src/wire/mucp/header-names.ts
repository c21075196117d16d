/**
 * The header names that go-micro and HTTP/1.1 framing know: their wire spelling, what the reader must
 * do with them, and which of them are the transport's own (`docs/wire.md`, "Headers").
 *
 * Looking a name up here is what spares the common message a case conversion and a check per header.
 */

/** What a header means to the framing of a message; everything else is `plain`. */
export type HeaderRole =
  | "plain"
  | "host"
  | "content-length"
  | "transfer-encoding"
  | "connection"
  | "expect";

export interface KnownHeader {
  /** Lower case, as in `MessageHeaders`. */
  readonly name: string;
  readonly role: HeaderRole;
  /** Wire spelling with the colon and space: Go's canonical form, as go-micro sends it. */
  readonly prefix: string;
  /** Describes this message or this hop, so it is neither shown to handlers nor taken from them. */
  readonly own: boolean;
}

const FRAMING: readonly (readonly [string, HeaderRole])[] = [
  ["Host", "host"],
  ["Content-Length", "content-length"],
  ["Transfer-Encoding", "transfer-encoding"],
  ["Connection", "connection"],
  ["Expect", "expect"],
];

/** Hop-by-hop fields of RFC 9110 section 7.6.1, and what a client library adds by itself. */
const HOP = [
  "Keep-Alive",
  "Proxy-Connection",
  "Te",
  "Trailer",
  "Upgrade",
  "Accept",
  "Accept-Encoding",
  "Content-Encoding",
  "Content-Type",
  "Date",
  "User-Agent",
  "Timeout",
];

/** Read by the server with an `X-` fall-back of the same name, so both spellings are the transport's. */
const MICRO = [
  "Micro-Service",
  "Micro-Endpoint",
  "Micro-Method",
  "Micro-Id",
  "Micro-Stream",
  "Micro-Error",
  "Micro-Protocol",
  "Micro-Target",
  "Micro-Topic",
];

/** Common, but ordinary metadata. */
const PLAIN = [
  "Authorization",
  "Cookie",
  "Micro-Namespace",
  "Micro-Trace-Id",
  "Micro-Span-Id",
  "Micro-From-Service",
  "Traceparent",
];

function table(): ReadonlyMap<string, KnownHeader> {
  const known = new Map<string, KnownHeader>();
  const add = (wire: string, role: HeaderRole, own: boolean): void => {
    const entry = { name: wire.toLowerCase(), role, prefix: `${wire}: `, own };
    known.set(wire, entry);
    known.set(entry.name, entry);
  };
  for (const [name, role] of FRAMING) add(name, role, true);
  for (const name of HOP) add(name, "plain", true);
  for (const name of MICRO) {
    add(name, "plain", true);
    add(`X-${name}`, "plain", true);
  }
  for (const name of PLAIN) add(name, "plain", false);
  return known;
}

/** By wire spelling and by lower case. */
export const KNOWN_HEADERS: ReadonlyMap<string, KnownHeader> = table();

/**
 * Whether a header belongs to the transport: framing, hop-by-hop, content negotiation, or go-micro's
 * call headers. Such a header is not metadata, in either direction: metadata may be handed on to
 * another call as it is, and nothing in it may describe this message.
 *
 * @param name Lower case.
 */
export function isTransportHeader(name: string): boolean {
  return KNOWN_HEADERS.get(name)?.own === true;
}

/** Octets of `token` in RFC 9110 section 5.6.2: what a header name is made of. */
export const TOKEN_OCTETS: Uint8Array = octets(
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
);

function octets(members: string): Uint8Array {
  const set = new Uint8Array(256);
  for (let at = 0; at < members.length; at += 1) set[members.charCodeAt(at)] = 1;
  return set;
}

/** Whether `name` may stand as a header name. */
export function isToken(name: string): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charCodeAt(at);
    if (unit > 0x7e || TOKEN_OCTETS[unit] !== 1) return false;
  }
  return name.length > 0;
}
