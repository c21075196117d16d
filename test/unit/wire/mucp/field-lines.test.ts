import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type BadCase, head, readRequests, testBadRequests } from "./recorded-reading.ts";

const BAD_LINES: readonly BadCase[] = [
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
];

const BAD_FRAMING: readonly BadCase[] = [
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
  {
    why: "the octet after 9",
    bytes: head("Content-Length: 3:"),
    error: /is not a number of digits/,
  },
  {
    why: "the octet before 0",
    bytes: head("Content-Length: 3/"),
    error: /is not a number of digits/,
  },
  {
    why: "framing in odd spelling is framing all the same",
    bytes: head("cONTENT-lENGTH: 3\r\ntRANSFER-eNCODING: chunked"),
    error: /both Content-Length and Transfer-Encoding/,
  },
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
];

suite("header lines", () => {
  testBadRequests(BAD_LINES);

  test("errors show no value of a header", () => {
    const { error } = readRequests(head("Authorization: Bearer secret\x01token"));
    assert.match(error ?? "", /header "authorization"/);
    assert.doesNotMatch(error ?? "", /secret|token/);
  });
});

suite("headers that frame the message", () => testBadRequests(BAD_FRAMING));
