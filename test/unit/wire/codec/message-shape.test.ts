import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { ChoiceSchema, ListsSchema, ScalarsSchema } from "../../../fakes/gen/kinds_pb.ts";

suite("messageShape with a bytes field", () => {
  const echo = messageShape(EchoSchema, { bytesField: "data" });

  test("a raw body is that field", () => {
    const body = Uint8Array.of(0, 255);
    const message = echo.fromBytes(body);
    assert.deepEqual(message, create(EchoSchema, { data: Uint8Array.of(0, 255) }));
    body.fill(7);
    assert.deepEqual(message.data, Uint8Array.of(0, 255), "in memory of its own");
    assert.deepEqual(echo.toBytes(message), Uint8Array.of(0, 255));
  });

  test("a plain object without it is an empty body", () =>
    assert.deepEqual(echo.toBytes({ text: "lost" } as never), new Uint8Array()));

  test("something else in its place is a bug", () =>
    assert.throws(() => echo.toBytes({ data: "AA==" } as never), {
      code: "ERR_INTERNAL",
      message: "microedge.Echo.data can't be written: expected bytes",
    }));

  test("only a single bytes field will do", () => {
    const rows = [
      () => messageShape(EchoSchema, { bytesField: "text" }),
      () => messageShape(EchoSchema, { bytesField: "dta" }),
      () => messageShape(ListsSchema, { bytesField: "bytes_values" }),
      () => messageShape(ChoiceSchema, { bytesField: "raw" }),
    ];
    for (const make of rows) assert.throws(make, TypeError);
    assert.ok(messageShape(ScalarsSchema, { bytesField: "bytes_value" }));
  });
});

test("messageShape without one refuses raw bytes and says what it takes", () => {
  const shape = messageShape(ScalarsSchema);
  const expected = {
    code: "ERR_WIRE_CONTENT_TYPE",
    message: "kinds.Scalars has no raw form: send JSON or protobuf",
  };
  assert.throws(() => shape.fromBytes(Uint8Array.of(1)), expected);
  assert.throws(() => shape.toBytes(create(ScalarsSchema)), expected);
});

test("a message that its maker got wrong can't be written as protobuf either", () =>
  assert.throws(
    () => messageShape(ScalarsSchema).toProtobuf(create(ScalarsSchema, { int32Value: 1.5 })),
    { code: "ERR_INTERNAL", message: /^kinds\.Scalars can't be written: .*int32_value.*1\.5/ },
  ));
