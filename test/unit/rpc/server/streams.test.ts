import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as v from "valibot";
import { isAgentError } from "#src/base/errors.ts";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { HandlerError } from "#src/rpc/server/handler-error.ts";
import { jsonShape } from "#src/wire/codec/standard-shape.ts";
import { settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, type RawPeer, request } from "../../../fakes/memory-server.ts";
import { anyJson, echo, echoStream } from "./echo-endpoints.ts";

/** A message of stream `id`; the first opens it. */
function message(id: string, body: string, headers: Record<string, string> = {}): Buffer {
  return request("A.Chat", body, { "Micro-Stream": id, "Micro-Id": id, ...headers });
}

/** The client's end as go-micro sends it: chunked, empty. */
function eos(id: string): Buffer {
  return Buffer.concat([
    request("A.Chat", "", {
      "Micro-Stream": id,
      "Micro-Error": "EOS",
      "Content-Length": undefined,
      "Transfer-Encoding": "chunked",
    }),
    Buffer.from("0\r\n\r\n"),
  ]);
}

async function bodies(peer: RawPeer, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let n = 0; n < count; n++) found.push((await peer.reply()).body.trim());
  return found;
}

suite("a stream", () => {
  test("discards the opening body, answers each message in order, ends with EOS", async () => {
    const server = new MemoryServer({ endpoints: { "A.Chat": echoStream } });
    const peer = server.connect();
    peer.send(message("0", '"open"'));
    for (const n of [1, 2, 3]) peer.send(message("0", `${n}`));
    assert.deepEqual(await bodies(peer, 3), ["1", "2", "3"]);
    assert.equal(server.server.counters.streams, 1);
    peer.send(eos("0"));
    const end = await peer.reply();
    assert.ok(end.eos);
    assert.equal(end.body, "");
    assert.equal(end.head.headers.get("micro-stream"), "0");
    assert.equal(server.server.counters.streams, 0);
  });

  test("in json-rpc the end has an envelope, as go-micro's client wants to read one", async () => {
    const peer = new MemoryServer({ endpoints: { "A.Chat": echoStream } }).connect();
    const as = { "Content-Type": "application/json-rpc", "Micro-Stream": "0" };
    const envelope = '{"params":["x"],"id":"0","method":"A.Chat"}';
    peer.send(request("A.Chat", envelope, as));
    peer.send(eos("0"));
    const end = await peer.reply();
    assert.ok(end.eos);
    assert.deepEqual(JSON.parse(end.body), { id: "", result: null, error: "EOS" });
  });

  test("everything in one piece, then closed: no message is lost", async () => {
    const peer = new MemoryServer({ endpoints: { "A.Chat": echoStream } }).connect();
    peer.send(
      Buffer.concat([message("0", '"open"'), message("0", "1"), message("0", "2"), eos("0")]),
    );
    assert.deepEqual(await bodies(peer, 2), ["1", "2"]);
    assert.ok((await peer.reply()).eos);
  });

  test("quick replies are never mixed up (go-micro defect 3)", async () => {
    const count = stream({
      kind: "read",
      request: anyJson,
      response: anyJson,
      async *handle() {
        for (let n = 0; n < 500; n++) yield { n };
      },
    });
    const peer = new MemoryServer({ endpoints: { "A.Chat": count } }).connect();
    peer.send(message("0", "null"));
    const found = await bodies(peer, 500);
    assert.deepEqual(
      found,
      Array.from({ length: 500 }, (_, n) => `{"n":${n}}`),
    );
    assert.ok((await peer.reply()).eos);
  });

  test("streams on one connection are told apart by id, beside unary calls", async () => {
    const peer = new MemoryServer({
      endpoints: { "A.Chat": echoStream, "A.Echo": echo },
    }).connect();
    peer.send(Buffer.concat([message("a", "0"), message("b", "0")]));
    peer.send(message("a", '"to a"'));
    const first = await peer.reply();
    assert.equal(first.head.headers.get("micro-stream"), "a");
    peer.send(message("b", '"to b"'));
    const second = await peer.reply();
    assert.equal(second.head.headers.get("micro-stream"), "b");
    peer.send(request("A.Echo", '"unary"', { "Micro-Stream": "c" }));
    assert.equal((await peer.reply()).body.trim(), '"unary"', "Micro-Stream on a unary endpoint");
    peer.send(eos("a"));
    assert.ok((await peer.reply()).eos);
    peer.send(message("b", '"still there"'));
    assert.equal((await peer.reply()).body.trim(), '"still there"');
  });

  test("reply metadata goes with the first message only", async () => {
    const tagged = stream({
      ...echoStream,
      async *handle(messages, call) {
        call.replyMetadata.set("x-tag", "t");
        yield* messages;
      },
    });
    const peer = new MemoryServer({ endpoints: { "A.Chat": tagged } }).connect();
    peer.send(Buffer.concat([message("0", "0"), message("0", "1"), message("0", "2")]));
    assert.equal((await peer.reply()).head.headers.get("x-tag"), "t");
    assert.equal((await peer.reply()).head.headers.get("x-tag"), undefined);
  });

  test("without Micro-Stream a stream endpoint says how to call it", async () => {
    const peer = new MemoryServer({ endpoints: { "A.Chat": echoStream } }).connect();
    peer.send(request("A.Chat", "1"));
    const { error } = await peer.reply();
    assert.equal(error?.code, 400);
    assert.match(error?.detail ?? "", /Micro-Stream/);
  });

  test("an EOS for a stream that never was is dropped and the connection kept", async () => {
    const peer = new MemoryServer({ endpoints: { "A.Echo": echo } }).connect();
    peer.send(eos("99"));
    peer.send(request("A.Echo", "1"));
    assert.equal((await peer.reply()).body.trim(), "1");
  });
});

