/**
 * The bodies that go-micro v4, v5 and v6 sent: each is read, and what we write in its place has the
 * same bytes. Only v4's `application/json` differs, which spells as we do in json-rpc: there the
 * meaning is compared.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { DescMessage } from "@bufbuild/protobuf";
import { CODECS, codecFor } from "#src/wire/codec/codecs.ts";
import { parseJson } from "#src/wire/codec/json-text.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import type { Shape } from "#src/wire/codec/shape.ts";
import type { MessageHeaders, RequestHead, ResponseHead } from "#src/wire/mucp/message.ts";
import {
  type MessageReader,
  requestReader,
  responseReader,
} from "#src/wire/mucp/message-reader.ts";
import { HelloRequestSchema, HelloResponseSchema } from "../fakes/gen/greeter_pb.ts";
import { type Recording, recordings } from "./mucp-vectors.ts";

interface Body {
  readonly headers: MessageHeaders;
  readonly bytes: Uint8Array;
}

function bodiesOf<Head extends RequestHead | ResponseHead>(
  reader: MessageReader<Head>,
  stream: Uint8Array,
): Body[] {
  const bodies: Body[] = [];
  reader.push(stream, {
    onHead: () => "keep",
    onMessage: (head, body) => bodies.push({ headers: head.headers, bytes: body.slice() }),
  });
  return bodies.filter(({ bytes }) => bytes.byteLength > 0);
}

const requestShape = messageShape(HelloRequestSchema);
const responseShape = messageShape(HelloResponseSchema);

/** Same bytes, or for v4's JSON the same members with the names and numbers of the other dialect. */
function assertSame<T>(ours: Uint8Array, body: Body, version: string, shape: Shape<T>): void {
  if (body.headers.get("content-type") !== "application/json" || !version.startsWith("v4")) {
    assert.equal(Buffer.from(ours).toString("latin1"), Buffer.from(body.bytes).toString("latin1"));
    return;
  }
  const value = CODECS.json.readRequest(ours, shape);
  const plain = new TextEncoder().encode(shape.toJson(value, "plain"));
  assert.deepEqual(parseJson(plain), parseJson(body.bytes));
}

function codecOf(body: Body) {
  const codec = codecFor(body.headers.get("content-type") ?? "application/protobuf");
  assert.ok(codec !== undefined, body.headers.get("content-type"));
  return codec;
}

function checkRequest(body: Body, version: string): void {
  const codec = codecOf(body);
  const endpoint = body.headers.get("micro-endpoint") ?? "";
  const envelope = codec.openRequest(body.bytes)?.envelope ?? { endpoint, id: "" };
  assert.equal(envelope.endpoint, endpoint);
  const message = codec.readRequest(body.bytes, requestShape);
  assertSame(codec.writeRequest(message, requestShape, envelope), body, version, requestShape);
}

function checkReply(body: Body, version: string): void {
  const codec = codecOf(body);
  const id = body.headers.get("micro-id") ?? "";
  const reply = codec.readReply(body.bytes, responseShape);
  const error = body.headers.get("micro-error");
  if (reply.ok) {
    assert.equal(error, undefined);
    const ours = codec.writeReply(reply.value, responseShape, { endpoint: "", id });
    assertSame(ours, body, version, responseShape);
  } else {
    assert.equal(reply.error, error, "header and body say the same");
    // go-micro forgets the id in the error replies of json-rpc; ours carry it.
    const ours = codec.writeError(reply.error, { endpoint: "", id: "" });
    assertSame(ours, body, version, responseShape);
  }
}

suite("bodies recorded from go-micro, read and written again", () => {
  const all: readonly Recording[] = recordings("http");
  const counts = new Map<string, number>();
  const count = (version: string, contentType: string, direction: string): void => {
    const key = `${version.slice(0, 2)} ${contentType} ${direction}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };

  for (const { name, version, request, response } of all) {
    test(`${version} ${name}`, () => {
      for (const body of bodiesOf(requestReader(), request)) {
        checkRequest(body, version);
        count(version, codecOf(body).name, "request");
      }
      for (const body of bodiesOf(responseReader(), response)) {
        checkReply(body, version);
        count(version, codecOf(body).name, "reply");
      }
    });
  }

  test("every version, codec and direction was there", () => {
    for (const version of ["v4", "v5", "v6"]) {
      for (const codec of ["json", "protobuf", "json-rpc", "proto-rpc"]) {
        for (const direction of ["request", "reply"]) {
          const seen = counts.get(`${version} ${codec} ${direction}`) ?? 0;
          assert.ok(seen >= 2, `${version} ${codec} ${direction}: ${seen}`);
        }
      }
    }
  });
});

suite("what go-micro's JSON readers accept, from wire.md 1.3", () => {
  const desc: DescMessage = HelloRequestSchema;
  const shape = messageShape(desc);
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const rows = [
    { body: '{"first_name":"a","seq_no":7}', why: "v4's spelling" },
    { body: '{"firstName":"a","seqNo":"7"}', why: "v5's and v6's spelling" },
    { body: '{"firstName":"a","seqNo":7}', why: "number for string" },
    { body: '{"first_name":"a","seq_no":"7"}', why: "string for number" },
    {
      body: '{ "firstName" :"a", "seqNo":"7"}\n\n',
      why: "protojson's spacing is deliberately unstable",
    },
  ];
  const expected = CODECS.json.readRequest(utf8(rows[0]?.body ?? ""), shape);
  for (const { body, why } of rows) {
    test(`${body}: ${why}`, () => {
      assert.deepEqual(CODECS.json.readRequest(utf8(body), shape), expected);
      const rpc = utf8(`{"params":[${body}],"id":"0","method":"A.B"}`);
      assert.deepEqual(CODECS["json-rpc"].readRequest(rpc, shape), expected);
    });
  }

  test("an unknown field is an error in json, ignored in json-rpc", () => {
    assert.throws(() => CODECS.json.readRequest(utf8('{"surname":"b"}'), shape), {
      code: "ERR_WIRE_BODY",
      message: "greeter.HelloRequest.surname: greeter.HelloRequest has no such field",
    });
    const rpc = utf8(
      '{"params":[{"first_name":"a","seq_no":7,"surname":"b"}],"id":"0","method":"A.B"}',
    );
    assert.deepEqual(CODECS["json-rpc"].readRequest(rpc, shape), expected);
  });
});
