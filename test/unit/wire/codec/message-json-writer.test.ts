import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { HelloRequestSchema } from "../../../fakes/gen/greeter_pb.ts";
import {
  ChoiceSchema,
  EverythingSchema,
  ListsSchema,
  MapsSchema,
  OptionalsSchema,
  ScalarsSchema,
  TreeSchema,
} from "../../../fakes/gen/kinds_pb.ts";
import { RecordSchema } from "../../../fakes/gen/legacy_pb.ts";

interface WriteRow {
  readonly desc: DescMessage;
  readonly fields: object;
  readonly protojson: string;
  readonly plain: string;
  readonly why: string;
}

function row<Desc extends DescMessage>(
  desc: Desc,
  fields: MessageInitShape<Desc>,
  texts: { readonly protojson: string; readonly plain: string },
  why: string,
): WriteRow {
  return { desc, fields: fields as object, ...texts, why };
}

const both = (text: string) => ({ protojson: text, plain: text });

suite("a message is written as JSON", () => {
  const seq = 9007199254740993n;
  const rows: readonly WriteRow[] = [
    row(EchoSchema, {}, both("{}"), "zero values are left out"),
    row(EchoSchema, { text: "", seq: 0n, data: new Uint8Array() }, both("{}"), "set zeroes too"),
    row(EchoSchema, { seq }, { protojson: `{"seq":"${seq}"}`, plain: `{"seq":${seq}}` }, "64 bits"),
    row(EchoSchema, { text: 'a"\n\u00e9' }, both('{"text":"a\\"\\n\u00e9"}'), "escapes"),
    row(
      EchoSchema,
      { text: "x\ud800" },
      both('{"text":"x\ufffd"}'),
      "half a pair: no reader takes it",
    ),
    row(
      EchoSchema,
      { data: Uint8Array.of(255) },
      both('{"data":"/w=="}'),
      "standard base64, padded",
    ),
    row(
      HelloRequestSchema,
      { firstName: "ann", seqNo: 7n },
      { protojson: '{"firstName":"ann","seqNo":"7"}', plain: '{"first_name":"ann","seq_no":7}' },
      "names",
    ),
    row(
      ScalarsSchema,
      { color: 2 },
      { protojson: '{"color":"COLOR_DEEP_BLUE"}', plain: '{"color":2}' },
      "enums",
    ),
    row(
      ScalarsSchema,
      { color: 99 as never },
      both('{"color":99}'),
      "an enum number without a name",
    ),
    row(
      ScalarsSchema,
      { doubleValue: -0, floatValue: 1.5 },
      {
        protojson: '{"doubleValue":-0,"floatValue":1.5}',
        plain: '{"double_value":-0,"float_value":1.5}',
      },
      "negative zero is not zero",
    ),
    row(
      ScalarsSchema,
      { doubleValue: Number.NaN },
      { protojson: '{"doubleValue":"NaN"}', plain: '{"double_value":"NaN"}' },
      "what JSON has no number for",
    ),
    row(
      ScalarsSchema,
      { textId: "5" },
      { protojson: '{"textId":"5"}', plain: '{"text_id":5}' },
      "jstype = JS_STRING",
    ),
    row(
      OptionalsSchema,
      { int32Value: 0, stringValue: "" },
      {
        protojson: '{"int32Value":0,"stringValue":""}',
        plain: '{"int32_value":0,"string_value":""}',
      },
      "explicit presence writes zeroes",
    ),
    row(
      ListsSchema,
      { uint64Values: [1n, 2n ** 64n - 1n], points: [{}, { xAxis: 1 }] },
      {
        protojson: '{"uint64Values":["1","18446744073709551615"],"points":[{},{"xAxis":1}]}',
        plain: '{"uint64_values":[1,18446744073709551615],"points":[{},{"x_axis":1}]}',
      },
      "lists",
    ),
    row(
      MapsSchema,
      { byInt32: { 5: 6n }, byName: { 'a"': "" } },
      {
        protojson: '{"byName":{"a\\"":""},"byInt32":{"5":"6"}}',
        plain: '{"by_name":{"a\\"":""},"by_int32":{"5":6}}',
      },
      "maps, by field number",
    ),
    row(
      ChoiceSchema,
      { oneOf: { case: "bigNumber", value: 0n } },
      { protojson: '{"bigNumber":"0"}', plain: '{"big_number":0}' },
      "a oneof writes its zero",
    ),
    row(
      EverythingSchema,
      { customName: "x", tree: { left: {} } },
      {
        protojson: '{"tree":{"left":{}},"aliased":"x"}',
        plain: '{"tree":{"left":{}},"custom_name":"x"}',
      },
      "json_name; empty message is present",
    ),
    row(
      RecordSchema,
      { key: "k", level: 2 },
      { protojson: '{"key":"k","level":"HIGH"}', plain: '{"key":"k","level":2}' },
      "a default of proto2 is not written",
    ),
  ];
  for (const { desc, fields, protojson, plain, why } of rows) {
    const shape = messageShape(desc);
    test(`protojson ${protojson}: ${why}`, () =>
      assert.equal(shape.toJson(create(desc, { ...fields }), "protojson"), protojson));
    test(`plain ${plain}: ${why}`, () =>
      assert.equal(shape.toJson(create(desc, { ...fields }), "plain"), plain));
  }

  test("a handler may answer with a plain object", () => {
    const answer = { text: "hi", seq: 5 };
    const shape = messageShape(EchoSchema);
    assert.equal(shape.toJson(answer as never, "protojson"), '{"text":"hi","seq":"5"}');
    assert.deepEqual([...shape.toProtobuf({ text: "hi" } as never)], [10, 2, 104, 105]);
  });
});

