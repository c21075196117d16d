/** The bounds of `limits.ts` and of sizes, just within and just beyond, in JSON and in protobuf. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as v from "valibot";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { MAX_NUMBER_CHARS } from "#src/wire/codec/json-number.ts";
import { MAX_DEPTH, MAX_VALUES } from "#src/wire/codec/limits.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import type { Shape } from "#src/wire/codec/shape.ts";
import { jsonShape } from "#src/wire/codec/standard-shape.ts";
import {
  ListsSchema,
  MapsSchema,
  ScalarsSchema,
  TreeSchema,
  WellKnownSchema,
} from "../../../fakes/gen/kinds_pb.ts";

const MIB4 = 4 * 1024 * 1024;
const ANY = jsonShape("Any", v.unknown()) as Shape<unknown>;
const echo = messageShape(EchoSchema);
const lists = messageShape(ListsSchema);
const maps = messageShape(MapsSchema);
const scalars = messageShape(ScalarsSchema);
const trees = messageShape(TreeSchema);

const json = <T>(text: string, shape: Shape<T>): T =>
  CODECS.json.readRequest(Buffer.from(text), shape);
const protobuf = <T>(bytes: Uint8Array, shape: Shape<T>): T =>
  CODECS.protobuf.readRequest(bytes, shape);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push(left < 128 ? left : (left % 128) + 128);
    if (left < 128) return Buffer.from(bytes);
  }
}
const field = (tag: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(tag), varint(bytes.byteLength), bytes]);
const times = (count: number, ...unit: number[]): Buffer =>
  Buffer.alloc(count * unit.length, Buffer.from(unit));
const mapEntries = (count: number): Buffer =>
  Buffer.concat(
    Array.from({ length: count }, (_, n) => field(0x0a, field(0x0a, Buffer.from(String(n))))),
  );

suite("just within, and just beyond", () => {
  const rows: readonly {
    what: string;
    most: number;
    read: (count: number) => unknown;
    refusal: RegExp;
  }[] = [
    {
      what: "JSON objects inside one another",
      most: MAX_DEPTH,
      read: (count) => json(`${'{"a":'.repeat(count - 1)}{}${"}".repeat(count - 1)}`, ANY),
      refusal: /nested more than 64 levels deep/,
    },
    {
      what: "protobuf groups inside one another, in the message",
      most: MAX_DEPTH - 1,
      read: (count) => protobuf(Buffer.concat([times(count, 0x7b), times(count, 0x7c)]), trees),
      refusal: /nested more than 64 messages deep/,
    },
    {
      what: "members of a JSON object",
      most: MAX_VALUES,
      read: (count) =>
        json(`{${Array.from({ length: count }, (_, n) => `"${n}":0`).join(",")}}`, ANY),
      refusal: /more than 25000 members and elements/,
    },
    {
      what: "entries of a protobuf map",
      most: MAX_VALUES,
      read: (count) => protobuf(mapEntries(count), maps),
      refusal: /Maps\.by_name: more than 25000 repeated values/,
    },
    {
      what: "strings of a protobuf list",
      most: MAX_VALUES,
      read: (count) => protobuf(times(count, 0x4a, 0), lists),
      refusal: /Lists\.string_values: more than 25000 repeated values/,
    },
    {
      what: "unpacked numbers of a protobuf list",
      most: MAX_VALUES,
      read: (count) => protobuf(times(count, 0x18, 1), lists),
      refusal: /Lists\.int32_values: more than 25000 repeated values/,
    },
    {
      what: "packed fields of one number each",
      most: MAX_VALUES,
      read: (count) => protobuf(times(count, 0x1a, 1, 1), lists),
      refusal: /Lists\.int32_values: more than 25000 repeated values/,
    },
    {
      what: "characters of a field mask",
      most: 4_096,
      read: (count) =>
        json(
          `{"mask":"${",a".repeat(count / 2 + 1).slice(1, count + 1)}"}`,
          messageShape(WellKnownSchema),
        ),
      refusal: /WellKnown\.mask: longer than 4096 characters/,
    },
    {
      what: "characters of a JSON number",
      most: MAX_NUMBER_CHARS,
      read: (count) => json(`0.${"1".repeat(count - 2)}`, ANY),
      refusal: /more than 1100 characters/,
    },
  ];
  for (const { what, most, read, refusal } of rows) {
    test(`${most} ${what}`, () => {
      read(most);
      assert.throws(() => read(most + 1), { code: "ERR_WIRE_BODY", message: refusal });
    });
  }
});

suite("values together count, wherever they stand", () => {
  test("in several fields and messages of protobuf", () => {
    const half = Buffer.concat([times(MAX_VALUES / 2, 0x4a, 0), times(MAX_VALUES / 2, 0x62, 0)]);
    protobuf(half, lists);
    assert.throws(() => protobuf(Buffer.concat([half, Buffer.of(0x62, 0)]), lists), /more than/);
  });

  test("in several arrays and objects of JSON", () => {
    const zeros = (count: number): string => `[${Array(count).fill("0").join(",")}]`;
    json(`[${zeros(12_500)},${zeros(12_498)}]`, ANY);
    assert.throws(() => json(`[${zeros(12_500)},${zeros(12_499)}]`, ANY), /more than 25000/);
  });
});

suite("strings of 4 MiB", () => {
  const text = "é".repeat(MIB4 / 2);
  test("in JSON", () => assert.equal(json(`{"text":"${text}"}`, echo).text, text));
  test("in protobuf", () =>
    assert.equal(protobuf(field(0x0a, Buffer.from(text)), echo).text, text));
  test("in protobuf, with half a character at the end", () => {
    const bytes = field(0x0a, Buffer.from(text).subarray(0, MIB4 - 1));
    assert.throws(() => protobuf(bytes, echo), {
      code: "ERR_WIRE_BODY",
      message: /Echo\.text: the string is not valid UTF-8/,
    });
  });
  test("in JSON, with half a character amid it", () => {
    const bytes = Buffer.from(`{"text":"${text}"}`);
    bytes[MIB4 / 2] = 0x61;
    assert.throws(() => CODECS.json.readRequest(bytes, echo), /not valid UTF-8/);
  });
});

suite("numbers beyond their field", () => {
  for (const [name, below, above] of [
    ["int32_value", -(2n ** 31n) - 1n, 2n ** 31n],
    ["sint32_value", -(2n ** 31n) - 1n, 2n ** 31n],
    ["uint32_value", -1n, 2n ** 32n],
    ["fixed32_value", -1n, 2n ** 32n],
    ["int64_value", -(2n ** 63n) - 1n, 2n ** 63n],
    ["uint64_value", -1n, 2n ** 64n],
  ] as const) {
    test(`${name} in JSON, as number and as string`, () => {
      for (const good of [below + 1n, above - 1n]) {
        json(`{"${name}":${good}}`, scalars);
        json(`{"${name}":"${good}"}`, scalars);
      }
      for (const bad of [below, above]) {
        for (const spelt of [String(bad), `"${bad}"`]) {
          assert.throws(() => json(`{"${name}":${spelt}}`, scalars), {
            code: "ERR_WIRE_BODY",
            message: /is out of range/,
          });
        }
      }
    });
  }

  test("more than 64 bits in protobuf", () => {
    const ten = (last: number): Buffer => Buffer.of(0x20, ...Array(9).fill(0xff), last);
    protobuf(ten(1), scalars);
    const eleven = Buffer.of(0x20, ...Array(10).fill(0xff), 1);
    assert.throws(() => protobuf(eleven, scalars), /longer than 64 bits/);
  });
});

suite("names that mean something to JavaScript", () => {
  const entry = (name: string): Buffer =>
    field(0x2a, Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, Buffer.of(8, 5))]));
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "then"]) {
    test(`${name} is a key of a map like any other, in protobuf and JSON`, () => {
      const read = [protobuf(entry(name), maps), json(`{"points":{"${name}":{"xAxis":5}}}`, maps)];
      for (const { points } of read) {
        assert.deepEqual(Object.keys(points), [name]);
        assert.equal(Object.getPrototypeOf(points)?.xAxis, undefined);
        assert.equal((points as unknown as Record<string, unknown>)["xAxis"], undefined);
        assert.equal(({} as Record<string, unknown>)["xAxis"], undefined);
      }
      assert.deepEqual(
        read.map((message) => Buffer.from(maps.toProtobuf(message)).toString("hex")),
        [entry(name).toString("hex"), entry(name).toString("hex")],
      );
    });
  }
});
