/**
 * The work of reading a hostile body grows with its length, never with its square. Counted in blocks of
 * code that ran, not in time: four times the bytes may take about four times the work.
 */
import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import type { Codec } from "#src/wire/codec/codec.ts";
import type { Shape } from "#src/wire/codec/shape.ts";
import { OperationCounter } from "../fakes/operation-count.ts";

const counter = new OperationCounter(
  /\/src\/(?:wire|base)\/|@bufbuild\/protobuf|codec-growth\.test\.ts/,
);
after(() => counter[Symbol.dispose]());

// Only now: what is compiled before the counter is there is not counted.
const v = await import("valibot");
const { CODECS } = await import("#src/wire/codec/codecs.ts");
const { messageShape } = await import("#src/wire/codec/message-shape.ts");
const { jsonShape } = await import("#src/wire/codec/standard-shape.ts");
const { ListsSchema, MapsSchema, TreeSchema } = await import("../fakes/gen/kinds_pb.ts");

const SMALL = 8 * 1024;
const TIMES = 4;
/** Four, and something for what does not grow. */
const MOST = 4.4;

const ANY = jsonShape("Any", v.unknown()) as Shape<unknown>;
const [lists, maps, trees] = [ListsSchema, MapsSchema, TreeSchema].map(
  (desc) => messageShape(desc) as Shape<unknown>,
) as [Shape<unknown>, Shape<unknown>, Shape<unknown>];

/** At least `bytes` of what `part` gives for 0, 1, 2 and so on. */
function parts(bytes: number, part: (n: number) => string): string {
  const all: string[] = [];
  for (let n = 0, size = 0; size < bytes; n++) {
    const next = part(n);
    all.push(next);
    size += next.length;
  }
  return all.join("");
}

const repeated = (bytes: number, ...unit: number[]): Buffer =>
  Buffer.alloc(bytes - (bytes % unit.length), Buffer.from(unit));

/** A field of type LENGTH around `bytes`. */
function field(tag: number, bytes: Buffer): Buffer {
  const length: number[] = [];
  for (let left = bytes.length; ; left = Math.floor(left / 128)) {
    length.push(left < 128 ? left : (left % 128) + 128);
    if (left < 128) break;
  }
  return Buffer.concat([Buffer.of(tag, ...length), bytes]);
}

interface Row {
  readonly what: string;
  readonly codec: Codec;
  readonly shape: Shape<unknown>;
  readonly body: (bytes: number) => Uint8Array;
}

const json = (what: string, text: (bytes: number) => string, shape = ANY): Row => ({
  what: `json: ${what}`,
  codec: CODECS.json,
  shape,
  body: (bytes) => Buffer.from(text(bytes)),
});
const protobuf = (what: string, shape: Shape<unknown>, body: (bytes: number) => Buffer): Row => ({
  what: `protobuf: ${what}`,
  codec: CODECS.protobuf,
  shape,
  body,
});