suite("a message that its maker got wrong is ERR_INTERNAL, naming the field", () => {
  const rows: readonly { desc: DescMessage; fields: object; message: string; why: string }[] = [
    {
      desc: EchoSchema,
      fields: { text: 5 },
      message: "microedge.Echo.text can't be written: expected a string, got 5",
      why: "type",
    },
    {
      desc: EchoSchema,
      fields: { seq: 2n ** 63n },
      message:
        "microedge.Echo.seq can't be written: expected a 64-bit integer, got 9223372036854775808, which is out of range",
      why: "range",
    },
    {
      desc: EchoSchema,
      fields: { data: "AA==" },
      message: "microedge.Echo.data can't be written: expected bytes, got a string",
      why: "bytes are bytes",
    },
    {
      desc: ScalarsSchema,
      fields: { int32Value: 1.5 },
      message: "kinds.Scalars.int32Value can't be written: expected a 32-bit integer, got 1.5",
      why: "fraction",
    },
    {
      desc: ScalarsSchema,
      fields: { boolValue: 1 },
      message: "kinds.Scalars.boolValue can't be written: expected true or false, got 1",
      why: "type",
    },
    {
      desc: ScalarsSchema,
      fields: { color: "COLOR_RED" },
      message:
        "kinds.Scalars.color can't be written: expected a number of kinds.Color, got a string",
      why: "enums are numbers",
    },
    {
      desc: ListsSchema,
      fields: { points: [{}, { xAxis: "" }] },
      message:
        "kinds.Lists.points[1].xAxis can't be written: expected a 32-bit integer, got a string",
      why: "path",
    },
    {
      desc: TreeSchema,
      fields: { named: { "a b": { name: 1 } } },
      message: 'kinds.Tree.named["a b"].name can\'t be written: expected a string, got 1',
      why: "path",
    },
    {
      desc: RecordSchema,
      fields: {},
      message: "legacy.Record.key can't be written: required, and not set",
      why: "proto2",
    },
  ];
  for (const { desc, fields, message, why } of rows) {
    test(`${message}: ${why}`, () =>
      assert.throws(() => messageShape(desc).toJson(create(desc, { ...fields }), "protojson"), {
        code: "ERR_INTERNAL",
        message,
      }));
  }
});
