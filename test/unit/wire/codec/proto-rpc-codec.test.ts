import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { protoRpcCodec as codec } from "#src/wire/codec/proto-rpc-codec.ts";
import { HelloRequestSchema } from "../../../fakes/gen/greeter_pb.ts";

const shape = messageShape(HelloRequestSchema);
const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const ann = create(HelloRequestSchema, { firstName: "ann", seqNo: 7n });

suite("proto-rpc writes", () => {
  const message = "00000007 0a03616e6e1007";
  const rows = [
    {
      id: "0",
      bytes: codec.writeRequest(ann, shape, { endpoint: "A.B", id: "0" }),
      expected: `00000005 0a03412e42 ${message}`,
      why: "seq 0 is omitted",
    },
    {
      id: "258",
      bytes: codec.writeRequest(ann, shape, { endpoint: "A.B", id: "258" }),
      expected: `0000000e 0a03412e42 110201000000000000 ${message}`,
      why: "fixed64, little-endian",
    },
    {
      id: "18446744073709551615",
      bytes: codec.writeReply(ann, shape, { endpoint: "A.B", id: "18446744073709551615" }),
      expected: `00000009 11ffffffffffffffff ${message}`,
      why: "the greatest id; a reply names no method",
    },
    {
      id: "18446744073709551616",
      bytes: codec.writeReply(ann, shape, { endpoint: "", id: "18446744073709551616" }),
      expected: `00000000 ${message}`,
      why: "too great: 0",
    },
    {
      id: "c0ffee-",
      bytes: codec.writeReply(ann, shape, { endpoint: "", id: "c0ffee-" }),
      expected: `00000000 ${message}`,
      why: "not a number: 0",
    },
    {
      id: "-1",
      bytes: codec.writeReply(ann, shape, { endpoint: "", id: "-1" }),
      expected: `00000000 ${message}`,
      why: "negative: 0",
    },
    {
      id: "0",
      bytes: codec.writeError("no\nway", { endpoint: "", id: "0" }),
      expected: "00000008 1a066e6f20776179 00000000",
      why: "an error has an empty message",
    },
  ];
  for (const { id, bytes, expected, why } of rows) {
    test(`id ${id}: ${why}`, () => assert.equal(toHex(bytes), expected.replaceAll(" ", "")));
  }
});

suite("proto-rpc reads", () => {
  test("envelope and message", () => {
    const body = hex("0000000e 0a03412e42 110201000000000000 00000007 0a03616e6e1007");
    assert.deepEqual(codec.openRequest(body)?.envelope, { endpoint: "A.B", id: "258" });
    assert.deepEqual(codec.readRequest(body, shape), ann);
    assert.deepEqual(codec.readReply(body, shape), { ok: true, value: ann });
  });

  test("an empty envelope is method none, id 0", () =>
    assert.deepEqual(codec.openRequest(hex("00000000 00000000"))?.envelope, {
      endpoint: "",
      id: "0",
    }));

  test("unknown fields of the envelope are ignored", () =>
    assert.deepEqual(codec.openRequest(hex("00000009 2801 0a03412e42 3200 00000000"))?.envelope, {
      endpoint: "A.B",
      id: "0",
    }));

  test("an error, even beside a message", () =>
    assert.deepEqual(codec.readReply(hex("00000004 1a026e6f 00000007 0a03616e6e1007"), shape), {
      ok: false,
      error: "no",
    }));

  const refused = [
    {
      bytes: "0000",
      message: "proto-rpc body.envelope: cut off: 4 bytes of length expected, 2 left",
    },
    {
      bytes: "00000005 0a03",
      message: "proto-rpc body.envelope: cut off: 5 bytes announced, 2 left",
    },
    {
      bytes: "ffffffff",
      message: "proto-rpc body.envelope: cut off: 4294967295 bytes announced, 0 left",
    },
    {
      bytes: "00000000",
      message: "proto-rpc body.message: cut off: 4 bytes of length expected, 0 left",
    },
    {
      bytes: "00000000 00000003 0a01",
      message: "proto-rpc body.message: cut off: 3 bytes announced, 2 left",
    },
    { bytes: "00000000 00000000 00", message: "proto-rpc body: 1 bytes follow the second frame" },
    {
      bytes: "00000002 0a05 00000000",
      message: "proto-rpc body.envelope: not protobuf: premature EOF",
    },
    {
      bytes: "00000003 0a01ff 00000000",
      message: /^proto-rpc body\.envelope: not protobuf: .*utf-8/i,
    },
    { bytes: "00000003 110000 00000000", message: /^proto-rpc body\.envelope: not protobuf: / },
    {
      bytes: "00000000 00000002 1080",
      message: "greeter.HelloRequest.seq_no: cut off within a number",
    },
  ];
  for (const { bytes, message } of refused) {
    test(`refuses ${bytes}`, () =>
      assert.throws(
        () => {
          codec.openRequest(hex(bytes))?.envelope;
          codec.readRequest(hex(bytes), shape);
        },
        { code: "ERR_WIRE_BODY", message },
      ));
  }

  test("refuses a method of more than 256 characters", () => {
    const envelope = Buffer.concat([
      hex("00000104 0a8102"),
      Buffer.alloc(257, "x"),
      hex("00000000"),
    ]);
    assert.throws(() => codec.openRequest(envelope)?.envelope, {
      message: "proto-rpc body.service_method: longer than 256 characters",
    });
  });
});
