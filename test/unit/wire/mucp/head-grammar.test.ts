import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  type BadCase,
  CUTS,
  type GoodCase,
  message,
  readReplies,
  testBadRequests,
} from "./recorded-reading.ts";

const BAD_START_LINES: readonly BadCase[] = [
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
];

suite("start line of a request", () => testBadRequests(BAD_START_LINES));

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
    why: "interim replies are counted for each reply",
    bytes: `${"HTTP/1.1 100 Continue\r\n\r\n".repeat(8)}HTTP/1.1 204 No Content\r\n\r\n`.repeat(2),
    messages: [message("204 No Content", {}, ""), message("204 No Content", {}, "")],
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

const BAD_REPLIES: readonly BadCase[] = [
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

suite("replies", () => {
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
