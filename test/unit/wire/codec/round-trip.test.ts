import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, createRegistry } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { EverythingSchema, WellKnownSchema } from "../../../fakes/gen/kinds_pb.ts";
import { messageArbitrary } from "../../../fakes/message-arbitrary.ts";

const registry = createRegistry(StringValueSchema);
const envelope = { endpoint: "A.B", id: "12" };
const codecs = [CODECS.json, CODECS.protobuf, CODECS["json-rpc"], CODECS["proto-rpc"]];

suite("what a codec writes, it reads back the same", () => {
  for (const desc of [EchoSchema, EverythingSchema, WellKnownSchema]) {
    const shape = messageShape(desc, { registry });
    for (const codec of codecs) {
      test(`${codec.name}: any ${desc.typeName}, as request and as reply`, () =>
        fc.assert(
          fc.property(messageArbitrary(desc), (message) => {
            const typed = message as never;
            const request = codec.writeRequest(typed, shape, envelope);
            assert.deepEqual(codec.readRequest(request, shape), message);
            const reply = codec.writeReply(typed, shape, envelope);
            assert.deepEqual(codec.readReply(reply, shape), { ok: true, value: message });
          }),
          { numRuns: 200 },
        ));
    }
  }

  test("bytes: any raw body", () => {
    const shape = messageShape(EchoSchema, { bytesField: "data" });
    return fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        const message = create(EchoSchema, { data });
        const request = CODECS.bytes.writeRequest(message, shape, envelope);
        assert.deepEqual(request, data);
        assert.deepEqual(CODECS.bytes.readRequest(request, shape), message);
      }),
    );
  });

  test("envelopes: any endpoint, and any id that json-rpc can carry", () => {
    const shape = messageShape(EchoSchema);
    const text = fc.string({ unit: "grapheme", maxLength: 50 });
    return fc.assert(
      fc.property(text, text, (endpoint, id) => {
        const body = CODECS["json-rpc"].writeRequest(create(EchoSchema), shape, { endpoint, id });
        assert.deepEqual(CODECS["json-rpc"].openRequest(body)?.envelope, { endpoint, id });
      }),
    );
  });

  test("envelopes: any 64-bit id in proto-rpc", () => {
    const shape = messageShape(EchoSchema);
    return fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (seq) => {
        const one = { endpoint: "A.B", id: String(seq) };
        const body = CODECS["proto-rpc"].writeRequest(create(EchoSchema), shape, one);
        assert.deepEqual(CODECS["proto-rpc"].openRequest(body)?.envelope, one);
      }),
    );
  });
});
