/**
 * What peers together can make the server hold: beyond the bound the greediest is let go, told if it
 * listens, counted and logged, and the others are served.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Principal } from "#src/base/principal.ts";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { bytesShape } from "#src/wire/codec/bytes-shape.ts";
import { jsonCodec } from "#src/wire/codec/json-codec.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { rounds, settle } from "../fakes/fake-clock.ts";
import { MemoryServer, principal, type RawPeer, request } from "../fakes/memory-server.ts";

const BUDGET = 512 * 1024;
const RAW = { "Content-Type": "application/octet-stream" };
const raw = bytesShape;
const echo = unary({ kind: "read", request: raw, response: raw, handle: (body) => body });
const later = unary({
  kind: "read",
  request: raw,
  response: raw,
  handle: async (body) => {
    await Promise.resolve();
    return body;
  },
});
const never = unary({
  kind: "read",
  request: raw,
  response: raw,
  handle: () => new Promise<Uint8Array>(() => undefined),
});
const deaf = stream({
  kind: "read",
  request: raw,
  response: raw,
  async *handle(_, call) {
    await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
    yield new Uint8Array();
  },
});

function server(): MemoryServer {
  return new MemoryServer({
    endpoints: { "A.Echo": echo, "A.Later": later, "A.Never": never, "A.Deaf": deaf },
    limits: { maxBodyBytes: BUDGET, maxBufferedBytes: BUDGET },
  });
}

function named(cn: string, port: number): Principal {
  const dates = { notBefore: 0, notAfter: 1, serial: "1" };
  const certificate = { subject: cn, issuer: "ca", fingerprint: cn, ...dates };
  return principal({ cn, certificate, remote: `127.0.0.1:${port}` });
}

/** A request whose body lacks its last byte. */
function unfinished(endpoint: string, bytes: number): Buffer {
  return request(endpoint, Buffer.alloc(bytes), RAW).subarray(0, -1);
}

async function assertServed(memory: MemoryServer, peer = memory.connect()): Promise<void> {
  peer.send(request("A.Echo", "hello", RAW));
  assert.equal((await peer.reply()).body, "hello");
}

/** Pieces, as a socket has them: a body within one piece is never copied. */
async function sendInPieces(peer: RawPeer, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += 16_384) {
    peer.send(bytes.subarray(at, at + 16_384));
    await settle();
  }
}

suite("what all peers together make the server hold", () => {
  test("unfinished bodies of many connections: the peer with the most is refused with 503", async () => {
    const memory = server();
    const modest = memory.connect(named("modest", 1));
    const whole = request("A.Echo", Buffer.alloc(20_000, "m"), RAW);
    await sendInPieces(modest, whole.subarray(0, -1));
    const greedy: RawPeer[] = [];
    for (let n = 0; n < 24; n++) {
      const peer = memory.connect(named("greedy", 100 + n));
      greedy.push(peer);
      await sendInPieces(peer, unfinished("A.Echo", 60_000));
    }
    const refused = greedy.filter((peer) => peer.waiting > 0);
    assert.equal(refused.length >= 14, true, `${refused.length} of 24 refused`);
    const { error } = await (refused[0] as RawPeer).reply();
    assert.equal(error?.code, 503);
    assert.match(error?.detail ?? "", /unfinished messages/);
    assert.equal(
      memory.server.counters.refusedMessages.get("ERR_RPC_OVERLOADED"),
      refused.length,
      "counted",
    );
    assert.equal(memory.log.of("rpc.message.refused").length, refused.length, "logged");
    modest.send(whole.subarray(-1));
    assert.equal((await modest.reply()).body.length, 20_000, "nobody else pays for it");
    await assertServed(memory);
  });

  test("replies that nobody reads: the connection is cut", async () => {
    const memory = server();
    const peers: RawPeer[] = [];
    for (let n = 0; n < 6; n++) {
      const peer = memory.connect(named("greedy", 100 + n));
      peers.push(peer);
      peer.stream.pause();
      for (let each = 0; each < 4; each++) peer.send(request("A.Echo", Buffer.alloc(40_000), RAW));
      await settle();
    }
    assert.equal(memory.server.counters.connections < 6, true, "some are gone");
    assert.equal((memory.server.counters.refusedMessages.get("ERR_RPC_OVERLOADED") ?? 0) > 0, true);
    await assertServed(memory);
  });

  test("requests that wait for their handler count too", async () => {
    const memory = server();
    const peer = memory.connect(named("greedy", 1));
    for (let n = 0; n < 10; n++) peer.send(request("A.Never", Buffer.alloc(60_000), RAW));
    await rounds();
    assert.equal(memory.server.counters.refusedMessages.get("ERR_RPC_OVERLOADED"), 1);
    await assertServed(memory);
  });

  test("messages that a stream's handler does not take count too, and wait as bytes", async () => {
    const memory = server();
    const peer = memory.connect(named("greedy", 1));
    peer.send(request("A.Deaf", "", { ...RAW, "Micro-Stream": "s" }));
    for (let n = 0; n < 10; n++) {
      peer.send(request("A.Deaf", Buffer.alloc(60_000), { ...RAW, "Micro-Stream": "s" }));
      await settle();
    }
    assert.equal(memory.server.counters.refusedMessages.get("ERR_RPC_OVERLOADED"), 1);
    assert.equal(memory.server.counters.streams, 0, "the stream has ended");
    await assertServed(memory);
  });

  test("what has been answered or broken off is forgotten", async () => {
    const memory = server();
    for (let n = 0; n < 20; n++) {
      const peer = memory.connect(named("honest", n));
      await sendInPieces(peer, request("A.Echo", Buffer.alloc(100_000), RAW));
      assert.equal((await peer.reply()).bytes.length, 100_000);
      await sendInPieces(peer, unfinished("A.Echo", 100_000));
      peer.stream.destroy();
      await settle();
    }
    assert.equal(memory.server.counters.refusedMessages.get("ERR_RPC_OVERLOADED"), undefined);
  });
});

suite("a peer that reads nothing", () => {
  test("is cut off after its time also when the reply came outside of a read", async () => {
    const memory = new MemoryServer({
      endpoints: { "A.Later": later },
      limits: { writeTimeoutMs: 30_000 },
    });
    const peer = memory.connect();
    peer.send(request("A.Later", "hello", RAW));
    await peer.reply();
    await memory.clock.advance(10_000);
    peer.stream.pause();
    peer.send(request("A.Later", Buffer.alloc(200_000), RAW));
    await settle();
    await memory.clock.advance(30_001);
    assert.equal(memory.server.counters.connections, 0);
    assert.equal(memory.server.counters.refusedMessages.get("ERR_WIRE_TIMEOUT"), 1);
  });
});

/** Without garbage. */
function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

suite("what one body makes of itself in memory", () => {
  test("a long text with one character beyond Latin-1 costs V8's heap little", () => {
    const shape = messageShape(EchoSchema);
    const text = `一${"a".repeat(3_000_000)}\\n${"b".repeat(1_000_000)}`;
    const body = Buffer.from(`{"text":"${text}"}`);
    const before = heapInUse();
    const value = jsonCodec.readRequest(body, shape);
    const grown = heapInUse() - before;
    assert.equal(value.text.length, 4_000_002);
    assert.equal(grown < 1_000_000, true, `${grown} bytes of heap for ${body.length} of text`);
    assert.deepEqual(
      Buffer.from(jsonCodec.writeReply(value, shape, { endpoint: "", id: "" })),
      Buffer.concat([body, Buffer.from("\n")]),
    );
  });
});
