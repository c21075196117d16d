import { suite } from "node:test";
import { type BadCase, chunked, testBadRequests } from "./recorded-reading.ts";

/** The good ones are among those of the message reader, the limits among its limits. */
const BAD_CHUNKS: readonly BadCase[] = [
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
];

suite("chunked coding", () => testBadRequests(BAD_CHUNKS));
