import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, createRegistry, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { parseJson } from "#src/wire/codec/json-text.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import {
  type Choice,
  ChoiceSchema,
  type WellKnown,
  WellKnownSchema,
} from "../../../fakes/gen/kinds_pb.ts";

const shape = messageShape(WellKnownSchema, { registry: createRegistry(EchoSchema) });
const parse = (text: string) => parseJson(new TextEncoder().encode(text));

interface WellKnownRow {
  readonly fields: MessageInitShape<typeof WellKnownSchema>;
  readonly protojson: string;
  readonly plain: string;
  readonly why: string;
}

const both = (text: string) => ({ protojson: text, plain: text });

suite("well-known types, written and read back", () => {
  const rows: readonly WellKnownRow[] = [
    {
      fields: { atTime: timestampFromMs(1500) },
      protojson: '{"atTime":"1970-01-01T00:00:01.500Z"}',
      plain: '{"at_time":{"seconds":1,"nanos":500000000}}',
      why: "Timestamp: Go's plain JSON sees a struct",
    },
    {
      fields: { forTime: { seconds: -3n, nanos: 0 } },
      protojson: '{"forTime":"-3s"}',
      plain: '{"for_time":{"seconds":-3}}',
      why: "Duration",
    },
    {
      fields: { mask: { paths: ["a_b", "c"] } },
      protojson: '{"mask":"aB,c"}',
      plain: '{"mask":{"paths":["a_b","c"]}}',
      why: "FieldMask",
    },
    {
      fields: { details: { a: [1, "x", null, { b: true }] } },
      ...both('{"details":{"a":[1,"x",null,{"b":true}]}}'),
      why: "Struct is any object",
    },
    { fields: { details: {} }, ...both('{"details":{}}'), why: "an empty Struct is present" },
    {
      fields: { anything: { kind: { case: "nullValue", value: 0 } } },
      ...both('{"anything":null}'),
      why: "a Value may be null",
    },
    {
      fields: { anything: { kind: { case: "numberValue", value: 1.5 } } },
      ...both('{"anything":1.5}'),
      why: "a Value may be a number",
    },
    {
      fields: { list: { values: [{ kind: { case: "boolValue", value: true } }] } },
      ...both('{"list":[true]}'),
      why: "ListValue",
    },
    {
      fields: { any: anyPack(EchoSchema, create(EchoSchema, { text: "hi" })) },
      protojson: '{"any":{"text":"hi","@type":"type.googleapis.com/microedge.Echo"}}',
      plain: '{"any":{"type_url":"type.googleapis.com/microedge.Echo","value":"CgJoaQ=="}}',
      why: "Any of a registered type",
    },
    { fields: { empty: {} }, ...both('{"empty":{}}'), why: "Empty is an ordinary message" },
    {
      fields: { int64Wrapper: 9007199254740993n },
      protojson: '{"int64Wrapper":"9007199254740993"}',
      plain: '{"int64_wrapper":{"value":9007199254740993}}',
      why: "a wrapper is its bare value",
    },
    {
      fields: { int64Wrapper: 0n, stringWrapper: "", boolWrapper: false },
      protojson: '{"int64Wrapper":"0","stringWrapper":"","boolWrapper":false}',
      plain:
        '{"int64_wrapper":{"value":0},"string_wrapper":{"value":""},"bool_wrapper":{"value":false}}',
      why: "a wrapped zero is present",
    },
    {
      fields: { bytesWrapper: Uint8Array.of(1) },
      protojson: '{"bytesWrapper":"AQ=="}',
      plain: '{"bytes_wrapper":{"value":"AQ=="}}',
      why: "bytes in a wrapper",
    },
    {
      fields: { wrappers: [{ value: 5n }, {}] },
      protojson: '{"wrappers":["5","0"]}',
      plain: '{"wrappers":[{"value":5},{"value":0}]}',
      why: "wrappers in a list",
    },
    {
      fields: { times: [timestampFromMs(0)] },
      protojson: '{"times":["1970-01-01T00:00:00Z"]}',
      plain: '{"times":[{}]}',
      why: "timestamps in a list",
    },
    {
      fields: { spans: { s: { seconds: 1n } } },
      protojson: '{"spans":{"s":"1s"}}',
      plain: '{"spans":{"s":{"seconds":1}}}',
      why: "durations in a map",
    },
  ];
  for (const { fields, protojson, plain, why } of rows) {
    const message = create(WellKnownSchema, fields);
    test(`protojson ${protojson}: ${why}`, () => {
      assert.equal(shape.toJson(message, "protojson"), protojson);
      assert.deepEqual(shape.fromJson(parse(protojson), "protojson"), message);
    });
    test(`plain ${plain}: ${why}`, () => {
      assert.equal(shape.toJson(message, "plain"), plain);
      assert.deepEqual(shape.fromJson(parse(plain), "plain"), message);
      assert.deepEqual(shape.fromJson(parse(protojson), "plain"), message, "protojson's form too");
    });
  }

  test("a wrapper in a oneof stays a message", () => {
    const choice = messageShape(ChoiceSchema);
    const message = create(ChoiceSchema, { oneOf: { case: "wrapped", value: { value: "w" } } });
    for (const dialect of ["protojson", "plain"] as const) {
      const read: Choice = choice.fromJson(parse(choice.toJson(message, dialect)), dialect);
      assert.deepEqual(read, message);
    }
  });

  test("an integer in a Struct becomes a double, and bytes of __proto__ a member", () => {
    const read: WellKnown = shape.fromJson(
      parse('{"details":{"n":9007199254740993,"__proto__":{"x":1}}}'),
      "protojson",
    );
    assert.deepEqual(JSON.stringify(read.details), '{"n":9007199254740992,"__proto__":{"x":1}}');
  });
});

test("a negative duration without a fraction has nanos of 0, not of -0", () => {
  const read = shape.fromJson(parse('{"forTime":"-1.0s"}'), "protojson");
  assert.deepEqual(read, create(WellKnownSchema, { forTime: { seconds: -1n, nanos: 0 } }));
});

suite("well-known types refused", () => {
  const rows = [
    {
      json: '{"atTime":"yesterday"}',
      message:
        "kinds.WellKnown.atTime: expected a google.protobuf.Timestamp: invalid RFC 3339 string",
    },
    {
      json: '{"forTime":"5"}',
      message: /^kinds\.WellKnown\.forTime: expected a google\.protobuf\.Duration/,
    },
    {
      json: '{"forTime":"1.0000000001s"}',
      message: /^kinds\.WellKnown\.forTime: expected a google\.protobuf\.Duration/,
    },
    {
      json: '{"forTime":"1s and more"}',
      message:
        'kinds.WellKnown.forTime: expected a google.protobuf.Duration such as "1.5s", got "1s and more"',
    },
    {
      json: '{"details":[]}',
      message: "kinds.WellKnown.details: expected an object, got an array",
    },
    {
      json: '{"any":{"@type":"type.googleapis.com/none.Such"}}',
      message: /none\.Such is not in the type registry/,
    },
    {
      json: '{"int64Wrapper":"x"}',
      message: 'kinds.WellKnown.int64Wrapper: expected a 64-bit integer, got "x"',
    },
    { json: '{"times":["1970-01-01T00:00:00Z","?"]}', message: /^kinds\.WellKnown\.times\[1\]: / },
  ];
  for (const { json, message } of rows) {
    test(json, () =>
      assert.throws(() => shape.fromJson(parse(json), "protojson"), {
        code: "ERR_WIRE_BODY",
        message,
      }),
    );
  }
});
