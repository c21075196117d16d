/**
 * Many calls at once over few connections, while callers give up and peers break: every call settles
 * exactly once, with its own reply, and afterwards nothing is left behind.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { fakeClient } from "../fakes/dialer-client.ts";
import { jsonReply, type PeerScript } from "../fakes/dialer-peer.ts";
import { settle } from "../fakes/fake-clock.ts";
import { FakeRandom } from "../fakes/fake-random.ts";

const CALLS = 400;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

/** Replies late and in pieces, sometimes twice, sometimes breaks, sometimes never. */
function hostile(random: FakeRandom): PeerScript {
  return (request, peer) => {
    const fate = random.draw();
    const body = JSON.parse(String(request.body));
    const turns = Math.floor(random.draw() * 4);
    const reply = (): void => {
      if (peer.socket.destroyed || peer.socket.writableEnded) return;
      if (fate < 0.05) peer.close();
      else if (fate < 0.08) peer.raw("not HTTP at all\r\n");
      else if (fate < 0.11) {
        // In one piece: a second reply that comes after the next request can't be told from its answer.
        peer.raw(Buffer.concat([jsonReply(body), jsonReply("unasked")]));
      } else if (fate > 0.05 + 0.9)
        return; // silence
      else peer.json(body);
    };
    later(turns, reply);
  };
}

function later(turns: number, run: () => void): void {
  if (turns === 0) run();
  else setImmediate(() => later(turns - 1, run));
}

suite("a storm of calls", () => {
  for (const seed of SEEDS) {
    test(`seed ${seed}: each settles once, with its own reply; the pool is whole afterwards`, async () => {
      const random = new FakeRandom(seed);
      const { client, clock, dialer } = fakeClient({
        script: hostile(new FakeRandom(seed * 7)),
        plan: () =>
          random.draw() < 0.05 ? new AgentError("ERR_RPC_CONNECT", "refused") : undefined,
        addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
        options: { poolSize: 4, retries: 2 },
      });
      const settled = new Array<number>(CALLS).fill(0);
      const codes = new Map<string, number>();
      const calls = settled.map(async (_count, index) => {
        const controller = new AbortController();
        const abortAfter = random.draw();
        if (abortAfter < 0.3) later(Math.floor(abortAfter * 30), () => controller.abort("enough"));
        const idempotent = random.draw() < 0.5;
        try {
          const reply = await client.call("greeter", "A.b", index, {
            signal: controller.signal,
            timeoutMs: 1000,
            idempotent,
          });
          assert.equal(reply, index, "a reply that belongs to another call");
          codes.set("ok", (codes.get("ok") ?? 0) + 1);
        } catch (thrown) {
          assert.ok(thrown instanceof AgentError, String(thrown));
          codes.set(thrown.code, (codes.get(thrown.code) ?? 0) + 1);
        }
        settled[index] = (settled[index] ?? 0) + 1;
      });
      const all = Promise.all(calls);
      for (let step = 0; step < 200; step += 1) await clock.advance(25);
      await all;
      assert.deepEqual(new Set(settled), new Set([1]));
      assert.ok((codes.get("ok") ?? 0) > CALLS / 4, JSON.stringify([...codes]));
      assert.ok(
        (codes.get("ERR_RPC_CANCELLED") ?? 0) > 0 && (codes.get("ERR_RPC_DEADLINE") ?? 0) > 0,
      );
      assert.equal(client.status.inFlight, 0);
      for (const pool of client.status.pools) {
        assert.deepEqual([pool.idle, pool.waiting, pool.dialing], [pool.open, 0, 0]);
        assert.ok(pool.open <= 4);
      }
      for (const socket of dialer.sockets) {
        if (!socket.destroyed) {
          assert.ok(socket.listenerCount("drain") <= 1 && socket.listenerCount("data") === 1);
        }
      }
      await client.close();
      await settle();
      assert.ok(
        dialer.sockets.every((socket) => socket.destroyed),
        "a connection was left open",
      );
      assert.equal(clock.timers, 0);
      assert.deepEqual(client.status.pools, []);
    });
  }
});
