import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { BLOCK_BYTES, readLap, sealLap, sealRecord, type WholeLap } from "#src/queue/log-format.ts";
import { text } from "../../fakes/store-operations.ts";

const FORMAT = { kind: "queue", version: 1 };
const NONCE = new Uint8Array(16).fill(7);
const HALF = 8 * BLOCK_BYTES;

function half(records: readonly string[], lap = 5, nonce = NONCE): Uint8Array {
  const bytes = new Uint8Array(HALF);
  const sealed = sealLap(FORMAT, lap, nonce, text("snapshot"));
  bytes.set(sealed.bytes);
  let [position, chain] = [sealed.bytes.length, sealed.chain];
  for (const [at, record] of records.entries()) {
    const next = sealRecord(lap, at + 1, chain, text(record));
    bytes.set(next.bytes, position);
    position += next.bytes.length;
    chain = next.chain;
  }
  return bytes;
}

function whole(bytes: Uint8Array): WholeLap {
  const read = readLap(FORMAT, bytes);
  assert.ok(read.kind === "whole", read.kind);
  return read;
}
const wordsOf = ({ records }: WholeLap): readonly string[] =>
  records.map((record) => new TextDecoder().decode(record));

suite("a lap", () => {
  test("is read as it was written", () => {
    const read = whole(half(["one", "two", "three"]));
    assert.deepEqual(wordsOf(read), ["one", "two", "three"]);
    assert.equal(read.lap, 5);
    assert.equal(read.cut, undefined);
    assert.equal(read.endBytes, 4 * BLOCK_BYTES);
  });

  test("a record longer than a block takes several", () => {
    const long = "x".repeat(BLOCK_BYTES + 10);
    const read = whole(half(["one", long, "three"]));
    assert.deepEqual(wordsOf(read), ["one", long, "three"]);
    assert.equal(read.endBytes, 5 * BLOCK_BYTES);
  });

  test("a torn tail is cut off", () => {
    const bytes = half(["one", "two"]);
    bytes.fill(0, 2 * BLOCK_BYTES + 80);
    const read = whole(bytes);
    assert.deepEqual(wordsOf(read), ["one"]);
    assert.equal(read.cut, "torn");
  });

  test("after a damaged record none is taken, and it is said that more is lost", () => {
    const bytes = half(["one", "two", "three"]);
    bytes[2 * BLOCK_BYTES + 79] = 255;
    const read = whole(bytes);
    assert.deepEqual(wordsOf(read), ["one"]);
    assert.equal(read.cut, "damaged");
  });

  test("what an older lap has left behind is no record of this one", () => {
    for (const [lap, nonce] of [
      [4, NONCE],
      [5, new Uint8Array(16).fill(8)],
    ] as const) {
      const bytes = half(["old one", "old two", "old three"], lap, nonce);
      bytes.set(half(["one"]).subarray(0, 2 * BLOCK_BYTES));
      assert.deepEqual(wordsOf(whole(bytes)), ["one"]);
    }
  });

  test("a record does not move: copied over another one it counts for nothing", () => {
    const bytes = half(["one", "two", "three"]);
    bytes.copyWithin(2 * BLOCK_BYTES, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES);
    assert.deepEqual(wordsOf(whole(bytes)), ["one"]);
  });

  test("of a newer version is told apart from damage", () => {
    const bytes = new Uint8Array(HALF);
    bytes.set(sealLap({ kind: "queue", version: 2 }, 1, NONCE, text("?")).bytes);
    assert.deepEqual(readLap(FORMAT, bytes), { kind: "newer", version: 2 });
    bytes[150] = 1;
    bytes[20] = 1;
    assert.deepEqual(readLap(FORMAT, bytes), { kind: "damaged" });
  });

  test("of another kind is none", () => {
    const bytes = new Uint8Array(HALF);
    bytes.set(sealLap({ kind: "firmware", version: 1 }, 1, NONCE, text("?")).bytes);
    assert.deepEqual(readLap(FORMAT, bytes), { kind: "damaged" });
  });

  test("that was never written is blank", () =>
    assert.deepEqual(readLap(FORMAT, new Uint8Array(HALF)), { kind: "blank" }));

  test("with any bit turned, what is read is a beginning of what was written", () => {
    const written = ["one", "two", "three"];
    fc.assert(
      fc.property(fc.nat(HALF - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = half(written);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        const read = readLap(FORMAT, bytes);
        if (read.kind !== "whole") return read.kind === "damaged" && at < BLOCK_BYTES;
        const words = wordsOf(read);
        return words.every((word, index) => word === written[index]);
      }),
      { numRuns: 500 },
    );
  });

  test("of any bytes never throws", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        (bytes) => readLap(FORMAT, bytes).kind !== "whole",
      ),
    );
  });
});
