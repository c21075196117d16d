import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { LONG_TEXT, quoteLong, unescapeLong } from "#src/wire/codec/long-text.ts";

const BEYOND = LONG_TEXT + 5;
const inner = (literal: string) => unescapeLong(literal, 1, literal.length - 1);

/** Units that make trouble where a piece ends. */
const odd = fc.constantFrom(
  "a",
  "é",
  "一",
  "😀",
  "\\\\",
  '\\"',
  "\\n",
  "\\u4e00",
  "\\ud83d\\ude00",
);

suite("long strings in JSON", () => {
  test("whatever stands where a piece ends, they read as JSON.parse reads them", () => {
    const units = fc.array(odd, { minLength: 1, maxLength: 12 });
    const property = fc.property(units, fc.nat(20), (unit, shift) => {
      const literal = `"${"x".repeat(shift)}${unit.join("").repeat(9_000)}"`;
      assert.equal(inner(literal), JSON.parse(literal));
    });
    fc.assert(property, { numRuns: 60 });
  });

  test("and are written as JSON.stringify writes them", () => {
    const units = fc.array(fc.constantFrom("a", "é", "一", "😀", "\\", '"', "\n", "\u2028"), {
      minLength: 1,
      maxLength: 12,
    });
    const property = fc.property(units, fc.nat(20), (unit, shift) => {
      const text = `${"x".repeat(shift)}${unit.join("").repeat(9_000)}`;
      assert.equal(quoteLong(text), JSON.stringify(text));
    });
    fc.assert(property, { numRuns: 60 });
  });

  const half = [
    { why: "a high half at the end", literal: `"${"a".repeat(BEYOND)}\\ud83d"` },
    { why: "a low half at the beginning", literal: `"\\ude00${"a".repeat(BEYOND)}"` },
    { why: "high halves only", literal: `"${"\\ud83d".repeat(BEYOND / 6)}"` },
  ];
  for (const { why, literal } of half) {
    test(`${why} is no text`, () => assert.equal(inner(literal), undefined));
  }

  const bad = [
    { why: "an unknown escape", literal: `"${"a".repeat(BEYOND)}\\x"` },
    { why: "a short escape", literal: `"${"a".repeat(BEYOND)}\\u12"` },
    { why: "a bare control character", literal: `"${"a".repeat(BEYOND)}\n"` },
  ];
  for (const { why, literal } of bad) {
    test(`${why} is an error`, () => assert.throws(() => inner(literal), SyntaxError));
  }

  test("half pairs are written as U+FFFD, wherever a piece ends", () => {
    const text = `a${"\ud83d".repeat(BEYOND)}`;
    assert.equal(quoteLong(text), JSON.stringify(text.toWellFormed()));
  });
});
