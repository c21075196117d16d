import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import type { BodyPlan, RequestHead } from "#src/wire/mucp/message.ts";
import { requestReader, responseReader } from "#src/wire/mucp/message-reader.ts";
import { CUTS, type RecordedMessage, readReplies, readRequests } from "./recorded-reading.ts";

const message = (
  start: string,
  headers: Record<string, string>,
  body: string,
): RecordedMessage => ({ start, headers, body });

interface GoodCase {
  readonly why: string;
  readonly bytes: string;
  readonly messages: readonly RecordedMessage[];
}

const GOOD_REQUESTS: readonly GoodCase[] = [
  {
    why: "no header at all is a request without a body",
    bytes: "POST / HTTP/1.1\r\n\r\n",
    messages: [message("POST /", {}, "")],
  },
  {
    why: "names are lower-cased, white space around values is taken off, inside it stays",
    bytes: "POST / HTTP/1.1\r\nMICRO-Id: \t 7\t \r\nx-Odd_Name~!:a b\tc\r\nEmpty:\r\n\r\n",
    messages: [message("POST /", { "micro-id": "7", "x-odd_name~!": "a b\tc", empty: "" }, "")],
  },
  {
    why: "any method and any target: neither means anything",
    bytes: "GET /some/path?x=%20&y=1 HTTP/1.1\r\nHost: a\r\n\r\nM-SEARCH * HTTP/1.1\r\n\r\n",
    messages: [
      message("GET /some/path?x=%20&y=1", { host: "a" }, ""),
      message("M-SEARCH *", {}, ""),
    ],
  },
  {
    why: "bodies of a given length, back to back; white space and line ends in them are theirs",
    bytes:
      "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
    messages: [
      message("POST /", { "content-length": "4" }, "\r\n\r\n"),
      message("POST /", { "content-length": "2" }, "hi"),
    ],
  },
  {
    why: "of a repeated header the first value counts, as in go-micro",
    bytes: "POST / HTTP/1.1\r\nMicro-Id: 1\r\nmicro-id: 2\r\n\r\n",
    messages: [message("POST /", { "micro-id": "1" }, "")],
  },
  {
    why: "Content-Length may be repeated if it says the same",
    bytes: "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    messages: [message("POST /", { "content-length": "1" }, "x")],
  },
  {
    why: "leading zeros are digits",
    bytes: "POST / HTTP/1.1\r\nContent-Length: 0000000000000000000000003\r\n\r\nabc",
    messages: [message("POST /", { "content-length": "0000000000000000000000003" }, "abc")],
  },
  {
    why: "go-micro's end of stream: chunked, and empty",
    bytes: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nMicro-Error: EOS\r\n\r\n0\r\n\r\n",
    messages: [message("POST /", { "transfer-encoding": "chunked", "micro-error": "EOS" }, "")],
  },
  {
    why: "chunks, hexadecimal sizes in any case, leading zeros, extensions, trailers that are dropped",
    bytes:
      "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" +
      '3;a="b;c"\r\nabc\r\n00A ; x\r\n0123456789\r\n0\r\nMicro-Id: 9\r\nX: y\r\n\r\nPOST / HTTP/1.1\r\n\r\n',
    messages: [
      message("POST /", { "transfer-encoding": "Chunked" }, "abc0123456789"),
      message("POST /", {}, ""),
    ],
  },
  {
    why: "a chunk that looks like the end is not the end",
    bytes: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
    messages: [message("POST /", { "transfer-encoding": "chunked" }, "0\r\n\r\n")],
  },
  {
    why: "UTF-8 in a value, as go-micro writes it raw",
    bytes: "POST / HTTP/1.1\r\nX-Name:  gr\xc3\xbc\xc3\x9fe \xe2\x9c\x93 \r\nY: z\r\n\r\n",
    messages: [message("POST /", { "x-name": "grüße ✓", y: "z" }, "")],
  },
  {
    why: "a value that begins with a byte order mark keeps it",
    bytes: "POST / HTTP/1.1\r\nX: \xef\xbb\xbfa\r\n\r\n",
    messages: [message("POST /", { x: "\ufeffa" }, "")],
  },
  {
    why: "up to four empty lines before a start line, as old clients send them",
    bytes: "\r\n\r\nPOST / HTTP/1.1\r\n\r\n\r\n\r\n\r\n\r\nPOST / HTTP/1.1\r\n\r\n",
    messages: [message("POST /", {}, ""), message("POST /", {}, "")],
  },
  {
    why: "Expect: 100-continue is told, in any case",
    bytes: "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
    messages: [message("POST / expect", { expect: "100-Continue", "content-length": "1" }, "x")],
  },
  {
    why: "Connection: close in any case, among others; nothing after it is read",
    bytes:
      "POST / HTTP/1.1\r\nConnection: keep-alive, Close\r\n\r\nPOST / HTTP/1.1\r\n\r\n\x16\x03garbage",
    messages: [message("POST / close", { connection: "keep-alive, Close" }, "")],
  },
  {
    why: "close counts in a repeated Connection header too",
    bytes: "POST / HTTP/1.1\r\nConnection: x\r\nConnection: close\r\n\r\n",
    messages: [message("POST / close", { connection: "x" }, "")],
  },
  {
    why: "a word that only contains close is another word",
    bytes: "POST / HTTP/1.1\r\nConnection: closed\r\n\r\n",
    messages: [message("POST /", { connection: "closed" }, "")],
  },
  {
    why: "HTTP/1.0 is read, closes, and does not wait for 100",
    bytes: "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    messages: [message("POST / close", { expect: "100-continue", "content-length": "1" }, "x")],
  },
  {
    why: "a header called __proto__ is only a header",
    bytes: "POST / HTTP/1.1\r\n__proto__: a\r\n\r\n",
    messages: [message("POST /", Object.fromEntries([["__proto__", "a"]]), "")],
  },
];

