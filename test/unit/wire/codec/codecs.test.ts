import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { CODECS, codecFor } from "#src/wire/codec/codecs.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";

suite("codecFor", () => {
  const rows: readonly { contentType: string; name: string | undefined; why: string }[] = [
    { contentType: "application/json", name: "json", why: "go-micro's default" },
    { contentType: "application/protobuf", name: "protobuf", why: "default when absent" },
    { contentType: "application/json-rpc", name: "json-rpc", why: "legacy" },
    { contentType: "application/proto-rpc", name: "proto-rpc", why: "legacy" },
    { contentType: "application/octet-stream", name: "bytes", why: "raw" },
    { contentType: "application/json; charset=utf-8", name: undefined, why: "no parameters" },
    { contentType: "Application/JSON", name: undefined, why: "exact case" },
    { contentType: "application/grpc", name: undefined, why: "not on this transport" },
    { contentType: "", name: undefined, why: "absent is the caller's business" },
    { contentType: "__proto__", name: undefined, why: "only what is listed" },
  ];
  for (const { contentType, name, why } of rows) {
    test(`"${contentType}": ${why}`, () => assert.equal(codecFor(contentType)?.name, name));
  }

  test("CODECS lists each under its own name", () => {
    for (const [name, codec] of Object.entries(CODECS)) {
      assert.equal(codec.name, name);
      assert.equal(codecFor(codec.contentType), codec);
    }
  });
});

suite("every codec", () => {
  const echo = messageShape(EchoSchema, { bytesField: "data" });
  const envelope = { endpoint: "Agent.Echo", id: "7" };

  for (const codec of Object.values(CODECS)) {
    test(`${codec.name}: an empty body is the zero message, as request and as reply`, () => {
      const zero = create(EchoSchema);
      assert.deepEqual(codec.readRequest(new Uint8Array(), echo), zero);
      assert.deepEqual(codec.readReply(new Uint8Array(), echo), { ok: true, value: zero });
    });

    test(`${codec.name}: what it writes, it reads`, () => {
      const message = create(EchoSchema, { data: Uint8Array.of(1, 2, 3) });
      assert.deepEqual(
        codec.readRequest(codec.writeRequest(message, echo, envelope), echo),
        message,
      );
      assert.deepEqual(codec.readReply(codec.writeReply(message, echo, envelope), echo), {
        ok: true,
        value: message,
      });
    });
  }

  test("json, protobuf and bytes have no envelope and no error body", () => {
    for (const codec of [CODECS.json, CODECS.protobuf, CODECS.bytes]) {
      assert.equal(codec.openRequest(Uint8Array.of(1))?.envelope, undefined);
      assert.equal(codec.writeError("no", envelope).byteLength, 0);
    }
  });

  test("json ends its line, like Go's encoder", () =>
    assert.deepEqual(
      CODECS.json.writeReply(create(EchoSchema, { text: "\u00e9" }), echo, envelope),
      new Uint8Array(Buffer.from('{"text":"\u00e9"}\n')),
    ));
});
