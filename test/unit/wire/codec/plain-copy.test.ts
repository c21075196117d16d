import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FieldFault } from "#src/wire/codec/body-fault.ts";
import { customLimits } from "#src/wire/codec/custom-limits.ts";
import { NotPlain, plainCopy } from "#src/wire/codec/plain-copy.ts";

const LIMITS = customLimits(
  {
    maxDepth: 3,
    maxStringLength: 5,
    maxArrayLength: 4,
    maxKeys: 2,
    minNumber: -10,
    maxNumber: 10,
  },
  1 << 20,
);
const WIDE = customLimits({ maxArrayLength: 25_000, maxKeys: 25_000 }, 1 << 20);
const copy = (value: unknown, maxText = 100): unknown => plainCopy(value, LIMITS, maxText);

suite("a plain copy", () => {
  for (const value of [null, true, 0, -10, 10, 7n, -10n, "", "12345", "€", [], [1, [2, [3]]]]) {
    test(`of ${typeof value} ${String(value)}`, () => assert.deepEqual(copy(value), value));
  }

  test("of an object inherits nothing and leaves out what is undefined", () => {
    const made = copy({ a: 1, b: undefined }) as Record<string, unknown>;
    assert.deepEqual(Object.entries(made), [["a", 1]]);
    assert.equal(made["toString"], undefined);
    assert.deepEqual(Object.keys(copy(Object.create(null)) as object), []);
  });

  test("keeps __proto__ as a name like any other, and pollutes nothing", () => {
    const parsed = JSON.parse('{"__proto__":{"x":1}}');
    const made = plainCopy(parsed, WIDE, 100) as Record<string, unknown>;
    assert.deepEqual(Object.keys(made), ["__proto__"]);
    assert.equal(made["x"], undefined);
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
  });

  test("shares no memory, whatever buffer the bytes are of", () => {
    for (const buffer of [new ArrayBuffer(8), new SharedArrayBuffer(8)]) {
      const bytes = new Uint8Array(buffer, 2, 3);
      const made = copy(bytes) as Uint8Array;
      bytes.fill(9);
      assert.deepEqual([...made], [0, 0, 0]);
      assert.equal(made.buffer.byteLength, 3);
      assert.ok(made.buffer instanceof ArrayBuffer);
    }
    assert.equal(Buffer.isBuffer(copy(Buffer.from("abc"))), false);
  });

  test("asks a getter once", () => {
    let asked = 0;
    const value = {
      get x() {
        asked++;
        return asked;
      },
    };
    assert.deepEqual((copy(value) as { x: number }).x, 1);
    assert.equal(asked, 1);
  });
});

suite("a plain copy refuses, as beyond a limit", () => {
  const rows: readonly { why: string; value: unknown; path: string; reason: RegExp }[] = [
    { why: "string", value: "123456", path: "", reason: /longer than 5 characters/ },
    { why: "bytes", value: Buffer.alloc(6), path: "", reason: /longer than 5 bytes/ },
    { why: "name", value: { abcdef: 1 }, path: "", reason: /longer than 5 characters/ },
    { why: "array", value: { a: [1, 2, 3, 4, 5] }, path: ".a", reason: /more than 4 elements/ },
    { why: "object", value: { a: 1, b: 2, c: 3 }, path: "", reason: /more than 2 members/ },
    { why: "depth", value: [[[[]]]], path: "[0][0][0]", reason: /more than 3 levels deep/ },
    { why: "above", value: [11], path: "[0]", reason: /from -10 to 10, got 11/ },
    { why: "below", value: { a: -10.5 }, path: ".a", reason: /from -10 to 10, got -10.5/ },
    { why: "big above", value: 11n, path: "", reason: /from -10 to 10/ },
    { why: "more than 64 bits", value: 2n ** 64n, path: "", reason: /at most 64 bits/ },
    { why: "NaN", value: Number.NaN, path: "", reason: /finite number, got NaN/ },
    { why: "Infinity", value: -Infinity, path: "", reason: /finite number, got -Infinity/ },
    { why: "half a pair", value: "a\ud800", path: "", reason: /half of a surrogate pair/ },
  ];
  for (const { why, value, path, reason } of rows) {
    test(why, () => assertFault(() => copy(value), path, reason, false));
  }

  test("many strings that are each within", () => {
    copy(["12345", "12345"], 10);
    assertFault(() => copy(["12345", "12345", "1"], 10), "[2]", /more than 10 characters/, false);
  });

  test("many values in arrays that are each within, at 25,000", () => {
    const wide = (count: number): unknown => [Array(12_500).fill(0), Array(count).fill(0)];
    plainCopy(wide(12_498), WIDE, 10);
    assertFault(() => plainCopy(wide(12_499), WIDE, 10), "[1]", /more than 25000/, false);
  });

  test("an array that says it is longer than it is", () => {
    const array: unknown[] = [];
    array.length = 2 ** 32 - 1;
    assertFault(() => copy(array), "", /more than 4 elements/, false);
  });
});

suite("a plain copy refuses, as no codec may return it", () => {
  const cyclic: unknown[] = [];
  cyclic.push([cyclic]);
  class Lying extends Uint8Array {
    override get byteLength(): number {
      return 1;
    }
  }
  // What `object["__proto__"] = …` makes of an object.
  const polluted = Object.setPrototypeOf({}, { admin: true });
  const rows: readonly { why: string; value: unknown; path: string; reason: RegExp }[] = [
    { why: "undefined", value: undefined, path: "", reason: /undefined/ },
    { why: "a hole", value: Array(1), path: "[0]", reason: /undefined/ },
    { why: "a function", value: { a: () => 1 }, path: ".a", reason: /a function/ },
    { why: "a symbol", value: Symbol("x"), path: "", reason: /a symbol/ },
    { why: "an endless loop", value: cyclic, path: "[0][0]", reason: /inside itself/ },
    { why: "a Map", value: new Map(), path: "", reason: /class/ },
    { why: "a Date", value: [new Date(0)], path: "[0]", reason: /class/ },
    { why: "a promise", value: [Promise.resolve()], path: "[0]", reason: /class/ },
    { why: "a prototype of the body's choice", value: polluted, path: "", reason: /prototype/ },
    { why: "another view", value: new Float64Array(1), path: "", reason: /no Uint8Array/ },
    { why: "a bare buffer", value: new ArrayBuffer(1), path: "", reason: /class/ },
    { why: "a proxy of bytes", value: new Proxy(new Uint8Array(2), {}), path: "", reason: /class/ },
  ];
  for (const { why, value, path, reason } of rows) {
    test(why, () => assertFault(() => copy(value), path, reason, true));
  }

  test("bytes that lie about their length", () =>
    assertFault(() => copy(new Lying(6)), "", /longer than 5 bytes/, false));

  test("what throws when it is looked at: that is thrown", () => {
    const value = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new TypeError("trap");
        },
      },
    );
    assert.throws(() => copy(value), new TypeError("trap"));
  });
});

function assertFault(work: () => unknown, path: string, reason: RegExp, garbage: boolean): void {
  let thrown: unknown;
  try {
    work();
  } catch (caught) {
    thrown = caught;
  }
  assert.ok(thrown instanceof FieldFault, `not a fault: ${String(thrown)}`);
  assert.equal(thrown instanceof NotPlain, garbage);
  assert.equal(thrown.path, path);
  assert.match(thrown.reason, reason);
}
