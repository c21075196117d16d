import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, type RawPeer, request } from "../../../fakes/memory-server.ts";
import { echo, echoStream, gated } from "./echo-endpoints.ts";

/** As a real peer does: closes its side when the server has closed its own. */
function closing(peer: RawPeer): RawPeer {
  peer.stream.on("end", () => peer.stream.end());
  return peer;
}

suite("drain", () => {
  test("with no connection is done at once", async () => {
    await new MemoryServer().server.drain(1000);
  });

  test("idle connections end at once, busy ones after their answer", async () => {
    const gate = gated();
    const memory = new MemoryServer({ endpoints: { "A.Wait": gate.endpoint, "A.Echo": echo } });
    const [idle, busy] = [closing(memory.connect()), closing(memory.connect())];
    idle.send(request("A.Echo", "1"));
    await idle.reply();
    busy.send(request("A.Wait", "1"));
    await settle();
    const drained = memory.server.drain(60_000);
    await idle.untilEnd();
    assert.equal(busy.ended, false);
    busy.send(request("A.Echo", "2"));
    await settle();
    gate.open(1);
    assert.equal((await busy.reply()).body.trim(), "1", "the open call is answered");
    assert.equal((await busy.reply()).error?.code, 503, "a new one is refused");
    await busy.untilEnd();
    await drained;
    assert.equal(memory.server.counters.connections, 0);
    assert.equal(memory.server.counters.refusedCalls.get("ERR_RPC_DRAINING"), 1);
    assert.equal(memory.clock.timers, 0);
  });

  test("what is not done by the deadline is cut off; a second drain joins", async () => {
    const gate = gated();
    const memory = new MemoryServer({
      endpoints: { "A.Wait": gate.endpoint, "A.Chat": echoStream },
    });
    const [calling, streaming] = [memory.connect(), memory.connect()];
    calling.send(request("A.Wait", "1"));
    streaming.send(request("A.Chat", "1", { "Micro-Stream": "1" }));
    await settle();
    const drained = Promise.all([memory.server.drain(5_000), memory.server.drain(9_000)]);
    await memory.clock.advance(4_999);
    assert.equal(memory.server.counters.connections, 2);
    await memory.clock.advance(1);
    await drained;
    assert.equal(memory.server.counters.connections, 0);
    assert.equal(memory.server.counters.streams, 0);
    assert.equal(memory.clock.timers, 0);
  });

  test("a connection that comes while draining is refused its calls and ends", async () => {
    const gate = gated();
    const memory = new MemoryServer({ endpoints: { "A.Wait": gate.endpoint, "A.Echo": echo } });
    const busy = closing(memory.connect());
    busy.send(request("A.Wait", "1"));
    await settle();
    const drained = memory.server.drain(60_000);
    const late = closing(memory.connect());
    await late.untilEnd();
    gate.open(1);
    await busy.reply();
    await drained;
  });

  for (const [why, sent, answer] of [
    ["half a head", request("A.Echo", "1").subarray(0, 20), 503],
    ["a head, and half of its body", request("A.Echo", '"hello"').subarray(0, -1), 503],
    ["half a call, in whose body the endpoint is", unnamed().subarray(0, -1), 503],
  ] as const) {
    test(`${why} is not waited for: it was never taken`, async () => {
      const memory = new MemoryServer({ endpoints: { "A.Echo": echo } });
      const peer = closing(memory.connect());
      peer.send(sent);
      await settle();
      await memory.server.drain(60_000);
      assert.equal((await peer.reply()).error?.code, answer);
      assert.equal(peer.waiting, 0);
      assert.equal(memory.clock.monotonicMs(), 0, "no time has passed");
    });
  }

  test("a call that was taken is answered before what came half after it", async () => {
    const gate = gated();
    const memory = new MemoryServer({ endpoints: { "A.Wait": gate.endpoint, "A.Echo": echo } });
    const peer = closing(memory.connect());
    peer.send(request("A.Wait", "1"));
    peer.send(request("A.Echo", '"late"').subarray(0, -1));
    await settle();
    const drained = memory.server.drain(60_000);
    await settle();
    assert.equal(peer.ended, false);
    gate.open(1);
    assert.equal((await peer.reply()).body.trim(), "1");
    assert.equal((await peer.reply()).error?.code, 503);
    await drained;
  });
});

/** A legacy request: its envelope names the endpoint. */
function unnamed(): Buffer {
  const envelope = { id: 1, method: "A.Echo", params: [1] };
  return request(undefined, JSON.stringify(envelope), { "Content-Type": "application/json-rpc" });
}
