/**
 * What sets requests and replies apart for the reader: the first octet, the start line, and how long
 * the body is (RFC 9112 sections 3, 4 and 6.3).
 */
import { readFields } from "./field-lines.ts";
import type { MessageLimits, RequestHead, ResponseHead } from "./message.ts";
import { malformed, octetText } from "./wire-fault.ts";

/** Body lengths that are not numbers of bytes. */
export const CHUNKED = -1;
export const UNTIL_CLOSE = -2;

export interface ParsedHead<Head> {
  readonly head: Head;
  /** Bytes, {@link CHUNKED} or {@link UNTIL_CLOSE}. */
  readonly bodyLength: number;
  /** A 1xx reply, which is passed over: the real one follows. */
  readonly interim: boolean;
}

export interface HeadGrammar<Head> {
  /** For messages: "request", "reply". */
  readonly what: string;
  /** @throws AgentError `ERR_WIRE_MESSAGE` at the first octet that can't begin a message. */
  checkFirstOctet(octet: number): void;
  /**
   * @param line Latin1, without its CR LF.
   * @throws AgentError `ERR_WIRE_MESSAGE`
   */
  checkStartLine(line: string): void;
  /**
   * Parses `bytes` from `from` to `to`: a start line, header lines and the empty line.
   *
   * @throws AgentError `ERR_WIRE_MESSAGE`, `ERR_WIRE_TOO_LARGE`
   */
  parse(bytes: Buffer, from: number, to: number, limits: MessageLimits): ParsedHead<Head>;
}

const CR = 13;

/** Method: a token; target: visible ASCII; single spaces. Version is checked apart, to name it. */
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP\/(\d\.\d)$/;
const STATUS_LINE = /^HTTP\/(\d\.\d) ([1-5]\d\d)(?: ([\t -~\x80-\xff]*))?$/;

/** The line that go-micro always sends; any method and target are as good (`docs/wire.md`, "Framing"). */
const USUAL_REQUEST_LINE = "POST / HTTP/1.1";
const USUAL_REQUEST = `${USUAL_REQUEST_LINE}\r\n`;
/** Errors included (`docs/wire.md`, "Framing"). */
const USUAL_STATUS_LINE = "HTTP/1.1 200 OK";
const USUAL_REPLY = `${USUAL_STATUS_LINE}\r\n`;

const TLS_HANDSHAKE = 0x16;
const TLS_ALERT = 0x15;

interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly oldVersion: boolean;
}

const USUAL: RequestLine = { method: "POST", target: "/", oldVersion: false };

function requestLine(line: string): RequestLine {
  if (line === USUAL_REQUEST_LINE) return USUAL;
  const [, method, target, version] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) {
    if (line.startsWith("HTTP/1.")) throw malformed("a reply came where a request should begin");
    throw malformed("start line is not `METHOD TARGET HTTP/1.1`");
  }
  if (version === "2.0" && method === "PRI") {
    throw malformed("peer speaks HTTP/2 without being asked; only HTTP/1.1 is spoken here");
  }
  return { method, target, oldVersion: isOld(version) };
}

interface StatusLine {
  readonly status: number;
  readonly reason: string;
  readonly oldVersion: boolean;
}

const OK: StatusLine = { status: 200, reason: "OK", oldVersion: false };

function statusLine(line: string): StatusLine {
  if (line === USUAL_STATUS_LINE) return OK;
  const [, version, status, reason = ""] = STATUS_LINE.exec(line) ?? [];
  if (status === undefined) throw malformed("start line is not `HTTP/1.1 STATUS REASON`");
  return { status: Number(status), reason, oldVersion: isOld(version) };
}

/** @throws AgentError `ERR_WIRE_MESSAGE` for anything but 1.1 and 1.0 */
function isOld(version: string | undefined): boolean {
  if (version === "1.1") return false;
  if (version === "1.0") return true;
  throw malformed(`HTTP version ${version} is not supported`);
}

/** The start line without CR LF. `text` holds at least one LF. */
function startLineOf(text: string): string {
  return withoutCr(text.slice(0, text.indexOf("\n")));
}

/** @throws AgentError `ERR_WIRE_MESSAGE` if the line, of which LF is already taken off, lacks its CR. */
export function withoutCr(line: string): string {
  if (line.charCodeAt(line.length - 1) !== CR) throw malformed("start line does not end in CR LF");
  return line.slice(0, -1);
}

export const REQUEST_GRAMMAR: HeadGrammar<RequestHead> = {
  what: "request",
  checkFirstOctet(octet) {
    if (octet > 0x20 && octet < 0x7f) return;
    if (octet === TLS_HANDSHAKE) {
      throw malformed(
        "a TLS handshake came where a request should begin: this port speaks plain HTTP",
      );
    }
    throw malformed(`octet ${octetText(octet)} can't begin a request`);
  },
  checkStartLine: requestLine,
  parse(bytes, from, to, limits) {
    const text = bytes.toString("latin1", from, to - 2);
    const line = text.startsWith(USUAL_REQUEST) ? USUAL_REQUEST_LINE : startLineOf(text);
    const { method, target, oldVersion } = requestLine(line);
    const next = from + line.length + 2;
    const rules = { maxHeaders: limits.maxHeaders, strictValues: true };
    const fields = readFields(bytes, next, to - 2, text, from, rules);
    if (oldVersion && fields.chunked) throw malformed("Transfer-Encoding in an HTTP/1.0 request");
    const bodyLength = fields.chunked ? CHUNKED : Math.max(0, fields.contentLength);
    // Nobody is told to go on with a body that will not be read.
    const welcome = !oldVersion && bodyLength <= limits.maxBodyBytes;
    const head = {
      method,
      target,
      headers: fields.headers,
      close: fields.close || oldVersion,
      expectContinue: fields.expectContinue && welcome,
    };
    return { head, bodyLength, interim: false };
  },
};

export const RESPONSE_GRAMMAR: HeadGrammar<ResponseHead> = {
  what: "reply",
  checkFirstOctet(octet) {
    if (octet === 0x48) return; // H
    if (octet === TLS_ALERT || octet === TLS_HANDSHAKE) {
      throw malformed("peer answered in TLS: its port wants TLS, and this connection is plain");
    }
    throw malformed(`octet ${octetText(octet)} can't begin a reply`);
  },
  checkStartLine: statusLine,
  parse(bytes, from, to, limits) {
    const text = bytes.toString("latin1", from, to - 2);
    const line = text.startsWith(USUAL_REPLY) ? USUAL_STATUS_LINE : startLineOf(text);
    const { status, reason, oldVersion } = statusLine(line);
    const next = from + line.length + 2;
    const rules = { maxHeaders: limits.maxHeaders, strictValues: false };
    const fields = readFields(bytes, next, to - 2, text, from, rules);
    if (oldVersion && fields.chunked) throw malformed("Transfer-Encoding in an HTTP/1.0 reply");
    if (status === 101) throw malformed("peer switches protocols without being asked");
    const interim = status < 200;
    const bodyLength = responseBodyLength(status, fields.chunked, fields.contentLength);
    const close = fields.close || oldVersion || bodyLength === UNTIL_CLOSE;
    return { head: { status, reason, headers: fields.headers, close }, bodyLength, interim };
  },
};

/** RFC 9112 section 6.3, for a reply to POST. */
function responseBodyLength(status: number, chunked: boolean, contentLength: number): number {
  if (status < 200 || status === 204 || status === 304) return 0;
  if (chunked) return CHUNKED;
  return contentLength >= 0 ? contentLength : UNTIL_CLOSE;
}
