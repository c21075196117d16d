import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { exactInteger, nearestDouble } from "#src/wire/codec/json-number.ts";

suite("exactInteger", () => {
  const rows: readonly { text: string; value: bigint | undefined; why: string }[] = [
    { text: "0", value: 0n, why: "zero" },
    { text: "-0", value: 0n, why: "there is no negative zero among integers" },
    { text: "-17", value: -17n, why: "sign" },
    { text: "9007199254740993", value: 9007199254740993n, why: "beyond double" },
    { text: "1.50e2", value: 150n, why: "the exponent uses the fraction up" },
    { text: "1500e-2", value: 15n, why: "and down" },
    { text: "7.000", value: 7n, why: "a fraction of zero" },
    { text: "0e999999999", value: 0n, why: "zero however big the exponent" },
    { text: "0.000e5", value: 0n, why: "zero with a fraction" },
    { text: "1.8446744073709551615e19", value: 18446744073709551615n, why: "the greatest uint64" },
    { text: "1e20", value: undefined, why: "21 digits by exponent: no 64-bit integer" },
    { text: "1e999999999999999999999", value: undefined, why: "an exponent beyond double" },
    { text: "1.5", value: undefined, why: "a fraction" },
    { text: "15e-1", value: undefined, why: "a fraction by exponent" },
    { text: "", value: undefined, why: "no number" },
    { text: "0x10", value: undefined, why: "BigInt would take it" },
    { text: " 1", value: undefined, why: "BigInt would take it" },
    { text: "01", value: undefined, why: "not JSON's grammar" },
    { text: "+1", value: undefined, why: "not JSON's grammar" },
    { text: ".5", value: undefined, why: "not JSON's grammar" },
    { text: "1_000", value: undefined, why: "not JSON's grammar" },
    { text: "1".repeat(1101), value: undefined, why: "too long" },
  ];
  for (const { text, value, why } of rows) {
    test(`${text.slice(0, 30)}: ${why}`, () => assert.equal(exactInteger(text), value));
  }

  test("any 64-bit integer, however it is written", () =>
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n), fc.nat(30), (integer, point) => {
        const digits = String(integer);
        assert.equal(exactInteger(digits), integer);
        assert.equal(exactInteger(`${digits}.${"0".repeat(point + 1)}`), integer);
        const [sign, rest] = integer < 0n ? ["-", digits.slice(1)] : ["", digits];
        const moved = `${sign}${rest[0]}.${rest.slice(1)}0e${rest.length - 1}`;
        assert.equal(exactInteger(moved), integer, moved);
      }),
    ));
});

suite("nearestDouble", () => {
  const rows: readonly { text: string; value: number | undefined; why: string }[] = [
    { text: "-0", value: -0, why: "doubles have a negative zero" },
    { text: "1.5e3", value: 1500, why: "exponent" },
    { text: "1e999", value: Number.POSITIVE_INFINITY, why: "the caller decides about range" },
    { text: "NaN", value: undefined, why: "no number in JSON" },
    { text: "0x10", value: undefined, why: "Number would take it" },
    { text: "", value: undefined, why: "Number would take it for 0" },
  ];
  for (const { text, value, why } of rows) {
    test(`"${text}": ${why}`, () => assert.equal(nearestDouble(text), value));
  }
});
