import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decodeUtf8, encodeUtf8 } from "#src/wire/codec/utf8.ts";

suite("UTF-8", () => {
  const rows: readonly { text: string; bytes: readonly number[]; why: string }[] = [
    { text: "", bytes: [], why: "nothing" },
    { text: "az", bytes: [0x61, 0x7a], why: "ASCII is as long in bytes" },
    { text: "a\u00e9", bytes: [0x61, 0xc3, 0xa9], why: "latin1 is not" },
    { text: "\u20ac", bytes: [0xe2, 0x82, 0xac], why: "three bytes in one unit" },
    { text: "\u{1f600}", bytes: [0xf0, 0x9f, 0x98, 0x80], why: "a pair" },
    { text: "a\ud800", bytes: [0x61, 0xef, 0xbf, 0xbd], why: "half a pair has no form" },
  ];
  for (const { text, bytes, why } of rows) {
    test(`writes ${JSON.stringify(text)}: ${why}`, () =>
      assert.deepEqual(encodeUtf8(text), Uint8Array.from(bytes)));
  }

  test("writes what Buffer writes, and reads it back", () =>
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 50 }), fc.nat(6000), (text, times) => {
        const long = text + "a".repeat(times) + text;
        const bytes = encodeUtf8(long);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(long, "utf8"));
        assert.equal(decodeUtf8(bytes), long);
      }),
    ));

  test("refuses what is not UTF-8, and takes a real U+FFFD", () => {
    assert.equal(decodeUtf8(Uint8Array.of(0x61, 0xff)), undefined);
    assert.equal(decodeUtf8(Uint8Array.of(0xed, 0xa0, 0x80)), undefined);
    assert.equal(decodeUtf8(Uint8Array.of(0xef, 0xbf, 0xbd)), "\ufffd");
  });
});
