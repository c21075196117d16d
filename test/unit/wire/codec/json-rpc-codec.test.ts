import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { jsonRpcCodec as codec } from "#src/wire/codec/json-rpc-codec.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { HelloRequestSchema } from "../../../fakes/gen/greeter_pb.ts";

const shape = messageShape(HelloRequestSchema);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const ann = create(HelloRequestSchema, { firstName: "ann", seqNo: 9007199254740993n });

suite("json-rpc writes", () => {
  const envelope = { endpoint: "Greeter.Hello", id: '1"' };
  const rows = [
    {
      body: codec.writeRequest(ann, shape, envelope),
      json: '{"params":[{"first_name":"ann","seq_no":9007199254740993}],"id":"1\\"","method":"Greeter.Hello"}\n',
    },
    {
      body: codec.writeReply(ann, shape, envelope),
      json: '{"id":"1\\"","result":{"first_name":"ann","seq_no":9007199254740993},"error":null}\n',
    },
    {
      body: codec.writeError('{"id":"x"}', envelope),
      json: '{"id":"1\\"","result":null,"error":"{\\"id\\":\\"x\\"}"}\n',
    },
    {
      body: codec.writeError("two\r\nlines\u0000\u2028", envelope),
      json: '{"id":"1\\"","result":null,"error":"two  lines  "}\n',
    },
  ];
  for (const { body, json } of rows) test(json, () => assert.equal(text(body), json));

  test("an error of a megabyte is cut", () =>
    assert.ok(codec.writeError("\u0001".repeat(1 << 20), envelope).byteLength < 17_000));
});

suite("json-rpc reads an envelope", () => {
  const rows: readonly { json: string; id: string; endpoint: string; why: string }[] = [
    {
      json: '{"params":[{}],"id":"0","method":"Greeter.Hello"}',
      id: "0",
      endpoint: "Greeter.Hello",
      why: "as go-micro writes it",
    },
    {
      json: '{"id":5,"method":"A.B"}',
      id: "5",
      endpoint: "A.B",
      why: "a number comes back as text",
    },
    {
      json: '{"id":18446744073709551615}',
      id: "18446744073709551615",
      endpoint: "",
      why: "a big number, exactly",
    },
    { json: '{"id":null,"method":null}', id: "", endpoint: "", why: "null is absent" },
    { json: "{}", id: "", endpoint: "", why: "absent" },
    { json: "", id: "", endpoint: "", why: "empty body" },
  ];
  for (const { json, id, endpoint, why } of rows) {
    test(`${json}: ${why}`, () =>
      assert.deepEqual(codec.openRequest(utf8(json))?.envelope, { id, endpoint }));
  }

  const refused = [
    {
      json: '{"id":{}}',
      message: "json-rpc request.id: expected a string or a number, got an object",
    },
    {
      json: '{"id":true}',
      message: "json-rpc request.id: expected a string or a number, got true",
    },
    {
      json: `{"id":"${"x".repeat(257)}"}`,
      message: "json-rpc request.id: longer than 256 characters",
    },
    { json: '{"method":[]}', message: "json-rpc request.method: expected a string, got an array" },
    { json: "[]", message: "json-rpc request: expected an object, got an array" },
  ];
  for (const { json, message } of refused) {
    test(`refuses ${json.slice(0, 30)}`, () =>
      assert.throws(() => codec.openRequest(utf8(json))?.envelope, {
        code: "ERR_WIRE_BODY",
        message,
      }));
  }
});

suite("json-rpc reads a request", () => {
  const rows = [
    {
      json: '{"params":[{"first_name":"ann","seq_no":9007199254740993}]}',
      value: ann,
      why: "numbers are exact",
    },
    {
      json: '{"params":[{"firstName":"ann","seqNo":"9007199254740993","new":1}],"jsonrpc":"2.0"}',
      value: ann,
      why: "other spelling; unknown members",
    },
    {
      json: '{"params":[null]}',
      value: create(HelloRequestSchema),
      why: "null is the zero message, as in Go",
    },
  ];
  for (const { json, value, why } of rows) {
    test(`${json}: ${why}`, () => assert.deepEqual(codec.readRequest(utf8(json), shape), value));
  }

  const refused = [
    { json: "{}", message: "json-rpc request.params: expected an array, got nothing" },
    { json: '{"params":{}}', message: "json-rpc request.params: expected an array, got an object" },
    { json: '{"params":[]}', message: "json-rpc request.params: expected one element, got 0" },
    { json: '{"params":[{},{}]}', message: "json-rpc request.params: expected one element, got 2" },
    {
      json: '{"params":[{"seq_no":"x"}]}',
      message: 'greeter.HelloRequest.seq_no: expected a 64-bit integer, got "x"',
    },
  ];
  for (const { json, message } of refused) {
    test(`refuses ${json}`, () =>
      assert.throws(() => codec.readRequest(utf8(json), shape), {
        code: "ERR_WIRE_BODY",
        message,
      }));
  }
});

suite("json-rpc reads a reply", () => {
  const zero = create(HelloRequestSchema);
  const rows = [
    {
      json: '{"id":"0","result":{"first_name":"ann","seq_no":9007199254740993},"error":null}',
      reply: { ok: true, value: ann },
    },
    { json: '{"id":"0","result":null,"error":null}', reply: { ok: true, value: zero } },
    { json: '{"result":{}}', reply: { ok: true, value: zero } },
    {
      json: '{"result":null,"error":"{\\"id\\":\\"x\\"}"}',
      reply: { ok: false, error: '{"id":"x"}' },
    },
    { json: '{"error":""}', reply: { ok: false, error: "unspecified error" } },
    {
      json: '{"error":{"code":-32601,"big":9007199254740993}}',
      reply: { ok: false, error: '{"code":-32601,"big":9007199254740993}' },
    },
    { json: '{"result":{},"error":"both"}', reply: { ok: false, error: "both" } },
  ];
  for (const { json, reply } of rows) {
    test(json, () => assert.deepEqual(codec.readReply(utf8(json), shape), reply));
  }

  test("refuses a reply with neither", () =>
    assert.throws(() => codec.readReply(utf8('{"id":"0"}'), shape), {
      message: "json-rpc reply: has neither a result nor an error",
    }));

  test("keeps a bounded part of an endless error", () => {
    const reply = codec.readReply(utf8(`{"error":"${"x".repeat(1 << 20)}"}`), shape);
    assert.ok(!reply.ok && reply.error.length < 17_000);
  });
});

suite("json-rpc opens a body", () => {
  test("and parses it once: the message is read without the bytes", () => {
    const bytes = utf8('{"params":[{"first_name":"ann"}],"id":"7","method":"Greeter.Hello"}');
    const opened = codec.openRequest(bytes);
    bytes.fill(0);
    assert.deepEqual(opened?.envelope, { endpoint: "Greeter.Hello", id: "7" });
    assert.equal(opened?.read(shape).firstName, "ann");
  });

  test("whose message is bad: the envelope is known by then", () => {
    const opened = codec.openRequest(utf8('{"params":[],"id":"7","method":"A.B"}'));
    assert.equal(opened?.envelope.id, "7");
    assert.throws(() => opened?.read(shape), { code: "ERR_WIRE_BODY", message: /params/ });
  });
});
