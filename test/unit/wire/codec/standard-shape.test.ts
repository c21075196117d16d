import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as v from "valibot";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { parseJson } from "#src/wire/codec/json-text.ts";
import { jsonShape, type StandardSchema } from "#src/wire/codec/standard-shape.ts";

const parse = (text: string) => parseJson(new TextEncoder().encode(text));

const reading = jsonShape(
  "plant.Reading",
  v.strictObject({
    sensor: v.pipe(v.string(), v.minLength(1)),
    values: v.array(v.number()),
    at: v.optional(v.union([v.number(), v.bigint()])),
    "odd name": v.optional(v.boolean()),
  }),
);

suite("jsonShape reads", () => {
  test("what its schema accepts", () =>
    assert.deepEqual(reading.fromJson(parse('{"sensor":"t1","values":[1,2.5]}'), "protojson"), {
      sensor: "t1",
      values: [1, 2.5],
    }));

  test("integers beyond 2^53 as bigint, exactly, and writes them so", () => {
    const json = '{"sensor":"t1","values":[],"at":9007199254740993}';
    const value = reading.fromJson(parse(json), "plain");
    assert.equal(value.at, 9007199254740993n);
    assert.equal(reading.toJson(value, "plain"), json);
  });

  test("what its schema transforms", () => {
    const shape = jsonShape(
      "T",
      v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
    );
    assert.equal(shape.fromJson("four", "protojson"), 4);
  });
});

suite("jsonShape refuses", () => {
  const rows: readonly { json: string; message: RegExp; why: string }[] = [
    {
      json: '{"values":[]}',
      message: /^plant\.Reading\.sensor: Invalid key: .*sensor/,
      why: "absent",
    },
    {
      json: '{"sensor":"t","values":[1,"x"]}',
      message: /^plant\.Reading\.values\[1\]: .*number/,
      why: "index",
    },
    {
      json: '{"sensor":"","values":[],"odd name":1}',
      message: /^plant\.Reading\.sensor: .*; plant\.Reading\["odd name"\]: /,
      why: "all issues at once",
    },
    { json: '"\\u0000"', message: /^plant\.Reading: [ -~]+$/, why: "printable" },
    {
      json: `{"sensor":"t","values":[${'"x",'.repeat(99)}"x"]}`,
      message: /^[ -~]{100,1500}; and 92 more$/,
      why: "bounded",
    },
  ];
  for (const { json, message, why } of rows) {
    test(`${json.slice(0, 40)}: ${why}`, () =>
      assert.throws(() => reading.fromJson(parse(json), "protojson"), {
        code: "ERR_WIRE_BODY",
        message,
      }));
  }

  test("every format but JSON, and says so", () => {
    const expected = {
      code: "ERR_WIRE_CONTENT_TYPE",
      message: "plant.Reading is spoken in JSON only: use application/json or application/json-rpc",
    };
    const value = { sensor: "t", values: [] };
    const envelope = { endpoint: "P.R", id: "1" };
    for (const codec of [CODECS.protobuf, CODECS["proto-rpc"], CODECS.bytes]) {
      assert.throws(() => codec.readRequest(new Uint8Array(), reading), expected, codec.name);
      assert.throws(() => codec.writeReply(value, reading, envelope), expected, codec.name);
    }
  });

  test("an answer that JSON can't carry: the handler's bug", () =>
    assert.throws(() => reading.toJson({ sensor: "t", values: [Number.NaN] }, "protojson"), {
      code: "ERR_INTERNAL",
      message: "plant.Reading.values[0] can't be written: JSON has no NaN",
    }));
});

suite("jsonShape and schemas that can't be used", () => {
  test("an asynchronous one is refused at registration when it says so", () =>
    assert.throws(
      () =>
        jsonShape(
          "T",
          v.pipeAsync(
            v.string(),
            v.checkAsync(async () => true),
          ),
        ),
      {
        code: "ERR_HANDLER_MODULE",
        message: "schema of T is asynchronous: use a sync one",
      },
    ));

  test("and in use when it does not; its rejection does not surface", async () => {
    const schema: StandardSchema<string> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => Promise.reject(new Error("late")),
      },
    };
    const shape = jsonShape("T", schema);
    assert.throws(() => shape.fromJson("x", "protojson"), {
      code: "ERR_INTERNAL",
      message: "schema of T is asynchronous: use a sync one",
    });
    // An unhandled rejection would fail this test by itself.
    await new Promise((resolve) => setImmediate(resolve));
  });

  test("something else altogether", () => {
    for (const schema of [
      undefined,
      null,
      {},
      { "~standard": { version: 2, validate: () => 0 } },
    ]) {
      assert.throws(() => jsonShape("T", schema as never), {
        code: "ERR_HANDLER_MODULE",
        message: "schema of T does not follow Standard Schema version 1",
      });
    }
  });

  test("one that throws", () => {
    const schema: StandardSchema<string> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => {
          throw new TypeError("boom");
        },
      },
    };
    assert.throws(() => jsonShape("T", schema).fromJson("x", "protojson"), {
      code: "ERR_INTERNAL",
      message: "schema of T failed",
    });
  });
});
