import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { FieldFault } from "#src/wire/codec/body-fault.ts";
import { formatJson, formatString } from "#src/wire/codec/json-format.ts";

suite("formatJson", () => {
  const rows: readonly { value: unknown; text: string; why: string }[] = [
    { value: 9007199254740993n, text: "9007199254740993", why: "bigint as an exact number" },
    { value: -0, text: "-0", why: "JSON.stringify loses the sign" },
    { value: 1e21, text: "1e+21", why: "valid JSON" },
    { value: { a: undefined, b: null }, text: '{"b":null}', why: "undefined is absent" },
    {
      value: Uint8Array.of(0, 1, 2),
      text: '"AAEC"',
      why: "bytes as Go's encoding/json writes them",
    },
    { value: new Date(0), text: '"1970-01-01T00:00:00.000Z"', why: "toJSON speaks for itself" },
    { value: "a\ud800b", text: '"a\ufffdb"', why: "no reader takes half a pair" },
    { value: { "\n": [1, [], {}] }, text: '{"\\n":[1,[],{}]}', why: "nested" },
  ];
  for (const { value, text, why } of rows) {
    test(`${text}: ${why}`, () => assert.equal(formatJson(value), text));
  }

  test("JSON.parse reads what it writes", () =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes("\\ud"));
        assert.deepEqual(JSON.parse(formatJson(value)), value);
      }),
    ));

  const endless: Record<string, unknown> = {};
  Object.assign(endless, { self: [endless] });
  const refused: readonly { value: unknown; path: string; reason: RegExp; why: string }[] = [
    {
      value: { a: [1, Number.NaN] },
      path: ".a[1]",
      reason: /NaN/,
      why: "JSON.stringify says null",
    },
    {
      value: { "a b": () => 1 },
      path: '["a b"]',
      reason: /function/,
      why: "JSON.stringify drops it",
    },
    { value: [undefined], path: "[0]", reason: /nothing/, why: "an element can't be absent" },
    { value: { m: new Map() }, path: ".m", reason: /Map/, why: "JSON.stringify says {}" },
    { value: Symbol("s"), path: "", reason: /symbol/, why: "JSON.stringify says undefined" },
    { value: endless, path: ".self[0].self", reason: /nested/, why: "an endless loop" },
  ];
  for (const { value, path, reason, why } of refused) {
    test(`refuses at ${path || "the top"}: ${why}`, () =>
      assert.throws(
        () => formatJson(value),
        (fault) => {
          assert.ok(fault instanceof FieldFault);
          assert.ok(fault.path.startsWith(path), fault.path);
          assert.match(fault.reason, reason);
          return true;
        },
      ));
  }
});

suite("formatString", () => {
  // Long strings take another way than short ones; each character must fare alike on both.
  for (const length of [0, 1023, 1024, 5000]) {
    test(`${length} characters and one that may need a backslash`, () => {
      for (let unit = 0; unit <= 0xff; unit++) {
        const text = "x".repeat(length) + String.fromCharCode(unit);
        assert.equal(formatString(text), JSON.stringify(text), `U+${unit.toString(16)}`);
        const wide = `${text}\u20ac`;
        assert.equal(formatString(wide), JSON.stringify(wide), `wide, U+${unit.toString(16)}`);
      }
    });
  }

  test("a long string with half a pair", () => {
    const text = "x".repeat(2000);
    assert.equal(formatString(`${text}\udc00`), `"${text}\ufffd"`);
  });
});
