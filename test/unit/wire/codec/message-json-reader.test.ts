import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { parseJson } from "#src/wire/codec/json-text.ts";
import type { JsonDialect } from "#src/wire/codec/json-value.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { HelloRequestSchema } from "../../../fakes/gen/greeter_pb.ts";
import {
  ChoiceSchema,
  ListsSchema,
  MapsSchema,
  OptionalsSchema,
  ScalarsSchema,
  TreeSchema,
} from "../../../fakes/gen/kinds_pb.ts";
import { RecordSchema } from "../../../fakes/gen/legacy_pb.ts";

function read(desc: DescMessage, text: string, dialect: JsonDialect = "protojson"): unknown {
  return messageShape(desc).fromJson(parseJson(new TextEncoder().encode(text)), dialect);
}

interface ReadRow {
  readonly desc: DescMessage;
  readonly json: string;
  readonly fields: object;
  readonly why: string;
  readonly dialects: readonly JsonDialect[];
}

function row<Desc extends DescMessage>(
  desc: Desc,
  json: string,
  fields: MessageInitShape<Desc>,
  why: string,
  dialects: readonly JsonDialect[] = ["protojson", "plain"],
): ReadRow {
  return { desc, json, fields: fields as object, why, dialects };
}

suite("a message is read from JSON", () => {
  const seq = 9007199254740993n;
  const rows: readonly ReadRow[] = [
    row(EchoSchema, "{}", {}, "nothing is the zero message"),
    row(EchoSchema, `{"seq":${seq}}`, { seq }, "64 bits as number, exactly"),
    row(EchoSchema, `{"seq":"${seq}"}`, { seq }, "64 bits as string, exactly"),
    row(EchoSchema, '{"seq":9.007199254740993e15}', { seq }, "integral with an exponent"),
    row(
      EchoSchema,
      '{"seq":"9007199254740993.0"}',
      { seq },
      "integral with a fraction, in a string",
    ),
    row(EchoSchema, '{"seq":-9223372036854775808}', { seq: -(2n ** 63n) }, "the least"),
    row(EchoSchema, '{"data":"AAEC"}', { data: Uint8Array.of(0, 1, 2) }, "bytes are base64"),
    row(EchoSchema, '{"text":null,"seq":null,"data":null}', {}, "null is absent"),
    row(HelloRequestSchema, '{"firstName":"ann"}', { firstName: "ann" }, "lowerCamel name"),
    row(HelloRequestSchema, '{"first_name":"ann"}', { firstName: "ann" }, "original name"),
    row(
      HelloRequestSchema,
      '{"first_name":"ann","color":1,"x":[{}]}',
      { firstName: "ann" },
      "unknown members are ignored",
      ["plain"],
    ),
    row(
      ScalarsSchema,
      '{"int32Value":"-2147483648","uint32Value":4294967295}',
      { int32Value: -(2 ** 31), uint32Value: 2 ** 32 - 1 },
      "the ends of 32 bits",
    ),
    row(
      ScalarsSchema,
      '{"int32Value":1.0e3,"sint32Value":-0}',
      { int32Value: 1000, sint32Value: 0 },
      "integral forms; no negative zero",
    ),
    row(
      ScalarsSchema,
      '{"uint64Value":18446744073709551615,"fixed64Value":"1.8446744073709551615e19"}',
      { uint64Value: 2n ** 64n - 1n, fixed64Value: 2n ** 64n - 1n },
      "the greatest of 64 bits",
    ),
    row(
      ScalarsSchema,
      '{"doubleValue":"NaN","floatValue":"-Infinity"}',
      { doubleValue: Number.NaN, floatValue: Number.NEGATIVE_INFINITY },
      "what JSON has no numbers for",
    ),
    row(
      ScalarsSchema,
      '{"doubleValue":9007199254740993,"floatValue":"0.1"}',
      { doubleValue: 9007199254740992, floatValue: Math.fround(0.1) },
      "as near as the type holds",
    ),
    row(ScalarsSchema, '{"color":"COLOR_DEEP_BLUE"}', { color: 2 }, "enum by name"),
    row(ScalarsSchema, '{"color":-1}', { color: -1 }, "enum by number"),
    row(
      ScalarsSchema,
      '{"color":99}',
      { color: 99 as never },
      "an open enum keeps numbers it does not know",
    ),
    row(
      ScalarsSchema,
      '{"textId":9007199254740993}',
      { textId: "9007199254740993" },
      "jstype = JS_STRING",
    ),
    row(
      OptionalsSchema,
      '{"int32Value":0,"boolValue":false,"stringValue":""}',
      { int32Value: 0, boolValue: false, stringValue: "" },
      "a set zero is not an absent one",
    ),
    row(
      ListsSchema,
      '{"int64Values":["1",2],"boolValues":[],"colors":["COLOR_RED",2],"points":[{"xAxis":1},{}]}',
      { int64Values: [1n, 2n], colors: [1, 2], points: [{ xAxis: 1 }, {}] },
      "lists",
    ),
    row(
      MapsSchema,
      '{"byInt32":{"-1":"5"},"byBool":{"true":"COLOR_RED"},"byUint64":{"18446744073709551615":"AA=="},"points":{"p":{"yAxis":2}}}',
      {
        byInt32: { [-1]: 5n },
        byBool: { true: 1 },
        byUint64: { "18446744073709551615": Uint8Array.of(0) },
        points: { p: { yAxis: 2 } },
      },
      "maps",
    ),
    row(ChoiceSchema, '{"bigNumber":"7"}', { oneOf: { case: "bigNumber", value: 7n } }, "a oneof"),
    row(
      ChoiceSchema,
      '{"text":""}',
      { oneOf: { case: "text", value: "" } },
      "a oneof with a zero value is set",
    ),
    row(
      ChoiceSchema,
      '{"text":null,"raw":"AA=="}',
      { oneOf: { case: "raw", value: Uint8Array.of(0) } },
      "null does not set a oneof",
    ),
    row(
      TreeSchema,
      '{"left":{"branches":[{"named":{"x":{"name":"deep"}}}]}}',
      { left: { branches: [{ named: { x: { name: "deep" } } }] } },
      "a message within itself",
    ),
    row(
      RecordSchema,
      '{"key":"k","level":"HIGH","part":{"label":"l","inner":{"raw":"AA=="}}}',
      { key: "k", level: 2, part: { label: "l", inner: { raw: Uint8Array.of(0) } } },
      "proto2 and its groups",
    ),
  ];
  for (const { desc, json, fields, why, dialects } of rows) {
    for (const dialect of dialects) {
      test(`${dialect} ${json}: ${why}`, () =>
        assert.deepEqual(read(desc, json, dialect), create(desc, { ...fields })));
    }
  }

  test("a map entry named __proto__ is an entry", () => {
    const maps = read(MapsSchema, '{"byName":{"__proto__":"x"}}') as { byName: object };
    assert.deepEqual(Object.entries(maps.byName), [["__proto__", "x"]]);
    assert.equal(Object.getPrototypeOf(maps.byName), Object.prototype);
  });
});
