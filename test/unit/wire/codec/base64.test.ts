import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decodeBase64, encodeBase64 } from "#src/wire/codec/base64.ts";

suite("decodeBase64", () => {
  const rows: readonly { text: string; hex: string | undefined; why: string }[] = [
    { text: "", hex: "", why: "no bytes" },
    { text: "AAEC", hex: "000102", why: "whole groups" },
    { text: "AA==", hex: "00", why: "padded" },
    { text: "AA", hex: "00", why: "unpadded, as protojson accepts" },
    { text: "AAE", hex: "0001", why: "unpadded" },
    { text: "-_-_", hex: "fbffbf", why: "URL-safe alphabet" },
    { text: "_w==", hex: "ff", why: "URL-safe, padded" },
    { text: "+/+/", hex: "fbffbf", why: "standard alphabet" },
    { text: "QR==", hex: "41", why: "bits beyond the last byte are ignored, as Go does" },
    { text: "A", hex: undefined, why: "six bits are no byte" },
    { text: "AAAAA", hex: undefined, why: "six bits left over" },
    { text: "AA=", hex: undefined, why: "half of the padding" },
    { text: "AAAA=", hex: undefined, why: "padding that pads nothing" },
    { text: "A===", hex: undefined, why: "three of padding" },
    { text: "AA=A", hex: undefined, why: "padding inside" },
    { text: "AA==AA==", hex: undefined, why: "two texts in a row" },
    { text: "====", hex: undefined, why: "only padding" },
    { text: "+_+_", hex: undefined, why: "both alphabets at once" },
    { text: "AA AA", hex: undefined, why: "a space" },
    { text: "AAAA\n", hex: undefined, why: "a line end" },
    { text: "AA*A", hex: undefined, why: "a character of neither alphabet" },
    { text: "\u0141AAA", hex: undefined, why: "its low byte is A, and Node takes it for one" },
    { text: "AAA\u00c1", hex: undefined, why: "Latin-1" },
  ];
  for (const { text, hex, why } of rows) {
    test(`${JSON.stringify(text)}: ${why}`, () => {
      const bytes = decodeBase64(text);
      assert.equal(bytes && Buffer.from(bytes).toString("hex"), hex);
    });
  }

  test("any bytes in all four spellings", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const standard = encodeBase64(bytes);
        const url = standard.replaceAll("+", "-").replaceAll("/", "_");
        for (const text of [standard, standard.replace(/=+$/, ""), url, url.replace(/=+$/, "")]) {
          assert.deepEqual(decodeBase64(text), bytes, text);
        }
      }),
    ));

  test("any text with a foreign character is refused", () =>
    fc.assert(
      fc.property(
        fc.base64String(),
        fc.string({ unit: "binary", minLength: 1, maxLength: 2 }),
        fc.nat(),
        (text, junk, at) => {
          fc.pre(/[^A-Za-z0-9+/=_-]/.test(junk));
          const cut = text.length === 0 ? 0 : at % text.length;
          assert.equal(decodeBase64(text.slice(0, cut) + junk + text.slice(cut)), undefined);
        },
      ),
    ));
});