const head = (lines: string): string => `POST / HTTP/1.1\r\n${lines}\r\n\r\n`;
const chunked = (rest: string): string => head("Transfer-Encoding: chunked") + rest;

const BAD_REQUESTS: readonly { why: string; bytes: string; error: RegExp }[] = [
  // start line
  { why: "no version", bytes: "POST /\r\n\r\n", error: /^ERR_WIRE_MESSAGE start line is not/ },
  { why: "two spaces", bytes: "POST  / HTTP/1.1\r\n\r\n", error: /start line is not/ },
  { why: "a tab for a space", bytes: "POST\t/ HTTP/1.1\r\n\r\n", error: /start line is not/ },
  { why: "space behind", bytes: "POST / HTTP/1.1 \r\n\r\n", error: /start line is not/ },
  { why: "a space in the target", bytes: "POST /a b HTTP/1.1\r\n\r\n", error: /start line is not/ },
  {
    why: "control in the target",
    bytes: "POST /\x01 HTTP/1.1\r\n\r\n",
    error: /start line is not/,
  },
  {
    why: "high octet in the target",
    bytes: "POST /\xe9 HTTP/1.1\r\n\r\n",
    error: /start line is not/,
  },
  { why: "NUL in the target", bytes: "POST /\0 HTTP/1.1\r\n\r\n", error: /start line is not/ },
  {
    why: "bare CR in the start line",
    bytes: "POST /\r HTTP/1.1\r\n\r\n",
    error: /start line is not/,
  },
  {
    why: "start line ends in LF",
    bytes: "POST / HTTP/1.1\n\r\n\r\n",
    error: /does not end in CR LF/,
  },
  { why: "method is no token", bytes: "PO(ST / HTTP/1.1\r\n\r\n", error: /start line is not/ },
  {
    why: "HTTP/1.2",
    bytes: "POST / HTTP/1.2\r\n\r\n",
    error: /HTTP version 1\.2 is not supported/,
  },
  {
    why: "HTTP/0.9",
    bytes: "POST / HTTP/0.9\r\n\r\n",
    error: /HTTP version 0\.9 is not supported/,
  },
  {
    why: "HTTP/2 preface",
    bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    error: /peer speaks HTTP\/2/,
  },
  { why: "http in lower case", bytes: "POST / http/1.1\r\n\r\n", error: /start line is not/ },
  { why: "a reply", bytes: "HTTP/1.1 200 OK\r\n\r\n", error: /a reply came where a request/ },
  { why: "TLS on a plain port", bytes: "\x16\x03\x01\x02\x00", error: /TLS handshake.*plain HTTP/ },
  { why: "binary", bytes: "\x00\x01\x02", error: /octet 0x00 can't begin a request/ },
  { why: "high octet first", bytes: "\xc3\xa9", error: /octet 0xc3 can't begin a request/ },
  { why: "LF first", bytes: "\nPOST / HTTP/1.1\r\n\r\n", error: /octet 0x0a can't begin/ },
  { why: "space first", bytes: " POST / HTTP/1.1\r\n\r\n", error: /octet 0x20 can't begin/ },
  {
    why: "CR without LF first",
    bytes: "\rPOST / HTTP/1.1\r\n\r\n",
    error: /bare CR before a request/,
  },
  { why: "five empty lines", bytes: "\r\n\r\n\r\n\r\n\r\nPOST", error: /too many empty lines/ },
  { why: "another protocol's first line", bytes: "SSH-2.0-x\r\n", error: /start line is not/ },
  { why: "the same with LF only", bytes: "HELO there\n", error: /does not end in CR LF/ },
  // header lines
  { why: "no colon", bytes: head("Micro-Id 7"), error: /space after header name "Micro-Id"/ },
  { why: "no colon at all", bytes: head("MicroId"), error: /header line "MicroId" has no colon/ },
  { why: "space before the colon", bytes: head("Micro-Id : 7"), error: /space after header name/ },
  { why: "folded line", bytes: head("A: b\r\n c: d"), error: /folded header line/ },
  { why: "folded with a tab", bytes: head("A: b\r\n\tc"), error: /folded header line/ },
  { why: "folded first line", bytes: head(" A: b"), error: /folded header line/ },
  { why: "no name", bytes: head(": b"), error: /header line without a name/ },
  { why: "bad name", bytes: head("Mi(cro: b"), error: /octet 0x28 in a header name, after "Mi"/ },
  { why: "NUL in a name", bytes: head("a\0b: c"), error: /octet 0x00 in a header name/ },
  { why: "high octet in a name", bytes: head("na\xefve: c"), error: /octet 0xef in a header name/ },
  { why: "NUL in a value", bytes: head("A: b\0c"), error: /octet 0x00 in the value of header "a"/ },
  { why: "escape in a value", bytes: head("A: \x1b[2J"), error: /octet 0x1b in the value/ },
  { why: "DEL in a value", bytes: head("A: \x7f"), error: /octet 0x7f in the value/ },
  { why: "bare CR in a value", bytes: head("A: b\rc"), error: /octet 0x0d in the value/ },
  {
    why: "bare LF ends a line",
    bytes: head("A: b\nMicro-Id: 1"),
    error: /octet 0x0a in the value/,
  },
  {
    why: "bare LF after UTF-8",
    bytes: head("A: \xc3\xa9\nB: 1"),
    error: /octet 0x0a in the value/,
  },
  { why: "CR CR LF", bytes: head("A: b\r\r\nC: d"), error: /octet 0x0d in the value/ },
  { why: "cut UTF-8", bytes: head("A: \xe2\x9c"), error: /value of header "a" is not UTF-8/ },
  { why: "overlong UTF-8", bytes: head("A: \xc0\xaf"), error: /is not UTF-8/ },
  { why: "surrogate in UTF-8", bytes: head("A: \xed\xa0\x80"), error: /is not UTF-8/ },
  { why: "two Hosts", bytes: head("Host: a\r\nHost: a"), error: /more than one Host/ },
  // framing
  {
    why: "length and chunked",
    bytes: head("Content-Length: 3\r\nTransfer-Encoding: chunked"),
    error: /both Content-Length and Transfer-Encoding/,
  },
  {
    why: "chunked and length",
    bytes: head("Transfer-Encoding: chunked\r\nContent-Length: 0"),
    error: /both Content-Length and Transfer-Encoding/,
  },
  {
    why: "lengths that differ",
    bytes: head("Content-Length: 3\r\nContent-Length: 4"),
    error: /Content-Length headers that differ/,
  },
  {
    why: "the same length, spelled otherwise",
    bytes: head("Content-Length: 3\r\nContent-Length: 03"),
    error: /headers that differ/,
  },
  {
    why: "zero, then another",
    bytes: head("Content-Length: 0\r\nContent-Length: 5"),
    error: /headers that differ/,
  },
  {
    why: "a list of lengths",
    bytes: head("Content-Length: 3, 3"),
    error: /is not a number of digits/,
  },
  { why: "sign", bytes: head("Content-Length: +3"), error: /is not a number of digits/ },
  { why: "negative", bytes: head("Content-Length: -3"), error: /is not a number of digits/ },
  { why: "hexadecimal", bytes: head("Content-Length: 0x3"), error: /is not a number of digits/ },
  { why: "fraction", bytes: head("Content-Length: 3.0"), error: /is not a number of digits/ },
  { why: "underscore", bytes: head("Content-Length: 1_0"), error: /is not a number of digits/ },
  {
    why: "digits of another script",
    bytes: head("Content-Length: \xd9\xa3"),
    error: /is not a number of digits/,
  },
  { why: "empty length", bytes: head("Content-Length:"), error: /Content-Length is empty/ },
  {
    why: "empty, then a length",
    bytes: head("Content-Length:\r\nContent-Length: 3"),
    error: /Content-Length is empty/,
  },
  { why: "gzip", bytes: head("Transfer-Encoding: gzip, chunked"), error: /other than chunked/ },
  { why: "identity", bytes: head("Transfer-Encoding: identity"), error: /other than chunked/ },
  {
    why: "chunked twice",
    bytes: head("Transfer-Encoding: chunked, chunked"),
    error: /other than chunked/,
  },
  {
    why: "chunked twice, on two lines",
    bytes: head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    error: /more than one Transfer-Encoding/,
  },
  {
    why: "chunked with a vertical tab",
    bytes: head("Transfer-Encoding: \x0bchunked"),
    error: /octet 0x0b in the value/,
  },
  { why: "quoted", bytes: head('Transfer-Encoding: "chunked"'), error: /other than chunked/ },
  { why: "empty coding", bytes: head("Transfer-Encoding:"), error: /other than chunked/ },
  {
    why: "with a long s, which lower-cases oddly",
    bytes: head("Tran\xc5\xbffer-Encoding: chunked"),
    error: /octet 0xc5 in a header name/,
  },
  {
    why: "chunked in HTTP/1.0",
    bytes: "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    error: /Transfer-Encoding in an HTTP\/1\.0/,
  },
  // chunked coding
  { why: "size is no number", bytes: chunked("g\r\n"), error: /chunk size is not a hexadecimal/ },
  { why: "empty size", bytes: chunked("\r\n"), error: /chunk size is not a hexadecimal/ },
  { why: "0x", bytes: chunked("0x3\r\nabc\r\n"), error: /chunk size is not a hexadecimal/ },
  { why: "negative size", bytes: chunked("-3\r\n"), error: /chunk size is not a hexadecimal/ },
  {
    why: "space before",
    bytes: chunked(" 3\r\nabc\r\n"),
    error: /chunk size is not a hexadecimal/,
  },
  {
    why: "space behind",
    bytes: chunked("3 \r\nabc\r\n"),
    error: /chunk size is not a hexadecimal/,
  },
  {
    why: "17 digits",
    bytes: chunked("00000000000000003\r\nabc"),
    error: /chunk size is not a hexadecimal/,
  },
  { why: "size ends in LF", bytes: chunked("3\nabc\r\n"), error: /does not end in CR LF/ },
  {
    why: "bare CR in an extension",
    bytes: chunked("3;a\rb\r\nabc\r\n"),
    error: /chunk size is not/,
  },
  { why: "NUL in an extension", bytes: chunked("3;\0\r\nabc\r\n"), error: /chunk size is not/ },
  {
    why: "chunk longer than its size",
    bytes: chunked("3\r\nabcd\r\n"),
    error: /chunk is longer than its size/,
  },
  {
    why: "chunk ends in LF",
    bytes: chunked("3\r\nabc\n0\r\n\r\n"),
    error: /does not end in CR LF/,
  },
  {
    why: "trailer that is no header",
    bytes: chunked("0\r\nfoo\r\n\r\n"),
    error: /trailer line is not a header/,
  },
  {
    why: "trailer with a space",
    bytes: chunked("0\r\nfoo : b\r\n\r\n"),
    error: /trailer line is not a header/,
  },
  {
    why: "folded trailer",
    bytes: chunked("0\r\na: b\r\n c\r\n\r\n"),
    error: /trailer line is not a header/,
  },
  {
    why: "NUL in a trailer",
    bytes: chunked("0\r\na: \0\r\n\r\n"),
    error: /trailer line is not a header/,
  },
  { why: "trailer ends in LF", bytes: chunked("0\r\na: b\n\r\n"), error: /does not end in CR LF/ },
  // the connection ends too early
  {
    why: "in a start line",
    bytes: "POST / HT",
    error: /ended in the head of a request, after 9 bytes/,
  },
  {
    why: "in a head",
    bytes: "POST / HTTP/1.1\r\nA: b\r\n",
    error: /ended in the head of a request/,
  },
  {
    why: "in a body",
    bytes: `${head("Content-Length: 3")}ab`,
    error: /ended in the body of a request/,
  },
  {
    why: "before a body",
    bytes: head("Content-Length: 3"),
    error: /ended in the body of a request/,
  },
  { why: "in a chunk", bytes: chunked("3\r\nab"), error: /ended in the body of a request/ },
  {
    why: "before the last chunk",
    bytes: chunked("3\r\nabc\r\n"),
    error: /ended in the body of a request/,
  },
  {
    why: "in the trailers",
    bytes: chunked("0\r\nA: b\r\n"),
    error: /ended in the body of a request/,
  },
];

suite("MessageReader, requests", () => {
  for (const { why, bytes, messages } of GOOD_REQUESTS) {
    test(`reads: ${why}`, () => {
      for (const { name, cuts } of CUTS) {
        const { maxBuffered: _, ...reading } = readRequests(bytes, { cuts });
        assert.deepEqual(
          reading,
          { messages, error: undefined, bug: undefined, phase: "idle" },
          name,
        );
      }
    });
  }

  for (const { why, bytes, error } of BAD_REQUESTS) {
    test(`refuses: ${why}`, () => {
      const good = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";
      const whole = readRequests(good + bytes);
      assert.match(whole.error ?? "", error);
      assert.match(whole.error ?? "", /^ERR_WIRE_MESSAGE /);
      assert.equal(whole.messages[0]?.body, "ok", "the good one before it was read");
      assert.equal(whole.messages.length, 1, "and nothing after it");
      for (const { name, cuts } of CUTS) {
        const { maxBuffered: _a, ...cut } = readRequests(good + bytes, { cuts });
        const { maxBuffered: _b, ...uncut } = whole;
        assert.deepEqual(cut, uncut, name);
      }
    });
  }

  test("errors show no value of a header", () => {
    const { error } = readRequests(head("Authorization: Bearer secret\x01token"));
    assert.match(error ?? "", /header "authorization"/);
    assert.doesNotMatch(error ?? "", /secret|token/);
  });
});

const GOOD_REPLIES: readonly GoodCase[] = [
  {
    why: "length",
    bytes:
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    messages: [
      message("200 OK", { "content-length": "2" }, "hi"),
      message("200 OK", { "content-length": "0" }, ""),
    ],
  },
  {
    why: "any reason, and none",
    bytes:
      "HTTP/1.1 400 Bad \xfcRequest\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500\r\nContent-Length: 0\r\n\r\nHTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n",
    messages: [
      message("400 Bad \xfcRequest", { "content-length": "0" }, ""),
      message("500 ", { "content-length": "0" }, ""),
      message("503 ", { "content-length": "0" }, ""),
    ],
  },
  {
    why: "no length: until the connection ends",
    bytes:
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n400 Bad Request\r\n\r\nHTTP/1.1",
    messages: [
      message(
        "400 Bad Request close",
        { "content-type": "text/plain" },
        "400 Bad Request\r\n\r\nHTTP/1.1",
      ),
    ],
  },
  {
    why: "no length and nothing until the end",
    bytes: "HTTP/1.0 200 OK\r\n\r\n",
    messages: [message("200 OK close", {}, "")],
  },
  {
    why: "1xx is passed over; 204 and 304 have no body whatever they say",
    bytes:
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    messages: [
      message("204 No Content", {}, ""),
      message("304 Not Modified", { "content-length": "9" }, ""),
      message("200 OK", { "content-length": "1" }, "x"),
    ],
  },
  {
    why: "chunked",
    bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    messages: [message("200 OK", { "transfer-encoding": "chunked" }, "x")],
  },
  {
    why: "an error text with control characters or bad UTF-8 is not lost: Go writes it as it is",
    bytes:
      "HTTP/1.1 200 OK\r\nMicro-Error: a\x1bb\x7f \xff\xe2\x9c \xc3\xa9\r\nContent-Length: 0\r\n\r\n",
    messages: [
      message("200 OK", { "micro-error": "a\x1bb\x7f \ufffd\ufffd é", "content-length": "0" }, ""),
    ],
  },
];

const BAD_REPLIES: readonly { why: string; bytes: string; error: RegExp }[] = [
  { why: "a request", bytes: "POST / HTTP/1.1\r\n\r\n", error: /octet 0x50 can't begin a reply/ },
  { why: "a TLS alert", bytes: "\x15\x03\x03\x00\x02\x02\x46", error: /its port wants TLS/ },
  { why: "status of two digits", bytes: "HTTP/1.1 20 OK\r\n\r\n", error: /start line is not/ },
  { why: "status of four digits", bytes: "HTTP/1.1 2000 OK\r\n\r\n", error: /start line is not/ },
  { why: "status 600", bytes: "HTTP/1.1 600 X\r\n\r\n", error: /start line is not/ },
  { why: "HTTP/2.0", bytes: "HTTP/2.0 200 OK\r\n\r\n", error: /HTTP version 2\.0/ },
  { why: "NUL in the reason", bytes: "HTTP/1.1 200 O\0K\r\n\r\n", error: /start line is not/ },
  { why: "101", bytes: "HTTP/1.1 101 Switching Protocols\r\n\r\n", error: /switches protocols/ },
  {
    why: "1xx without end",
    bytes: "HTTP/1.1 100 Continue\r\n\r\n".repeat(9),
    error: /too many interim/,
  },
  {
    why: "NUL in a value",
    bytes: "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
    error: /octet 0x00 in the value/,
  },
  {
    why: "bare LF in a value",
    bytes: "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    error: /octet 0x0a/,
  },
  {
    why: "both framings",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    error: /both/,
  },
  { why: "cut head", bytes: "HTTP/1.1 200 OK\r\nCont", error: /ended in the head of a reply/ },
  {
    why: "cut body",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
    error: /in the body of a reply/,
  },
  {
    why: "cut chunked body",
    bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    error: /in the body of a reply/,
  },
];

suite("MessageReader, replies", () => {
  for (const { why, bytes, messages } of GOOD_REPLIES) {
    test(`reads: ${why}`, () => {
      for (const { name, cuts } of CUTS) {
        const reading = readReplies(bytes, { cuts });
        assert.deepEqual(reading.messages, messages, name);
        assert.equal(reading.error, undefined, name);
      }
    });
  }
  for (const { why, bytes, error } of BAD_REPLIES) {
    test(`refuses: ${why}`, () => {
      const whole = readReplies(bytes);
      assert.match(whole.error ?? "", error);
      for (const { name, cuts } of CUTS) {
        assert.equal(readReplies(bytes, { cuts }).error, whole.error, name);
      }
    });
  }
});

suite("MessageReader, what its owner sees", () => {
  const keep = (): BodyPlan => "keep";

  test("phase and received follow a message", () => {
    const reader = requestReader();
    const during: string[] = [];
    const sink = {
      onHead: (): BodyPlan => {
        during.push(`head ${reader.received}`);
        return "keep";
      },
      onMessage: (): void => {
        during.push(`message ${reader.received}`);
      },
    };
    const steps = [
      { push: "\r\n", phase: "idle", received: 0 },
      { push: "POST", phase: "head", received: 4 },
      { push: " / HTTP/1.1\r\nContent-Length: 3\r\n", phase: "head", received: 36 },
      { push: "\r\n", phase: "body", received: 38 },
      { push: "ab", phase: "body", received: 40 },
      { push: "cPO", phase: "head", received: 2 },
      { push: "ST / HTTP/1.1\r\n\r\n", phase: "idle", received: 0 },
    ];
    for (const { push, phase, received } of steps) {
      reader.push(Buffer.from(push), sink);
      assert.deepEqual(
        { phase: reader.phase, received: reader.received },
        { phase, received },
        push,
      );
    }
    assert.deepEqual(during, ["head 38", "message 41", "head 19", "message 19"]);
    assert.equal(reader.buffered, 0, "an idle reader holds nothing");
  });

  test("the head is told before the body is there", () => {
    const heads: string[] = [];
    const sink = {
      onHead: ({ headers }: RequestHead): BodyPlan => {
        heads.push(headers.get("micro-id") ?? "");
        return "keep";
      },
      onMessage: (): void => assert.fail("there is no body yet"),
    };
    requestReader().push(Buffer.from(head("Micro-Id: 5\r\nContent-Length: 3")), sink);
    assert.deepEqual(heads, ["5"]);
  });

  test("a body within one piece is a view of it", () => {
    const piece = Buffer.from(`${head("Content-Length: 3")}abc`);
    let seen: Uint8Array | undefined;
    requestReader().push(piece, {
      onHead: keep,
      onMessage: (_head, body) => {
        seen = body;
      },
    });
    assert.equal(seen?.buffer, piece.buffer);
    assert.equal(seen?.byteOffset, piece.byteOffset + piece.length - 3);
  });

  test("bytes of a later message never change an earlier body", () => {
    const bodies: Uint8Array[] = [];
    const reader = requestReader();
    const text =
      `${head("Content-Length: 3")}abc${chunked("2\r\nde\r\n1\r\nf\r\n0\r\n\r\n")}`.repeat(2);
    for (const octet of Buffer.from(text)) {
      reader.push(Uint8Array.of(octet), {
        onHead: keep,
        onMessage: (_, body) => bodies.push(body),
      });
    }
    assert.deepEqual(
      bodies.map((body) => Buffer.from(body).toString()),
      ["abc", "def", "abc", "def"],
    );
  });

  for (const { name, cuts } of CUTS) {
    test(`a discarded body is passed over and not held, ${name}`, () => {
      const text =
        head("Content-Length: 5000") +
        "x".repeat(5000) +
        chunked(`1388\r\n${"y".repeat(5000)}\r\n0\r\n\r\n`);
      const reading = readRequests(text, { cuts, plan: "discard" });
      assert.equal(reading.error, undefined);
      assert.deepEqual(
        reading.messages.map(({ body }) => body),
        ["", ""],
      );
      assert.ok(reading.maxBuffered < 256, `${reading.maxBuffered} bytes were held`);
    });
  }

  test("what the sink throws comes out, and the reader is dead", () => {
    const reader = requestReader();
    const bug = new Error("of the sink");
    const sink = {
      onHead: keep,
      onMessage: (): void => {
        throw bug;
      },
    };
    assert.throws(() => reader.push(Buffer.from("POST / HTTP/1.1\r\n\r\n"), sink), bug);
    assert.throws(() => reader.push(Buffer.from("P"), sink), bug);
    assert.throws(() => reader.end(sink), bug);
    assert.throws(() => reader.resume(sink), bug);
  });

  test("a dead reader says the same again and holds nothing", () => {
    const reader = requestReader();
    const sink = { onHead: keep, onMessage: (): void => undefined };
    const first = (): void =>
      reader.push(Buffer.from("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), sink);
    let error: unknown;
    try {
      first();
    } catch (thrown) {
      error = thrown;
    }
    assert.ok(isAgentError(error, "ERR_WIRE_MESSAGE"));
    assert.throws(() => reader.push(Buffer.from("POST / HTTP/1.1\r\n\r\n"), sink), error);
    assert.equal(reader.buffered, 0);
  });

  test("being pushed from within its sink is a bug that shows", () => {
    const reader = requestReader();
    const sink = {
      onHead: keep,
      onMessage: (): void => reader.push(Buffer.from("x"), sink),
    };
    assert.throws(() => reader.push(Buffer.from("POST / HTTP/1.1\r\n\r\n"), sink), TypeError);
  });

  test("an empty piece is nothing", () => {
    const sink = { onHead: keep, onMessage: (): void => assert.fail("nothing came") };
    const reader = responseReader();
    reader.push(new Uint8Array(0), sink);
    reader.end(sink);
    assert.equal(reader.phase, "idle");
  });
});

suite("MessageReader, held", () => {
  /** Reads three messages, holding after each one that `holdAfter` names. */
  function held(holdAfter: readonly string[]) {
    const reader = requestReader();
    const seen: string[] = [];
    const sink = {
      onHead: (): BodyPlan => "keep",
      onMessage: (_: RequestHead, body: Uint8Array): void => {
        const text = Buffer.from(body).toString();
        seen.push(text);
        if (holdAfter.includes(text)) reader.hold();
      },
    };
    return { reader, seen, sink };
  }
  const one = (body: string): string => `${head(`Content-Length: ${body.length}`)}${body}`;

  test("stops within a piece, and goes on where it stopped", () => {
    const { reader, seen, sink } = held(["a", "b"]);
    reader.push(Buffer.from(one("a") + one("b") + one("c")), sink);
    assert.deepEqual(seen, ["a"]);
    reader.resume(sink);
    assert.deepEqual(seen, ["a", "b"]);
    reader.resume(sink);
    assert.deepEqual(seen, ["a", "b", "c"]);
    assert.equal(reader.buffered, 0);
  });

  test("keeps what is pushed meanwhile, in order", () => {
    const { reader, seen, sink } = held(["a"]);
    reader.push(Buffer.from(one("a") + one("b").slice(0, 10)), sink);
    reader.push(Buffer.from(one("b").slice(10)), sink);
    reader.push(Buffer.from(one("c")), sink);
    assert.deepEqual(seen, ["a"]);
    reader.resume(sink);
    assert.deepEqual(seen, ["a", "b", "c"]);
  });

  test("an end meanwhile is told after the rest", () => {
    const { reader, seen, sink } = held(["a"]);
    reader.push(Buffer.from(one("a") + one("b").slice(0, -1)), sink);
    reader.end(sink);
    assert.throws(() => reader.resume(sink), { code: "ERR_WIRE_MESSAGE", message: /in the body/ });
    assert.deepEqual(seen, ["a"]);
  });

  test("resuming from within the sink takes the hold back", () => {
    const { reader, seen, sink } = held([]);
    const busy = {
      ...sink,
      onMessage: (got: RequestHead, body: Uint8Array): void => {
        sink.onMessage(got, body);
        reader.hold();
        reader.resume(busy);
      },
    };
    reader.push(Buffer.from(one("a") + one("b")), busy);
    assert.deepEqual(seen, ["a", "b"]);
  });
});
