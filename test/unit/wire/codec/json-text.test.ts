import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isAgentError } from "#src/base/errors.ts";
import { parseJson } from "#src/wire/codec/json-text.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "#src/wire/codec/json-value.ts";
import { MAX_DEPTH, MAX_VALUES } from "#src/wire/codec/limits.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string): JsonValue => parseJson(utf8(text));

/** The same value as `JSON.parse` makes it: with ordinary prototypes, integers rounded. */
function rounded(value: JsonValue): unknown {
  if (typeof value === "bigint") return Number(value);
  if (isJsonArray(value)) return value.map(rounded);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, rounded(member)]));
}

/** The same value with ordinary prototypes, for comparing. */
function ordinary(value: JsonValue): unknown {
  if (isJsonArray(value)) return value.map(ordinary);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, ordinary(member)]),
  );
}

suite("parseJson reads", () => {
  const rows: readonly { text: string; value: unknown; why: string }[] = [
    { text: "null", value: null, why: "any value may stand alone" },
    { text: " \t\r\n[ 1 , 2 ]\n", value: [1, 2], why: "white space around everything" },
    { text: '{"a":{"b":[]},"c":{}}', value: { a: { b: [] }, c: {} }, why: "empty containers" },
    { text: "[true,false,null]", value: [true, false, null], why: "words" },
    { text: '""', value: "", why: "the empty string" },
    { text: '"exactly 12ch"', value: "exactly 12ch", why: "the longest short string" },
    { text: '"thirteen char"', value: "thirteen char", why: "the shortest long string" },
    { text: '"a\\"b\\\\"', value: 'a"b\\', why: "an escaped quote does not end it" },
    { text: '"\\\\\\\\"', value: "\\\\", why: "but a quote after an escaped backslash does" },
    { text: '"\\u00e9\\ud83d\\ude00\\b\\/"', value: "\u00e9\u{1f600}\b/", why: "all escapes" },
    {
      text: '"gr\u00fc\u00df \u{1f600}"',
      value: "gr\u00fc\u00df \u{1f600}",
      why: "UTF-8 as it is",
    },
    { text: '"\ufffd"', value: "\ufffd", why: "a real U+FFFD is not a decoding fault" },
    { text: "0", value: 0, why: "zero" },
    { text: "-0", value: -0, why: "JSON has a negative zero" },
    { text: "-12.5e-1", value: -1.25, why: "fractions and exponents" },
    { text: "1E3", value: 1000, why: "capital exponent" },
    { text: "9007199254740991", value: 9007199254740991, why: "2^53-1 is exact as a number" },
    { text: "9007199254740992", value: 9007199254740992n, why: "from 2^53 on bigint" },
    { text: "-9007199254740993", value: -9007199254740993n, why: "negative too" },
    { text: "9007199254740993.0", value: 9007199254740993n, why: "integral with a fraction" },
    { text: "9.007199254740993e15", value: 9007199254740993n, why: "integral with an exponent" },
    { text: "1e300", value: 1e300, why: "beyond 64 bits an exponent means a double" },
    {
      text: "12345678901234567890123",
      value: 12345678901234567890123n,
      why: "plain digits stay exact",
    },
    { text: "9007199254740993.5", value: 9007199254740994, why: "a fraction is a double" },
    { text: "999999999999999", value: 999999999999999, why: "the longest that is added up" },
    { text: "1000000000000000", value: 1e15, why: "the shortest that is not" },
    {
      text: '{"__proto__":{"x":1},"constructor":2}',
      value: JSON.parse('{"__proto__":{"x":1},"constructor":2}'),
      why: "names that mean something to JavaScript are only names",
    },
    { text: '{"2":1,"1":2}', value: { 1: 2, 2: 1 }, why: "names that look like indices" },
  ];
  for (const { text, value, why } of rows) {
    test(`${text}: ${why}`, () => assert.deepEqual(ordinary(parse(text)), value));
  }

  test("__proto__ changes no prototype, and nothing is inherited", () => {
    const value = parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>;
    assert.equal(Reflect.get(value, "polluted"), undefined);
    assert.ok(Object.hasOwn(value, "__proto__"));
    assert.equal("toString" in value, false);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });

  test(`${MAX_DEPTH} levels`, () => {
    let value = parse("[".repeat(MAX_DEPTH) + "]".repeat(MAX_DEPTH));
    let depth = 0;
    for (; isJsonArray(value); depth++) value = value[0] ?? null;
    assert.equal(depth, MAX_DEPTH);
  });

  test(`${MAX_VALUES} values`, () => {
    const value = parse(`[${"0,".repeat(MAX_VALUES - 1)}0]`);
    assert.equal(isJsonArray(value) && value.length, MAX_VALUES);
  });
});

