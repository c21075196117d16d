import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { bytesShape } from "#src/wire/codec/bytes-shape.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";

suite("bytesShape", () => {
  const bytes = Uint8Array.of(0, 1, 255);
  const envelope = { endpoint: "A.B", id: "1" };
  const rows = [
    { codec: CODECS.bytes, request: "\x00\x01\xff", why: "as they are" },
    { codec: CODECS.json, request: '"AAH/"\n', why: "base64" },
    {
      codec: CODECS["json-rpc"],
      request: '{"params":["AAH/"],"id":"1","method":"A.B"}\n',
      why: "base64",
    },
    { codec: CODECS.protobuf, request: "\n\x03\x00\x01\xff", why: "google.protobuf.BytesValue" },
  ];
  for (const { codec, request, why } of rows) {
    test(`${codec.name}: ${why}`, () => {
      const body = codec.writeRequest(bytes, bytesShape, envelope);
      assert.equal(Buffer.from(body).toString("latin1"), request);
      const read = codec.readRequest(body.slice(), bytesShape);
      assert.deepEqual(read, bytes);
    });
  }

  test("what is read has memory of its own", () => {
    const body = bytes.slice();
    const read = CODECS.bytes.readRequest(body, bytesShape);
    body.fill(9);
    assert.deepEqual(read, bytes);
  });

  test("an empty body is no bytes, in every codec", () => {
    for (const codec of Object.values(CODECS)) {
      assert.deepEqual(
        codec.readRequest(new Uint8Array(), bytesShape),
        new Uint8Array(),
        codec.name,
      );
    }
  });

  test("json-rpc also reads what Go's plain JSON writes", () =>
    assert.deepEqual(bytesShape.fromJson({ value: "AAH/" }, "plain"), bytes));

  test("something else is refused", () =>
    assert.throws(() => bytesShape.fromJson({ value: "AAH/" }, "protojson"), {
      code: "ERR_WIRE_BODY",
      message: "google.protobuf.BytesValue: expected a base64 string, got an object",
    }));

  for (const codec of [CODECS.bytes, CODECS.protobuf]) {
    test(`${codec.name}: what was read is no window on a body that came as a Buffer`, () => {
      const body = Buffer.from(codec.writeRequest(bytes, bytesShape, envelope));
      const read = codec.readRequest(body, bytesShape);
      body.fill(0x55);
      assert.deepEqual(new Uint8Array(read), bytes);
    });
  }
});
