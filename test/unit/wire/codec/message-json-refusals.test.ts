import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { DescMessage } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { parseJson } from "#src/wire/codec/json-text.ts";
import type { JsonDialect } from "#src/wire/codec/json-value.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { HelloRequestSchema } from "../../../fakes/gen/greeter_pb.ts";
import {
  ChoiceSchema,
  ListsSchema,
  MapsSchema,
  ScalarsSchema,
  TreeSchema,
} from "../../../fakes/gen/kinds_pb.ts";
import { RecordSchema } from "../../../fakes/gen/legacy_pb.ts";

function read(desc: DescMessage, text: string, dialect: JsonDialect = "protojson"): unknown {
  return messageShape(desc).fromJson(parseJson(new TextEncoder().encode(text)), dialect);
}

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