suite("parseJson refuses", () => {
  const rows: readonly { text: string; reason: string; position: number; why: string }[] = [
    { text: "", reason: "expected a value, got the end", position: 0, why: "nothing" },
    { text: "{} x", reason: 'expected the end, got "x"', position: 3, why: "a second text" },
    { text: "[1,]", reason: 'expected a value, got "]"', position: 3, why: "trailing comma" },
    {
      text: '{"a":1,}',
      reason: 'expected a member name in quotes, got "}"',
      position: 7,
      why: "trailing comma",
    },
    {
      text: "{a:1}",
      reason: 'expected a member name in quotes, got "a"',
      position: 1,
      why: "bare name",
    },
    { text: '{"a" 1}', reason: 'expected ":", got "1"', position: 5, why: "no colon" },
    {
      text: '{"a":1 "b":2}',
      reason: 'expected "," or "}", got "\\""',
      position: 7,
      why: "no comma",
    },
    { text: "[1 2]", reason: 'expected "," or "]", got "2"', position: 3, why: "no comma" },
    { text: "[1", reason: 'expected "," or "]", got the end', position: 2, why: "cut off" },
    { text: "NaN", reason: 'expected a value, got "N"', position: 0, why: "no such number" },
    { text: "-Infinity", reason: 'expected a value, got "-"', position: 0, why: "no such number" },
    { text: "+1", reason: 'expected a value, got "+"', position: 0, why: "no plus sign" },
    { text: "01", reason: "a number begins with 0", position: 0, why: "octal?" },
    { text: "1.", reason: "expected a digit, got the end", position: 2, why: "no fraction" },
    { text: "1.e5", reason: 'expected a digit, got "e"', position: 2, why: "no fraction" },
    { text: "1e+", reason: "expected a digit, got the end", position: 3, why: "no exponent" },
    {
      text: "[1e400]",
      reason: "a number is beyond the range of double",
      position: 1,
      why: "would be infinite",
    },
    {
      text: "1".repeat(1101),
      reason: "a number has more than 1100 characters",
      position: 0,
      why: "cost",
    },
    { text: "tru", reason: 'expected a value, got "t"', position: 0, why: "half a word" },
    { text: '"abc', reason: "a string has no closing quote", position: 0, why: "cut off" },
    {
      text: '"abc\\"',
      reason: "a string has no closing quote",
      position: 0,
      why: "its last quote is escaped",
    },
    {
      text: '"a\nb"',
      reason: "a string has a bad escape or a bare control character",
      position: 0,
      why: "bare line end",
    },
    {
      text: '"\\x41"',
      reason: "a string has a bad escape or a bare control character",
      position: 0,
      why: "JavaScript's escape",
    },
    {
      text: '"\\ud800"',
      reason: "a string has half of a surrogate pair",
      position: 0,
      why: "no such character",
    },
    {
      text: '{"\\udc00":1}',
      reason: "a string has half of a surrogate pair",
      position: 1,
      why: "nor in a name",
    },
    {
      text: '{"a":1,"a":2}',
      reason: 'member "a" stands twice',
      position: 7,
      why: "which one counts?",
    },
    {
      text: '{"a":1,"\\u0061":2}',
      reason: 'member "a" stands twice',
      position: 7,
      why: "the same in disguise",
    },
    {
      text: '{"__proto__":1,"__proto__":2}',
      reason: 'member "__proto__" stands twice',
      position: 15,
      why: "also this one",
    },
    {
      text: "\ufeff{}",
      reason: 'expected a value, got "\\ufeff"',
      position: 0,
      why: "byte-order mark",
    },
    { text: "{}\u0000", reason: 'expected the end, got "\\u0000"', position: 2, why: "NUL" },
    {
      text: '["\u00fc",?]',
      reason: 'expected a value, got "?"',
      position: 6,
      why: "positions are bytes",
    },
    { text: "[".repeat(65), reason: "nested more than 64 levels deep", position: 64, why: "depth" },
    {
      text: `[${"0,".repeat(MAX_VALUES)}0]`,
      reason: "more than 25000 members and elements",
      position: 50_001,
      why: "count",
    },
  ];
  for (const { text, reason, position, why } of rows) {
    test(`${text.slice(0, 30)}: ${why}`, () =>
      assert.throws(() => parse(text), {
        code: "ERR_WIRE_BODY",
        message: `body is not JSON: ${reason} at byte ${position}`,
        fields: { position, reason },
      }));
  }

  test("bytes that are not UTF-8", () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ]) {
      assert.throws(() => parseJson(Uint8Array.from(bytes)), {
        code: "ERR_WIRE_BODY",
        message: "body is not JSON: it is not valid UTF-8",
      });
    }
  });

  test("a long name is shown in part", () => {
    const name = "n".repeat(5000);
    assert.throws(
      () => parse(`{"${name}":1,"${name}":2}`),
      (error) => isAgentError(error) && error.message.length < 150,
    );
  });
});

suite("parseJson against JSON.parse", () => {
  test("reads what JSON.stringify writes", () =>
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.constantFrom(undefined, 1),
        (value, indent) => {
          const text = JSON.stringify(value, null, indent);
          if (!text.isWellFormed() || text.includes("\\ud")) return;
          assert.deepEqual(rounded(parse(text)), JSON.parse(text));
        },
      ),
    ));

  test("accepts nothing that JSON.parse refuses", () => {
    const piece = fc.constantFrom(
      ...'{}[]:,"\\ \n\t0123456789.-+eEtrufalsn/\u0001\u00e9\u{1f600}',
      "true",
      "null",
      '"a"',
      '"b":',
      "\\u0041",
      "\\ud83d",
      "1e5",
      "[1,",
      '{"a":',
    );
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        let value: JsonValue;
        try {
          value = parse(text);
        } catch (error) {
          assert.ok(isAgentError(error, "ERR_WIRE_BODY"), String(error));
          return;
        }
        accepted++;
        assert.deepEqual(rounded(value), JSON.parse(text));
      }),
      { numRuns: 5000 },
    );
    assert.ok(accepted > 50, `only ${accepted} texts were accepted`);
  });
});
