/**
 * The first bytes of a connection, before any TLS state is made for it: is this the start of a TLS
 * handshake, and is its first record whole? Pure.
 *
 * A record is: type 0x16 (handshake), version 0x03 xx, 2 bytes of length, at most 2^14
 * (RFC 8446 section 5.1).
 */
export type FirstBytes = "incomplete" | "client-hello" | "plain-http" | "not-tls";

const HANDSHAKE = 0x16;
const HEADER_BYTES = 5;
const MAX_RECORD_BYTES = 2 ** 14;
const HTTP_METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) /;
/** Long enough for the longest method and the space after it. */
const METHOD_BYTES = 8;

export function judgeFirstBytes(bytes: Uint8Array): FirstBytes {
  const [type, major] = bytes;
  if (type === undefined) return "incomplete";
  if (type !== HANDSHAKE) return judgeText(bytes);
  if (major !== undefined && major !== 3) return "not-tls";
  if (bytes.length < HEADER_BYTES) return "incomplete";
  const length = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
  if (length === 0 || length > MAX_RECORD_BYTES) return "not-tls";
  return bytes.length >= HEADER_BYTES + length ? "client-hello" : "incomplete";
}

function judgeText(bytes: Uint8Array): FirstBytes {
  const start = Buffer.from(bytes.subarray(0, METHOD_BYTES)).toString("latin1");
  if (HTTP_METHOD.test(start)) return "plain-http";
  const mayBecome = start.length < METHOD_BYTES && /^[A-Z]+$/.test(start);
  return mayBecome ? "incomplete" : "not-tls";
}
