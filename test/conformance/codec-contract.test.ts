/** What is promised about `microedge.Echo` in every codec, whoever asks. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";

const echo = messageShape(EchoSchema, { bytesField: "data" });
const utf8 = (text: string) => new TextEncoder().encode(text);
const SEQ = 9007199254740993n;
const envelope = { endpoint: "Agent.Echo", id: "0" };

suite("microedge.Echo", () => {
  const inJson = [
    { body: `{"seq":${SEQ}}`, why: "read as a number" },
    { body: `{"seq":"${SEQ}"}`, why: "read as a string" },
  ];
  for (const { body, why } of inJson) {
    test(`seq is exact at ${SEQ}: ${why}, written as a string`, () => {
      const message = CODECS.json.readRequest(utf8(body), echo);
      assert.equal(message.seq, SEQ);
      const reply = Buffer.from(CODECS.json.writeReply(message, echo, envelope)).toString();
      assert.equal(reply, `{"seq":"${SEQ}"}\n`);
    });
  }

  test(`seq is exact at ${SEQ} in every other codec that carries it`, () => {
    const message = create(EchoSchema, { seq: SEQ });
    for (const codec of [CODECS.protobuf, CODECS["json-rpc"], CODECS["proto-rpc"]]) {
      const request = codec.writeRequest(message, echo, envelope);
      assert.equal(codec.readRequest(request, echo).seq, SEQ, codec.name);
    }
  });

  test("json-rpc writes seq as a number, as go-micro does", () => {
    const body = CODECS["json-rpc"].writeReply(create(EchoSchema, { seq: SEQ }), echo, envelope);
    assert.equal(Buffer.from(body).toString(), `{"id":"0","result":{"seq":${SEQ}},"error":null}\n`);
  });

  test("data is standard base64 in JSON", () => {
    const message = CODECS.json.readRequest(utf8('{"data":"+/8="}'), echo);
    assert.deepEqual(message.data, Uint8Array.of(0xfb, 0xff));
    const reply = Buffer.from(CODECS.json.writeReply(message, echo, envelope)).toString();
    assert.equal(reply, '{"data":"+/8="}\n');
  });

  test("a raw-bytes body is data", () => {
    const body = Uint8Array.of(0, 1, 254, 255);
    const message = CODECS.bytes.readRequest(body, echo);
    assert.deepEqual(message, create(EchoSchema, { data: body }));
    assert.deepEqual(CODECS.bytes.writeReply(message, echo, envelope), body);
  });
});