suite("a stream that ends otherwise", () => {
  const failing = stream({
    kind: "read",
    request: anyJson,
    response: anyJson,
    async *handle(messages) {
      for await (const each of messages) {
        if (each === "fail") throw new HandlerError(418, "no coffee");
        if (each === "bug") throw new Error("secret 1234");
        if (each === "done") return;
        yield each;
      }
    },
  });

  for (const { body, code, why } of [
    { body: '"fail"', code: 418, why: "its own error" },
    { body: '"bug"', code: 500, why: "a bug" },
  ]) {
    test(`${why} ends it; late messages of it are dropped, other calls go on`, async () => {
      const server = new MemoryServer({ endpoints: { "A.Chat": failing, "A.Echo": echo } });
      const peer = server.connect();
      peer.send(message("0", "0"));
      peer.send(Buffer.concat([message("0", body), message("0", "1"), message("0", "2")]));
      assert.equal((await peer.reply()).error?.code, code);
      peer.send(message("0", "3"));
      peer.send(eos("0"));
      peer.send(request("A.Echo", "4"));
      assert.equal((await peer.reply()).body.trim(), "4");
      assert.doesNotMatch(peer.received, /1234/);
      assert.equal(server.server.counters.lateMessages, 1, "the last of them came after the end");
      peer.send(Buffer.concat([message("0", "0"), message("0", '"again"')]));
      assert.equal(
        (await peer.reply()).body.trim(),
        '"again"',
        "after EOS the id may be used again",
      );
    });
  }

  test("an id used again before our EOS begins nothing; that is counted and logged", async () => {
    const server = new MemoryServer({ endpoints: { "A.Chat": failing } });
    const peer = server.connect();
    peer.send(Buffer.concat([message("0", "0"), message("0", '"a"'), eos("0"), message("0", "0")]));
    assert.equal((await peer.reply()).body.trim(), '"a"');
    assert.equal((await peer.reply()).eos, true);
    assert.equal(server.server.counters.lateMessages, 1);
    assert.equal(server.log.of("rpc.stream.late").length, 1);
  });

  test("the handler's return ends it with EOS while the peer is still sending", async () => {
    const server = new MemoryServer({ endpoints: { "A.Chat": failing } });
    const peer = server.connect();
    peer.send(Buffer.concat([message("0", "0"), message("0", '"done"'), message("0", "1")]));
    assert.ok((await peer.reply()).eos);
    await settle();
    assert.equal(peer.waiting, 0);
    assert.equal(server.server.counters.streams, 0);
  });

  test("a message that fails the schema ends it with 400 naming the field", async () => {
    const typed = stream({
      ...echoStream,
      request: jsonShape("Chat", v.object({ n: v.number() })),
    });
    const peer = new MemoryServer({ endpoints: { "A.Chat": typed } }).connect();
    peer.send(Buffer.concat([message("0", "0"), message("0", '{"n":"x"}')]));
    const { error } = await peer.reply();
    assert.equal(error?.code, 400);
    assert.match(error?.detail ?? "", /\bn\b/);
  });

  test("a reply that can't be written is a bug", async () => {
    const bad = stream({
      ...echoStream,
      async *handle() {
        const loop: Record<string, unknown> = {};
        loop["self"] = loop;
        yield loop;
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Chat": bad } });
    const peer = server.connect();
    peer.send(message("0", "0"));
    assert.equal((await peer.reply()).error?.code, 500);
    assert.equal(server.log.of("rpc.handler.failed").length, 1);
  });

  test("the peer's close aborts the signal and the reader of messages, but is no clean end", async () => {
    const seen = Promise.withResolvers<{ signal: AbortSignal; thrown: unknown }>();
    const waiting = stream({
      ...echoStream,
      async *handle(messages, call) {
        try {
          for await (const each of messages) yield each;
          seen.reject(new Error("took a torn stream for a whole one"));
        } catch (thrown) {
          seen.resolve({ signal: call.signal, thrown });
          throw thrown;
        }
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Chat": waiting } });
    const peer = server.connect();
    peer.send(message("0", "0"));
    await settle();
    peer.stream.destroy();
    const { signal, thrown } = await seen.promise;
    assert.equal(signal.aborted, true);
    assert.ok(isAgentError(thrown, "ERR_RPC_CANCELLED"));
    assert.equal(server.log.of("rpc.handler.failed").length, 0, "nobody's bug");
    assert.equal(server.server.counters.streams, 0);
  });

  test("an error in place of EOS, as go-micro allows, ends it as an error", async () => {
    const server = new MemoryServer({ endpoints: { "A.Chat": echoStream } });
    const peer = server.connect();
    peer.send(message("0", "0"));
    peer.send(message("0", "", { "Micro-Error": "gave up" }));
    const { error } = await peer.reply();
    assert.equal(error?.code, 499);
    assert.match(error?.detail ?? "", /gave up/);
  });

  test("the deadline answers 408 and aborts", async () => {
    const server = new MemoryServer({ endpoints: { "A.Chat": echoStream } });
    const peer = server.connect();
    peer.send(message("0", "0", { Timeout: "2000000000" }));
    peer.send(message("0", "1"));
    assert.equal((await peer.reply()).body.trim(), "1");
    await server.clock.advance(2000);
    assert.equal((await peer.reply()).error?.code, 408);
    assert.equal(server.server.counters.streams, 0);
  });
});

suite("streams are bounded", () => {
  test("one too many on a connection, and in the agent, is answered 503", async () => {
    const server = new MemoryServer({
      endpoints: { "A.Chat": echoStream },
      limits: { maxStreamsPerConnection: 2, maxStreams: 3 },
    });
    const [a, b] = [server.connect(), server.connect()];
    a.send(Buffer.concat([message("1", "0"), message("2", "0"), message("3", "0")]));
    assert.equal((await a.reply()).error?.code, 503);
    b.send(Buffer.concat([message("1", "0"), message("2", "0")]));
    const { error } = await b.reply();
    assert.equal(error?.code, 503);
    assert.match(error?.detail ?? "", /agent/);
    a.send(eos("1"));
    assert.ok((await a.reply()).eos);
    b.send(Buffer.concat([eos("2"), message("2", "0"), message("2", '"now"')]));
    assert.equal((await b.reply()).body.trim(), '"now"');
  });

  test("a stream that was refused is refused once, whatever its peer still sends", async () => {
    const server = new MemoryServer({
      endpoints: { "A.Chat": echoStream, "A.Echo": echo },
      limits: { maxStreams: 0 },
    });
    const peer = server.connect();
    peer.send(Buffer.concat([message("1", "0"), message("1", "1"), message("1", "2"), eos("1")]));
    peer.send(request("A.Echo", '"next"'));
    assert.equal((await peer.reply()).error?.code, 503);
    assert.equal((await peer.reply()).body.trim(), '"next"');
  });

  test("a handler that does not read stops the connection's reading; nothing is lost", async () => {
    const go = Promise.withResolvers<void>();
    const lazy = stream({
      ...echoStream,
      async *handle(messages) {
        await go.promise;
        yield* messages;
      },
    });
    const server = new MemoryServer({
      endpoints: { "A.Chat": lazy },
      limits: { maxStreamBacklog: 4 },
    });
    const peer = server.connect();
    peer.send(message("0", "0"));
    const total = 2000;
    for (let n = 0; n < total; n++) peer.send(message("0", `${n}`));
    await settle();
    assert.ok(peer.stream.writableLength > 0, "the peer's own buffer fills");
    go.resolve();
    assert.deepEqual(
      await bodies(peer, total),
      Array.from({ length: total }, (_, n) => `${n}`),
    );
  });

  test("a peer that does not read stops the handler", async () => {
    let made = 0;
    const chunk = "x".repeat(1000);
    const fast = stream({
      ...echoStream,
      async *handle() {
        for (;;) {
          made++;
          yield chunk;
        }
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Chat": fast } });
    const peer = server.connect();
    peer.stream.pause();
    peer.send(message("0", "0"));
    await settle();
    const held = made;
    assert.ok(
      held > 0 && held < 400,
      `${held} messages of 1 kB were made for a peer that reads none`,
    );
    await server.clock.advance(10_000);
    assert.equal(made, held);
    await server.clock.advance(20_000);
    assert.equal(server.server.counters.connections, 0, "a peer that takes nothing is cut off");
    assert.equal(server.server.counters.refusedMessages.get("ERR_WIRE_TIMEOUT"), 1);
    await settle();
    assert.ok(made <= held + 1, "the handler was told to stop");
  });

  test("an open stream keeps its connection from idling out; a closed one does not", async () => {
    const server = new MemoryServer({
      endpoints: { "A.Chat": echoStream, "A.Echo": unary(echo) },
      limits: { idleTimeoutMs: 60_000 },
    });
    const peer = server.connect();
    peer.send(message("0", "0"));
    await server.clock.advance(600_000);
    peer.send(message("0", "1"));
    assert.equal((await peer.reply()).body.trim(), "1");
    peer.send(eos("0"));
    assert.ok((await peer.reply()).eos);
    await server.clock.advance(59_000);
    assert.equal(peer.ended, false);
    await server.clock.advance(1_000);
    await peer.untilEnd();
  });
});
