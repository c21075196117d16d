/**
 * What a peer can get wrong: each is answered or closed, counted, and the next good call is served at
 * once, on the same connection where the message's end is known, else on a new one.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as v from "valibot";
import { unary } from "#src/rpc/endpoint.ts";
import { registerAgentService } from "#src/services/agent-service.ts";
import { jsonShape } from "#src/wire/codec/standard-shape.ts";
import { settle } from "../fakes/fake-clock.ts";
import { MemoryServer, request } from "../fakes/memory-server.ts";

const LIMITS = { maxHeaderBytes: 2048, maxBodyBytes: 4096, maxHeaders: 32 };

const greeting = jsonShape("Greeter.Hello request", v.object({ name: v.string() }));
const hello = unary({
  kind: "read",
  request: greeting,
  response: greeting,
  handle: (value) => value,
});
const control = unary({ ...hello, kind: "admin" as const });
const GOOD = request("Greeter.Hello", '{"name":"ann"}');
const ECHO = "Agent.Echo";
const AS_PROTOBUF = { "Content-Type": "application/protobuf" };

function server(): MemoryServer {
  const memory = new MemoryServer({
    endpoints: { "Greeter.Hello": hello, "Greeter.Reset": control },
    limits: LIMITS,
  });
  const facts = { name: "microedge", version: "0", readyAtMs: 0 };
  registerAgentService(memory.table, facts, memory.clock);
  return memory;
}

const line = (text: string): string => `${text}\r\nHost: x\r\n\r\n`;

/** The stream can't be read on: one answer, then the connection ends. */
const UNREADABLE = [
  { why: "not HTTP", send: "\x16\x03\x01 hello there\r\n\r\n", code: 400 },
  { why: "no version", send: line("POST /"), code: 400 },
  { why: "HTTP/2 preface", send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", code: 400 },
  { why: "bare LF", send: "POST / HTTP/1.1\nHost: x\n\n", code: 400 },
  { why: "space before the colon", send: line("POST / HTTP/1.1\r\nA : b"), code: 400 },
  { why: "folded header", send: line("POST / HTTP/1.1\r\nA: b\r\n c"), code: 400 },
  { why: "NUL in a value", send: line("POST / HTTP/1.1\r\nA: b\0c"), code: 400 },
  { why: "bare CR in a value", send: line("POST / HTTP/1.1\r\nA: b\rc"), code: 400 },
  {
    why: "both lengths",
    send: request("Greeter.Hello", "{}", { "Transfer-Encoding": "chunked" }),
    code: 400,
  },
  {
    why: "two lengths that differ",
    send: line("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2"),
    code: 400,
  },
  { why: "negative length", send: line("POST / HTTP/1.1\r\nContent-Length: -1"), code: 400 },
  { why: "length with a sign", send: line("POST / HTTP/1.1\r\nContent-Length: +1"), code: 400 },
  {
    why: "unknown transfer coding",
    send: line("POST / HTTP/1.1\r\nTransfer-Encoding: gzip"),
    code: 400,
  },
  {
    why: "chunk size that is none",
    send: Buffer.concat([
      request("Greeter.Hello", "", {
        "Content-Length": undefined,
        "Transfer-Encoding": "chunked",
      }),
      Buffer.from("zz\r\n"),
    ]),
    code: 400,
  },
  {
    why: "header over its limit",
    send: line(`POST / HTTP/1.1\r\nA: ${"b".repeat(4096)}`),
    code: 413,
  },
  { why: "too many headers", send: line(`POST / HTTP/1.1${"\r\nA: b".repeat(40)}`), code: 413 },
  {
    why: "length over the limit",
    send: line("POST / HTTP/1.1\r\nMicro-Endpoint: Greeter.Hello\r\nContent-Length: 4097"),
    code: 413,
  },
  {
    why: "chunks over the limit",
    send: Buffer.concat([
      request("Greeter.Hello", "", {
        "Content-Length": undefined,
        "Transfer-Encoding": "chunked",
      }),
      Buffer.from(`1001\r\n${"x".repeat(0x1001)}`),
    ]),
    code: 413,
  },
];

/** The message can be read: it is answered and the connection goes on. */
const REFUSED: readonly {
  readonly why: string;
  readonly send: Buffer;
  readonly code: number;
  readonly detail?: RegExp;
}[] = [
  {
    why: "unknown service",
    send: request("Greeter.Hello", "", { "Micro-Service": "other" }),
    code: 404,
    detail: /^rpc: can't find service other$/,
  },
  {
    why: "unknown handler",
    send: request("Nope.Hello"),
    code: 404,
    detail: /^rpc: can't find service Nope$/,
  },
  {
    why: "unknown method",
    send: request("Greeter.Nope"),
    code: 404,
    detail: /^rpc: can't find method Nope$/,
  },
  {
    why: "endpoint without a dot",
    send: request("Hello"),
    code: 400,
    detail: /^rpc: service\/endpoint request ill-formed: Hello$/,
  },
  {
    why: "endpoint with two dots",
    send: request("A.B.C"),
    code: 400,
    detail: /ill-formed: A\.B\.C/,
  },
  { why: "a prototype's name", send: request("constructor.call"), code: 404 },
  {
    why: "no endpoint at all",
    send: request(undefined, "", { "Micro-Service": "microedge" }),
    code: 400,
  },
  { why: "no headers of ours and no envelope", send: request(undefined, "{}"), code: 400 },
  {
    why: "content type with parameters",
    send: request("Greeter.Hello", "{}", { "Content-Type": "application/json; charset=utf-8" }),
    code: 415,
    detail: /unsupported Content-Type/,
  },
  {
    why: "unknown content type",
    send: request("Greeter.Hello", "{}", { "Content-Type": "text/xml" }),
    code: 415,
  },
  { why: "not JSON", send: request("Greeter.Hello", "{nope"), code: 400 },
  { why: "two JSON values", send: request("Greeter.Hello", "{} {}"), code: 400 },
  {
    why: "wrong UTF-8",
    send: request("Greeter.Hello", Buffer.from('{"name":"\xff"}', "latin1")),
    code: 400,
  },
  { why: "deep JSON", send: request("Greeter.Hello", "[".repeat(4000)), code: 400 },
  { why: "missing field", send: request("Greeter.Hello", "{}"), code: 400, detail: /name/ },
  {
    why: "field of the wrong type",
    send: request("Greeter.Hello", '{"name":5}'),
    code: 400,
    detail: /name/,
  },
  {
    why: "empty body where a field is needed",
    send: request("Greeter.Hello"),
    code: 400,
    detail: /name/,
  },
  {
    why: "protobuf for a JSON endpoint",
    send: request("Greeter.Hello", "", AS_PROTOBUF),
    code: 415,
  },
  {
    why: "truncated protobuf",
    send: request(ECHO, Buffer.from([0x0a, 0x05, 0x61]), AS_PROTOBUF),
    code: 400,
  },
  {
    why: "protobuf string that is not UTF-8",
    send: request(ECHO, Buffer.from([0x0a, 0x01, 0xff]), AS_PROTOBUF),
    code: 400,
    detail: /text/,
  },
  {
    why: "protobuf group without an end",
    send: request(ECHO, Buffer.from([0x0b]), AS_PROTOBUF),
    code: 400,
  },
  {
    why: "unknown JSON field of a message",
    send: request(ECHO, '{"texxt":"a"}'),
    code: 400,
    detail: /texxt/,
  },
  {
    why: "number beyond its type",
    send: request(ECHO, '{"seq":9223372036854775808}'),
    code: 400,
    detail: /seq/,
  },
  {
    why: "json-rpc that is no envelope",
    send: request(ECHO, "[]", { "Content-Type": "application/json-rpc" }),
    code: 400,
  },
  {
    why: "proto-rpc frame that lies",
    send: request(ECHO, Buffer.from([0, 0, 0, 9, 1]), { "Content-Type": "application/proto-rpc" }),
    code: 400,
  },
  { why: "not allowed", send: request("Greeter.Reset", "{}"), code: 403, detail: /admin/ },
  {
    why: "a stream without an id",
    send: request("Agent.EchoStream", "{}"),
    code: 400,
    detail: /Micro-Stream/,
  },
];

suite("messages that can't be read", () => {
  for (const { why, send, code } of UNREADABLE) {
    test(`${why}: ${code}, then the connection ends`, async () => {
      const memory = server();
      const peer = memory.connect();
      peer.send(Buffer.concat([GOOD, Buffer.from(send as string, "latin1"), GOOD]));
      assert.equal(
        JSON.parse((await peer.reply()).body).name,
        "ann",
        "what came before is answered",
      );
      const { error, head, body } = await peer.reply();
      assert.equal(error?.code, code);
      assert.equal(head.status, 200);
      assert.equal(body, "");
      await peer.untilEnd();
      assert.equal(peer.waiting, 0, "nothing after it is read");
      const counts = [...memory.server.counters.refusedMessages.values()];
      assert.deepEqual(counts, [1]);
      assert.equal(memory.log.of("rpc.message.refused").length, 1);
      const next = memory.connect();
      next.send(GOOD);
      assert.equal(JSON.parse((await next.reply()).body).name, "ann");
    });
  }

  test("what still arrives is dropped for a moment, then the connection is cut", async () => {
    const memory = server();
    const peer = memory.connect();
    peer.send("nonsense\r\n\r\n");
    assert.equal((await peer.reply()).error?.code, 400);
    for (let n = 0; n < 100; n++) peer.send(GOOD);
    await settle();
    assert.equal(memory.server.counters.requests, 0);
    await memory.clock.advance(2_000);
    assert.equal(memory.server.counters.connections, 0);
  });

  test("a length that lies: the end of the connection is no message", async () => {
    const memory = server();
    const peer = memory.connect();
    peer.send(request("Greeter.Hello", "{}", { "Content-Length": "50" }));
    peer.stream.end();
    await peer.untilEnd();
    assert.equal(memory.server.counters.refusedMessages.get("ERR_WIRE_MESSAGE"), 1);
    const [line] = memory.log.of("rpc.message.refused");
    assert.match(String(line?.["reason"]), /ended in the body/);
  });
});

suite("requests that are refused", () => {
  for (const { why, send, code, detail = /./ } of REFUSED) {
    test(`${why}: ${code}, and the connection goes on`, async () => {
      const memory = server();
      const peer = memory.connect();
      peer.send(Buffer.concat([send, GOOD]));
      const { error, head } = await peer.reply();
      assert.equal(error?.code, code, error?.detail);
      assert.match(error?.detail ?? "", detail);
      assert.equal(head.status, 200);
      assert.equal(JSON.parse((await peer.reply()).body).name, "ann");
      assert.equal(memory.server.counters.errors, 1);
      assert.equal(memory.log.of("rpc.handler.failed").length, 0, "nobody's bug");
      assert.equal([...memory.server.counters.refusedCalls.values()].length, 1);
    });
  }

  test("an unknown content type is also said in go-micro's way: a text", async () => {
    const peer = server().connect();
    peer.send(request("Greeter.Hello", "{}", { "Content-Type": "text/xml" }));
    const { head, body } = await peer.reply();
    assert.equal(head.headers.get("content-type"), "text/plain");
    assert.match(body, /^unsupported Content-Type: text\/xml/);
  });

  test("json-rpc and proto-rpc repeat the error in the body", async () => {
    const peer = server().connect();
    const type = { "Content-Type": "application/json-rpc" };
    peer.send(request("Nope.Nope", '{"params":[{}],"id":"3","method":"Nope.Nope"}', type));
    const { body, error } = await peer.reply();
    assert.equal(JSON.parse(JSON.parse(body).error).code, 404);
    assert.equal(error?.code, 404);
  });
});

suite("time limits", () => {
  const limits = {
    ...LIMITS,
    headerTimeoutMs: 5_000,
    bodyTimeoutMs: 30_000,
    bodyProgressMs: 10_000,
    minBodyBytes: 100,
    idleTimeoutMs: 600_000,
  };
  const timed = (): MemoryServer =>
    new MemoryServer({ endpoints: { "Greeter.Hello": hello }, limits });

  test("a connection that sends nothing is closed after the header's time, without an answer", async () => {
    const memory = timed();
    const peer = memory.connect();
    await memory.clock.advance(4_999);
    assert.equal(peer.ended, false);
    await memory.clock.advance(1);
    await peer.untilEnd();
    assert.equal(peer.received, "");
  });

  test("a header that comes byte by byte ends with 408", async () => {
    const memory = timed();
    const peer = memory.connect();
    for (const byte of GOOD.subarray(0, 40)) {
      peer.send(Buffer.from([byte]));
      await memory.clock.advance(140);
      if (peer.waiting > 0) break;
    }
    assert.equal((await peer.reply()).error?.code, 408);
    await peer.untilEnd();
  });

  test("a later header gets as long from its first byte, however long the peer was idle", async () => {
    const memory = timed();
    const peer = memory.connect();
    peer.send(GOOD);
    await peer.reply();
    await memory.clock.advance(100_000);
    peer.send(GOOD.subarray(0, 10));
    await memory.clock.advance(4_900);
    assert.equal(peer.waiting, 0);
    peer.send(GOOD.subarray(10));
    await peer.reply();
    peer.send(GOOD.subarray(0, 10));
    await memory.clock.advance(5_000);
    assert.equal((await peer.reply()).error?.code, 408);
  });

  const slow = request("Greeter.Hello", `{"name":"${"x".repeat(3000)}"}`);
  const head = slow.length - 3011;

  test("a body that stalls ends with 408 before its whole time is up", async () => {
    const memory = timed();
    const peer = memory.connect();
    peer.send(slow.subarray(0, head + 500));
    await memory.clock.advance(9_999);
    assert.equal(peer.waiting, 0);
    for (let n = 0; n < 10; n++) {
      peer.send(slow.subarray(head + 500 + n, head + 501 + n));
      await memory.clock.advance(1_000);
    }
    const { error } = await peer.reply();
    assert.equal(error?.code, 408);
    assert.match(error?.detail ?? "", /grew by less than/);
    assert.equal(error?.id, "microedge.Greeter.Hello", "the call's own answer");
    await peer.untilEnd();
  });

  test("a body that grows enough still has an end", async () => {
    const memory = timed();
    const peer = memory.connect();
    peer.send(slow.subarray(0, head));
    for (let at = head; at < slow.length - 60 && peer.waiting === 0; at += 50) {
      peer.send(slow.subarray(at, at + 50));
      await memory.clock.advance(1_000);
    }
    const { error } = await peer.reply();
    assert.equal(error?.code, 408);
    assert.match(error?.detail ?? "", /did not end within 30000 ms/);
  });

  test("an idle connection is closed after the idle time, counted from its last message", async () => {
    const memory = timed();
    const peer = memory.connect();
    peer.send(GOOD);
    await peer.reply();
    await memory.clock.advance(599_000);
    peer.send(GOOD);
    await peer.reply();
    await memory.clock.advance(599_999);
    assert.equal(peer.ended, false);
    await memory.clock.advance(1);
    await peer.untilEnd();
    await memory.clock.advance(2_000); // this peer does not close; after a moment we do
    assert.equal(memory.server.counters.connections, 0);
    assert.equal(memory.clock.timers, 0);
  });

  test("traffic never touches a timer", async () => {
    const memory = timed();
    const peer = memory.connect();
    peer.send(GOOD);
    await peer.reply();
    const armed: number[] = [];
    const { setTimer } = memory.clock;
    memory.clock.setTimer = (delayMs, run) => {
      armed.push(delayMs);
      return setTimer.call(memory.clock, delayMs, run);
    };
    for (let n = 0; n < 200; n++) {
      peer.send(GOOD);
      await peer.reply();
    }
    assert.deepEqual(armed, []);
  });
});
