/**
 * Writes the HTTP/1.1 messages of go-micro's HTTP transport, head and body in one buffer, so that a
 * small one leaves in one TLS record (go-micro's own leave in 37).
 *
 * Nothing that a caller passes can break out of its header: names must be tokens, control characters
 * in values become spaces (as Go does with line ends), framing headers are the writer's alone.
 */
import { AgentError } from "../../base/errors.ts";
import { isToken, KNOWN_HEADERS } from "./header-names.ts";

/** Asks a peer that sent `Expect: 100-continue` to go on with its body. */
export const CONTINUE: Uint8Array = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n", "latin1");

/** Anything but printable ASCII and tab; such a value takes the slow path. */
const ODD = /[^\t -~]/;

/**
 * A request. `Host` and `Content-Length` are written here.
 *
 * @param target `host`: the address dialled, `name:port`; go-micro sends it, nobody reads it.
 * @throws AgentError `ERR_WIRE_MESSAGE` for a name that is no token or that frames the message.
 */
export function formatRequest(
  target: { readonly host: string },
  headers: Iterable<readonly [name: string, value: string]>,
  body: Uint8Array,
): Uint8Array {
  return assemble(`POST / HTTP/1.1\r\nHost: ${safeValue(target.host)}\r\n`, headers, body);
}

/**
 * A reply: status 200 always, errors included, as go-micro has it. `Content-Length` is written here.
 *
 * @throws AgentError `ERR_WIRE_MESSAGE` for a name that is no token or that frames the message.
 */
export function formatReply(
  headers: Iterable<readonly [name: string, value: string]>,
  body: Uint8Array,
): Uint8Array {
  return assemble("HTTP/1.1 200 OK\r\n", headers, body);
}

function assemble(
  startLine: string,
  headers: Iterable<readonly [name: string, value: string]>,
  body: Uint8Array,
): Uint8Array {
  let head = startLine;
  for (const [name, value] of headers) {
    head += `${prefixOf(name) + (ODD.test(value) ? safeValue(value) : value)}\r\n`;
  }
  head += `Content-Length: ${body.length}\r\n\r\n`;
  // UTF-8 is longer than its string only if the string has more than ASCII in it.
  const size = Buffer.byteLength(head, "utf8");
  const message = Buffer.allocUnsafe(size + body.length);
  message.write(head, 0, size, size === head.length ? "latin1" : "utf8");
  if (body.length > 0) message.set(body, size);
  return message;
}

/** `Name: `, in Go's canonical spelling. */
function prefixOf(name: string): string {
  const known = KNOWN_HEADERS.get(name) ?? KNOWN_HEADERS.get(name.toLowerCase());
  if (known === undefined) {
    if (!isToken(name)) throw refused(name, "is not a header name");
    return `${canonical(name)}: `;
  }
  const { role } = known;
  if (role !== "plain" && role !== "connection") throw refused(name, "is written by the transport");
  return known.prefix;
}

function refused(name: string, why: string): AgentError {
  return new AgentError("ERR_WIRE_MESSAGE", `${JSON.stringify(name.slice(0, 64))} ${why}`);
}

/** `x-trace-id` as `X-Trace-Id`. */
function canonical(name: string): string {
  return name
    .split("-")
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join("-");
}

/** Control characters as spaces; what is not valid UTF-16 becomes U+FFFD when it is encoded. */
function safeValue(value: string): string {
  let safe = "";
  let copied = 0;
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at);
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f) {
      safe += `${value.slice(copied, at)} `;
      copied = at + 1;
    }
  }
  return copied === 0 ? value : safe + value.slice(copied);
}