const ROWS: readonly Row[] = [
  json("names", (bytes) => `{${parts(bytes, (n) => `"k${n}":0,`)}"z":0}`),
  json("names that are numbers", (bytes) => `{${parts(bytes, (n) => `"${n * 7}":0,`)}"z":0}`),
  json("names with one beginning", (bytes) => {
    const beginning = "k".repeat(40);
    return `{${parts(bytes, (n) => `"${beginning}${n}":0,`)}"z":0}`;
  }),
  json("numbers of 1,000 digits", (bytes) => `[${parts(bytes, () => `${"7".repeat(1000)},`)}0]`),
  json("exponents of 900 digits", (bytes) => `[${parts(bytes, () => `1e${"0".repeat(900)},`)}0]`),
  json("one long number, refused", (bytes) => "7".repeat(bytes)),
  json("backslashes", (bytes) => `"${"\\\\".repeat(bytes / 2)}"`),
  json("backslashes without an end, refused", (bytes) => `"${"\\\\".repeat(bytes / 2)}\\"`),
  json("escaped quotes", (bytes) => `"${'\\"'.repeat(bytes / 2)}"`),
  json("short strings of escapes", (bytes) => `[${parts(bytes, () => '"\\\\\\"",')}0]`),
  json("white space", (bytes) => `${" \n".repeat(bytes / 2)}0`),
  json(
    "arrays 60 deep, many",
    (bytes) => `[${parts(bytes, () => `${"[".repeat(60)}${"]".repeat(60)},`)}0]`,
  ),
  json("map entries", (bytes) => `{"byName":{${parts(bytes, (n) => `"k${n}":"",`)}"z":""}}`, maps),
  json("unknown long name, refused", (bytes) => `{"${"byNam".repeat(bytes / 5)}":1}`, maps),
  {
    what: "json-rpc: ignored members",
    codec: CODECS["json-rpc"],
    shape: ANY,
    body: (bytes) => Buffer.from(`{${parts(bytes, (n) => `"k${n}":[],`)}"params":[1]}`),
  },
  protobuf("packed numbers", lists, (bytes) => field(0x1a, repeated(bytes, 1))),
  protobuf("packed numbers of ten bytes", lists, (bytes) =>
    field(0x22, repeated(bytes, ...Array(9).fill(0xff), 1)),
  ),
  protobuf("unpacked numbers", lists, (bytes) => repeated(bytes, 0x18, 1)),
  protobuf("many packed fields of one number", lists, (bytes) => repeated(bytes, 0x1a, 1, 1)),
  protobuf("empty strings", lists, (bytes) => repeated(bytes, 0x4a, 0)),
  protobuf("empty messages", lists, (bytes) => repeated(bytes, 0x62, 0)),
  protobuf("one message again and again, merged", trees, (bytes) => repeated(bytes, 0x0a, 0)),
  protobuf("the same map entry", maps, (bytes) => repeated(bytes, 0x0a, 4, 0x0a, 0, 0x12, 0)),
  protobuf("map entries", maps, (bytes) =>
    Buffer.concat(
      Array.from({ length: bytes / 10 }, (_, n) =>
        field(0x0a, Buffer.from(`\x0a\x06${String(n).padStart(6, "0")}\x12\x00`, "latin1")),
      ),
    ),
  ),
  protobuf("unknown groups", trees, (bytes) => repeated(bytes, 0x7b, 0x7c)),
  protobuf("unknown groups 60 deep", trees, (bytes) =>
    repeated(bytes, ...Array(60).fill(0x7b), ...Array(60).fill(0x7c)),
  ),
  protobuf("unknown fields", trees, (bytes) => repeated(bytes, 0x78, 1)),
  protobuf("text that is not UTF-8, refused", lists, (bytes) =>
    Buffer.concat([repeated(bytes, 0x4a, 1, 0x61), Buffer.of(0x4a, 1, 0xff)]),
  ),
];

suite("reading takes work that grows with the length of", () => {
  for (const { what, codec, shape, body } of ROWS) {
    test(what, () => {
      // Once beforehand: what is built on first use does not belong to a body.
      const [, small, large] = [64, SMALL, SMALL * TIMES].map((bytes) => {
        const read = body(bytes);
        if (bytes >= SMALL) assert.ok(Math.abs(read.byteLength / bytes - 1) < 0.3);
        return counter.count(() => {
          try {
            codec.readRequest(read, shape);
          } catch (thrown) {
            if (!/refused$/.test(what)) throw thrown;
          }
        });
      }) as [number, number, number];
      assert.ok(small > 0, "something was counted");
      assert.ok(large / small <= MOST, `${TIMES} times the bytes: ${small} became ${large} steps`);
    });
  }
});

suite("the count itself", () => {
  test("sees a square", () => {
    const square = (length: number): number =>
      counter.count(() => {
        let found = 0;
        for (let a = 0; a < length; a++) {
          for (let b = 0; b < length; b++) {
            if (a * b === 7) found++;
          }
        }
        assert.equal(found, 2);
      });
    const [small, large] = [square(20), square(80)];
    assert.ok(large / small > 12, `${small} became ${large}`);
  });
});
