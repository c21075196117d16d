/** What a connection does at its edges: pauses, idles, and ends with work open. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, principal, request } from "../../../fakes/memory-server.ts";
import { anyJson, echo, echoStream, gated } from "./echo-endpoints.ts";

const opening = request("A.Chat", "0", { "Micro-Stream": "1" });

suite("a connection pauses", () => {
  test("while its peer takes no answers: requests beyond what fits are not read", async () => {
    const answer = "x".repeat(10_000);
    const big = unary({ ...echo, handle: () => answer });
    const memory = new MemoryServer({ endpoints: { "A.Big": big } });
    const peer = memory.connect();
    peer.stream.pause();
    const total = 500;
    for (let n = 0; n < total; n++) peer.send(request("A.Big", "1"));
    await settle();
    const { requests } = memory.server.counters;
    assert.ok(requests > 0 && requests < 100, `${requests} of ${total} were read`);
    peer.stream.resume();
    for (let n = 0; n < total; n++) assert.equal((await peer.reply()).body.length, 10_003);
  });

  test("while too many bytes of answers wait for their turn", async () => {
    const gate = gated();
    const big = unary({ ...echo, handle: () => "x".repeat(1000) });
    const memory = new MemoryServer({
      endpoints: { "A.Wait": gate.endpoint, "A.Big": big },
      limits: { maxHeldBytes: 5_000 },
    });
    const peer = memory.connect();
    peer.send(request("A.Wait", "1"));
    for (let n = 0; n < 20; n++) peer.send(request("A.Big", "1"));
    await settle();
    assert.equal(
      memory.server.counters.requests,
      1 + 5,
      "five answers of 1,1xx bytes are too many",
    );
    gate.open(1);
    for (let n = 0; n < 21; n++) await peer.reply();
  });

  test("and what it did not read meanwhile is not the peer's delay", async () => {
    const gate = gated();
    const memory = new MemoryServer({
      endpoints: { "A.Wait": gate.endpoint, "A.Echo": echo },
      limits: { maxPendingCalls: 1 },
    });
    const peer = memory.connect();
    const whole = request("A.Echo", "2");
    peer.send(Buffer.concat([request("A.Wait", "1"), whole.subarray(0, 20)]));
    await memory.clock.advance(60_000);
    gate.open(1);
    assert.equal((await peer.reply()).body.trim(), "1");
    await memory.clock.advance(4_999);
    assert.equal(peer.waiting, 0, "the header's time began when reading went on");
    peer.send(whole.subarray(20));
    assert.equal((await peer.reply()).body.trim(), "2");
  });
});

suite("a body that waits for an interceptor", () => {
  test("has its whole time when reading goes on", async () => {
    const token = Promise.withResolvers<undefined>();
    const memory = new MemoryServer({
      endpoints: { "A.Echo": echo },
      interceptors: [{ name: "wait", before: () => token.promise }],
      limits: { bodyTimeoutMs: 5_000, bodyProgressMs: 5_000 },
    });
    const peer = memory.connect();
    const whole = request("A.Echo", '"a long body"');
    peer.send(whole.subarray(0, whole.length - 5));
    await memory.clock.advance(60_000);
    token.resolve(undefined);
    await memory.clock.advance(4_999);
    assert.equal(peer.waiting, 0);
    peer.send(whole.subarray(whole.length - 5));
    assert.equal((await peer.reply()).body.trim(), '"a long body"');
  });
});

suite("a connection idles", () => {
  test("from the end of its last call, not from its beginning", async () => {
    const gate = gated();
    const memory = new MemoryServer({
      endpoints: { "A.Wait": gate.endpoint },
      limits: { idleTimeoutMs: 10_000 },
    });
    const peer = memory.connect();
    peer.send(request("A.Wait", "1"));
    await memory.clock.advance(25_000);
    assert.equal(peer.ended, false, "a call is open");
    gate.open(1);
    await peer.reply();
    await memory.clock.advance(9_999);
    assert.equal(peer.ended, false);
    await memory.clock.advance(1);
    await peer.untilEnd();
  });
});

suite("a connection ends with work open", () => {
  test("after a message that can't be read, open calls are answered first", async () => {
    const gate = gated();
    const memory = new MemoryServer({ endpoints: { "A.Wait": gate.endpoint } });
    const peer = memory.connect();
    peer.send(Buffer.concat([request("A.Wait", "1"), Buffer.from("nonsense\r\n\r\n")]));
    await settle();
    assert.equal(peer.waiting, 0);
    gate.open(1);
    assert.equal((await peer.reply()).body.trim(), "1");
    assert.equal((await peer.reply()).error?.code, 400);
    await peer.untilEnd();
  });

  test("and those that never end are cut off", async () => {
    const memory = new MemoryServer({
      endpoints: { "A.Wait": gated().endpoint },
      limits: { finishMs: 3_000 },
    });
    const peer = memory.connect();
    peer.send(Buffer.concat([request("A.Wait", "1"), Buffer.from("nonsense\r\n\r\n")]));
    await memory.clock.advance(2_999);
    assert.equal(memory.server.counters.connections, 1);
    await memory.clock.advance(1);
    assert.equal(memory.server.counters.connections, 0);
    assert.equal(memory.clock.timers, 0);
  });

  test("streams are told, since nothing more can come", async () => {
    const ended = Promise.withResolvers<unknown>();
    const reading = stream({
      ...echoStream,
      async *handle(messages) {
        try {
          yield* messages;
        } catch (thrown) {
          ended.resolve(thrown);
          throw thrown;
        }
      },
    });
    const memory = new MemoryServer({ endpoints: { "A.Chat": reading } });
    const peer = memory.connect();
    peer.send(opening);
    await settle();
    peer.send("nonsense\r\n\r\n");
    assert.equal((await peer.reply()).error?.code, 400);
    assert.ok(isAgentError(await ended.promise, "ERR_RPC_CANCELLED"));
    await peer.untilEnd();
    assert.equal(peer.waiting, 0, "one error, not two");
  });

  test("Connection: close ends the input of its streams, cleanly", async () => {
    const summing = stream({
      kind: "read",
      request: anyJson,
      response: anyJson,
      async *handle(messages) {
        let sum = 0;
        for await (const each of messages) sum += Number(each);
        yield sum;
      },
    });
    const memory = new MemoryServer({ endpoints: { "A.Chat": summing } });
    const peer = memory.connect();
    const next = (body: string, headers = {}): Buffer =>
      request("A.Chat", body, { "Micro-Stream": "1", ...headers });
    peer.send(Buffer.concat([opening, next("2"), next("3", { Connection: "close" })]));
    assert.equal((await peer.reply()).body.trim(), "5");
    assert.ok((await peer.reply()).eos);
    await peer.untilEnd();
  });
});

suite("a connection tells the listener when it is idle", () => {
  const told = (): {
    readonly says: boolean[];
    readonly peer: { setIdle(idle: boolean): void };
  } => {
    const says: boolean[] = [];
    return { says, peer: { setIdle: (idle) => says.push(idle) } };
  };

  test("after each answer, not before the first request, not amid a message or a call", async () => {
    const gate = gated();
    const memory = new MemoryServer({ endpoints: { "A.Wait": gate.endpoint, "A.Echo": echo } });
    const { says, peer: extra } = told();
    const peer = memory.connect(undefined, extra);
    await settle();
    assert.deepEqual(says, []);
    peer.send(request("A.Echo", "1"));
    await peer.reply();
    assert.deepEqual(says.at(-1), true, "answered");
    const whole = request("A.Wait", "1");
    peer.send(whole.subarray(0, 20));
    await settle();
    assert.deepEqual(says.at(-1), false, "half a head");
    peer.send(whole.subarray(20));
    await settle();
    assert.deepEqual(says.at(-1), false, "a call is open");
    gate.open(1);
    await peer.reply();
    await settle();
    assert.deepEqual(says.at(-1), true, "answered late");
  });
});

suite("a connection in the log", () => {
  const certificate = {
    subject: "CN=ann,O=Fleet",
    issuer: "CN=CA",
    notBefore: 0,
    notAfter: 1,
    serial: "0A",
    fingerprint: "ff00",
  };
  test("opens with the whole identity and closes with its time; calls carry the short name", async () => {
    const memory = new MemoryServer({ endpoints: { "A.Echo": echo } });
    const peer = memory.connect(
      principal({
        cn: "ann",
        spiffeId: "spiffe://fleet/ann",
        dnsNames: ["ann.local"],
        certificate,
      }),
    );
    const who = { peer: "spiffe://fleet/ann", verified: true, remote: "127.0.0.1:1" };
    assert.deepEqual(memory.log.of("connection.opened"), [
      {
        ...who,
        ...{ subject: "CN=ann,O=Fleet", issuer: "CN=CA", serial: "0A", fingerprint: "ff00" },
        ...{ spiffe_id: "spiffe://fleet/ann", dns_names: ["ann.local"] },
        ...{ ip_addresses: undefined, refusal: undefined },
      },
    ]);
    peer.send(request("A.Echo", "1"));
    await peer.reply();
    assert.equal(memory.log.of("rpc.call")[0]?.["peer"], "spiffe://fleet/ann");
    await memory.clock.advance(1500);
    peer.stream.end();
    await peer.untilEnd();
    await settle();
    assert.equal(memory.log.of("connection.closed")[0]?.["duration_ms"], 1500);
  });

  test("a name that nobody vouches for is marked in each of its calls", async () => {
    const memory = new MemoryServer({ endpoints: { "A.Echo": echo } });
    const stranger = principal({ cn: "admin", verified: false, roles: ["unverified"] });
    const peer = memory.connect(stranger);
    peer.send(request("A.Echo", "1"));
    await peer.reply();
    const [line] = memory.log.of("rpc.call");
    assert.deepEqual([line?.["peer"], line?.["verified"]], ["CN=admin", false]);
  });
});
