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

suite("a message is refused, naming the field and the reason", () => {
  const rows: readonly { desc: DescMessage; json: string; message: string; why: string }[] = [
    {
      desc: EchoSchema,
      json: '{"seq":"abc"}',
      message: 'microedge.Echo.seq: expected a 64-bit integer, got "abc"',
      why: "no number",
    },
    {
      desc: EchoSchema,
      json: '{"seq":1.5}',
      message: "microedge.Echo.seq: expected a 64-bit integer, got 1.5",
      why: "a fraction",
    },
    {
      desc: EchoSchema,
      json: '{"seq":""}',
      message: 'microedge.Echo.seq: expected a 64-bit integer, got ""',
      why: "an empty string is not 0",
    },
    {
      desc: EchoSchema,
      json: '{"seq":9223372036854775808}',
      message:
        "microedge.Echo.seq: expected a 64-bit integer, got 9223372036854775808, which is out of range",
      why: "one too many",
    },
    {
      desc: EchoSchema,
      json: '{"seq":true}',
      message: "microedge.Echo.seq: expected a 64-bit integer, got true",
      why: "a boolean",
    },
    {
      desc: EchoSchema,
      json: '{"text":5}',
      message: "microedge.Echo.text: expected a string, got 5",
      why: "a number",
    },
    {
      desc: EchoSchema,
      json: '{"text":{}}',
      message: "microedge.Echo.text: expected a string, got an object",
      why: "an object",
    },
    {
      desc: EchoSchema,
      json: '{"data":"secret!"}',
      message: "microedge.Echo.data: expected base64, got a string that is not",
      why: "the text is not repeated",
    },
    {
      desc: EchoSchema,
      json: '{"data":[1]}',
      message: "microedge.Echo.data: expected a base64 string, got an array",
      why: "an array",
    },
    {
      desc: EchoSchema,
      json: "[]",
      message: "microedge.Echo: expected an object, got an array",
      why: "not a message",
    },
    {
      desc: EchoSchema,
      json: "null",
      message: "microedge.Echo: expected an object, got null",
      why: "not a message",
    },
    {
      desc: EchoSchema,
      json: '{"txt":"x"}',
      message: 'microedge.Echo.txt: microedge.Echo has no such field; did you mean "text"?',
      why: "misspelt",
    },
    {
      desc: EchoSchema,
      json: '{"__proto__":{}}',
      message: "microedge.Echo.__proto__: microedge.Echo has no such field",
      why: "nothing near",
    },
    {
      desc: EchoSchema,
      json: '{"a b\\n":1}',
      message: 'microedge.Echo["a b\\n"]: microedge.Echo has no such field',
      why: "odd names are quoted",
    },
    {
      desc: HelloRequestSchema,
      json: '{"firstName":"a","first_name":"b"}',
      message: "greeter.HelloRequest.first_name: stands twice, once in each spelling",
      why: "which one counts?",
    },
    {
      desc: HelloRequestSchema,
      json: '{"firstName":null,"first_name":"b"}',
      message: "greeter.HelloRequest.first_name: stands twice, once in each spelling",
      why: "null stands too",
    },
    {
      desc: ScalarsSchema,
      json: '{"int32Value":2147483648}',
      message:
        "kinds.Scalars.int32Value: expected a 32-bit integer, got 2147483648, which is out of range",
      why: "range",
    },
    {
      desc: ScalarsSchema,
      json: '{"uint32_value":-1}',
      message:
        "kinds.Scalars.uint32_value: expected an unsigned 32-bit integer, got -1, which is out of range",
      why: "range; the caller's spelling",
    },
    {
      desc: ScalarsSchema,
      json: '{"uint64Value":"-1"}',
      message:
        "kinds.Scalars.uint64Value: expected an unsigned 64-bit integer, got -1, which is out of range",
      why: "range",
    },
    {
      desc: ScalarsSchema,
      json: '{"floatValue":1e39}',
      message:
        "kinds.Scalars.floatValue: expected a number up to 3.4028234663852886e+38, got 1e+39",
      why: "range of float",
    },
    {
      desc: ScalarsSchema,
      json: '{"doubleValue":"1e999"}',
      message: 'kinds.Scalars.doubleValue: expected a number within double\'s range, got "1e999"',
      why: "would be infinite",
    },
    {
      desc: ScalarsSchema,
      json: '{"doubleValue":"0x10"}',
      message: 'kinds.Scalars.doubleValue: expected a number within double\'s range, got "0x10"',
      why: "not decimal",
    },
    {
      desc: ScalarsSchema,
      json: '{"boolValue":"true"}',
      message: "kinds.Scalars.boolValue: expected true or false, got a string",
      why: "a string",
    },
    {
      desc: ScalarsSchema,
      json: '{"color":"COLOR_READ"}',
      message:
        'kinds.Scalars.color: enum kinds.Color has no value "COLOR_READ"; did you mean "COLOR_RED"?',
      why: "misspelt",
    },
    {
      desc: ScalarsSchema,
      json: '{"color":1.5}',
      message: "kinds.Scalars.color: expected a name or number of kinds.Color, got 1.5",
      why: "no integer",
    },
    {
      desc: ScalarsSchema,
      json: '{"color":4294967297}',
      message: "kinds.Scalars.color: expected a name or number of kinds.Color, got 4294967297",
      why: "beyond 32 bits",
    },
    {
      desc: RecordSchema,
      json: '{"level":3}',
      message: "legacy.Record.level: enum legacy.Level has no value 3",
      why: "a closed enum",
    },
    {
      desc: ListsSchema,
      json: '{"points":[{},{"xAxis":"?"}]}',
      message: 'kinds.Lists.points[1].xAxis: expected a 32-bit integer, got "?"',
      why: "full path",
    },
    {
      desc: ListsSchema,
      json: '{"points":{}}',
      message: "kinds.Lists.points: expected an array, got an object",
      why: "not a list",
    },
    {
      desc: ListsSchema,
      json: '{"stringValues":["a",null]}',
      message: "kinds.Lists.stringValues[1]: expected a string, got null",
      why: "null is no element",
    },
    {
      desc: MapsSchema,
      json: '{"points":{"a\\"b":{"zAxis":1}}}',
      message:
        'kinds.Maps.points["a\\"b"].zAxis: kinds.Point has no such field; did you mean "xAxis"?',
      why: "path through a map",
    },
    {
      desc: MapsSchema,
      json: '{"byInt32":{"01":1}}',
      message: 'kinds.Maps.byInt32["01"]: expected a 32-bit integer, got "01"',
      why: "a second spelling of 1",
    },
    {
      desc: MapsSchema,
      json: '{"byInt32":{"1e0":1}}',
      message: 'kinds.Maps.byInt32["1e0"]: expected a plain integer as key, got "1e0"',
      why: "a second spelling of 1",
    },
    {
      desc: MapsSchema,
      json: '{"byBool":{"yes":1}}',
      message: 'kinds.Maps.byBool["yes"]: expected the key "true" or "false", got "yes"',
      why: "bool keys",
    },
    {
      desc: MapsSchema,
      json: '{"byName":{"a":null}}',
      message: 'kinds.Maps.byName["a"]: expected a string, got null',
      why: "null is no entry",
    },
    {
      desc: ChoiceSchema,
      json: '{"text":"a","bigNumber":1}',
      message: "kinds.Choice.bigNumber: only one member of oneof oneOf may be set, and text is",
      why: "two members of a oneof",
    },
    {
      desc: TreeSchema,
      json: '{"left":{"left":{"name":1}}}',
      message: "kinds.Tree.left.left.name: expected a string, got 1",
      why: "full path",
    },
  ];
  for (const { desc, json, message, why } of rows) {
    test(`${json}: ${why}`, () => {
      const colon = message.indexOf(": ");
      const fields = { field: message.slice(0, colon), reason: message.slice(colon + 2) };
      assert.throws(() => read(desc, json), { code: "ERR_WIRE_BODY", message, fields });
    });
  }

  test("a number from JSON.parse that may have lost digits is refused", () =>
    assert.throws(() => messageShape(EchoSchema).fromJson({ seq: 2 ** 53 }, "protojson"), {
      message: "microedge.Echo.seq: expected a 64-bit integer, got 9007199254740992",
    }));

  test("what a peer sent is repeated in part", () =>
    assert.throws(
      () => read(EchoSchema, `{"seq":"${"9".repeat(100_000)}x"}`),
      (error: Error) => error.message.length < 150,
    ));
});
