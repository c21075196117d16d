/** The ways in which go-micro peers of all ages say the same call (`docs/wire.md`, "Headers" to "Events"). */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { registerAgentService } from "#src/services/agent-service.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { MemoryServer, type RawPeer, request } from "../../../fakes/memory-server.ts";

const BIG = 9007199254740993n;
const ENVELOPE = `{"params":[{"text":"a","seq":${BIG}}],"id":"5","method":"Agent.Echo"}`;
const PROTO = toBinary(EchoSchema, create(EchoSchema, { text: "a", seq: BIG }));
/** Envelope {service_method = "Agent.Echo", seq = 5}, then the message, each with its length. */
const PROTO_RPC = Buffer.concat([
  frame(Buffer.concat([Buffer.from("\x0a\x0aAgent.Echo\x11\x05", "latin1"), Buffer.alloc(7)])),
  frame(PROTO),
]);

function frame(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function connect(): { memory: MemoryServer; peer: RawPeer } {
  const memory = new MemoryServer();
  registerAgentService(
    memory.table,
    { name: "microedge", version: "0", readyAtMs: 0 },
    memory.clock,
  );
  return { memory, peer: memory.connect() };
}

suite("Agent.Echo in every format", () => {
  const json = (body: string): string => JSON.parse(body).seq;
  const rpc = (body: string): string => /"seq":(\d+)/.exec(body)?.[1] ?? "";
  for (const { why, headers, body, read } of [
    { why: "JSON, seq as a string", headers: {}, body: `{"text":"a","seq":"${BIG}"}`, read: json },
    { why: "JSON, seq as a number", headers: {}, body: `{"text":"a","seq":${BIG}}`, read: json },
    {
      why: "json-rpc",
      headers: { "Content-Type": "application/json-rpc" },
      body: ENVELOPE,
      read: rpc,
    },
    {
      why: "legacy JSON: no headers of ours, the envelope names the endpoint",
      headers: { "Micro-Endpoint": undefined },
      body: ENVELOPE,
      read: rpc,
    },
    {
      why: "legacy JSON by Micro-Target",
      headers: { "Micro-Target": "microedge" },
      body: ENVELOPE,
      read: rpc,
    },
    {
      why: "X-Micro-Endpoint and X-Micro-Service",
      headers: {
        "Micro-Endpoint": undefined,
        "X-Micro-Endpoint": "Agent.Echo",
        "X-Micro-Service": "microedge",
      },
      body: `{"text":"a","seq":"${BIG}"}`,
      read: json,
    },
    {
      why: "only Micro-Method",
      headers: { "Micro-Endpoint": undefined, "Micro-Method": "Agent.Echo" },
      body: `{"text":"a","seq":"${BIG}"}`,
      read: json,
    },
    {
      why: "header names in lower case",
      headers: {
        "Micro-Endpoint": undefined,
        "Content-Type": undefined,
        "micro-endpoint": "Agent.Echo",
        "content-type": "application/json",
      },
      body: `{"text":"a","seq":"${BIG}"}`,
      read: json,
    },
  ]) {
    test(why, async () => {
      const { peer } = connect();
      peer.send(request("Agent.Echo", body, headers));
      const reply = await peer.reply();
      assert.equal(reply.error, undefined);
      assert.equal(read(reply.body), String(BIG));
    });
  }

  test("protobuf, also without a content type", async () => {
    const { peer } = connect();
    for (const type of ["application/protobuf", undefined]) {
      peer.send(request("Agent.Echo", PROTO, { "Content-Type": type }));
      const { bytes, head } = await peer.reply();
      assert.equal(fromBinary(EchoSchema, bytes).seq, BIG);
      assert.equal(head.headers.get("content-type"), "application/protobuf");
    }
  });

  for (const { why, headers } of [
    { why: "proto-rpc", headers: { "Content-Type": "application/proto-rpc" } },
    {
      why: "legacy protobuf",
      headers: { "Content-Type": "application/protobuf", "Micro-Endpoint": undefined },
    },
    {
      why: "legacy raw bytes, which mean the same",
      headers: { "Content-Type": "application/octet-stream", "Micro-Endpoint": undefined },
    },
  ]) {
    test(why, async () => {
      const { peer } = connect();
      peer.send(request("Agent.Echo", PROTO_RPC, headers));
      const { bytes, error } = await peer.reply();
      assert.equal(error, undefined);
      const envelope = Buffer.from(bytes).readUInt32BE(0);
      assert.equal(bytes[4 + envelope - 8], 5, "the sequence number comes back");
      assert.equal(fromBinary(EchoSchema, bytes.subarray(8 + envelope)).seq, BIG);
    });
  }

  test("raw bytes are the field data, both ways", async () => {
    const { peer } = connect();
    const raw = Buffer.from([0, 255, 1, 254]);
    peer.send(request("Agent.Echo", raw, { "Content-Type": "application/octet-stream" }));
    assert.deepEqual(Buffer.from((await peer.reply()).bytes), raw);
  });

  test("an empty body is the zero message", async () => {
    const { peer } = connect();
    peer.send(request("Agent.Echo", ""));
    assert.deepEqual(JSON.parse((await peer.reply()).body), {});
  });

  test("the id of json-rpc comes back as it came", async () => {
    const { peer } = connect();
    peer.send(request("Agent.Echo", ENVELOPE, { "Content-Type": "application/json-rpc" }));
    assert.equal(JSON.parse((await peer.reply()).body).id, "5");
  });
});

suite("a body that is announced too large", () => {
  const announced = { "Content-Length": "5000000", "Micro-Id": "7" };

  for (const { type, endpoint, body, why } of [
    {
      type: "application/json",
      endpoint: "Agent.Echo",
      body: /^$/,
      why: "JSON: in the header only",
    },
    {
      type: "application/json-rpc",
      endpoint: "Agent.Echo",
      body: /^\{"id":"7","result":null,"error":".*413/,
      why: "json-rpc: go-micro's client reads the body before anything else",
    },
    {
      type: "application/proto-rpc",
      endpoint: "Agent.Echo",
      body: /"code":413/,
      why: "proto-rpc: so it does here",
    },
    {
      type: "application/json",
      endpoint: undefined,
      body: /"error":".*413/,
      why: "legacy JSON: the header does not name the endpoint, but the codec",
    },
  ]) {
    test(why, async () => {
      const { peer } = connect();
      peer.send(request(endpoint, "", { ...announced, "Content-Type": type }));
      const reply = await peer.reply();
      assert.equal(reply.error?.code, 413);
      assert.match(reply.body, body);
      assert.equal(reply.head.headers.get("content-type"), type);
      assert.equal(reply.head.headers.get("micro-id"), "7");
      await peer.untilEnd();
      assert.equal(peer.waiting, 0, "answered once");
    });
  }

  test("a peer that waits for 100 Continue is refused, not told to go on", async () => {
    const { peer } = connect();
    peer.send(request("Agent.Echo", "", { ...announced, Expect: "100-continue" }));
    assert.equal((await peer.reply()).error?.code, 413);
    await peer.untilEnd();
    assert.doesNotMatch(peer.received, /100 Continue/);
  });

  test("a message of a stream ends the stream in its own words", async () => {
    const { peer } = connect();
    const stream = { "Micro-Stream": "3", "Content-Type": "application/json-rpc" };
    peer.send(request("Agent.EchoStream", "", stream));
    peer.send(request("Agent.EchoStream", "", { ...stream, ...announced }));
    const reply = await peer.reply();
    assert.equal(reply.error?.code, 413);
    assert.equal(reply.head.headers.get("micro-stream"), "3");
    assert.match(reply.body, /"error":".*413/);
    await peer.untilEnd();
    assert.equal(peer.waiting, 0, "answered once");
  });
});

suite("events over the transport", () => {
  test("one that nobody subscribes to is answered empty and counted", async () => {
    const { memory, peer } = connect();
    peer.send(request(undefined, '{"a":1}', { "Micro-Topic": "alarms", "Micro-Id": "9" }));
    const { body, error, head } = await peer.reply();
    assert.equal(error, undefined);
    assert.equal(body, "");
    assert.equal(head.headers.get("micro-id"), "9");
    assert.equal(memory.server.counters.eventsDropped, 1);
    assert.equal(memory.server.counters.requests, 0);
  });
});
