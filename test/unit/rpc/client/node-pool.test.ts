import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { fakeClient } from "../../../fakes/dialer-client.ts";
import type { MucpPeer, PeerScript } from "../../../fakes/dialer-peer.ts";
import { settle } from "../../../fakes/fake-clock.ts";

const silent: PeerScript = () => undefined;
const requestsOf = (peers: readonly MucpPeer[]): number[] =>
  peers.map((peer) => peer.requests.length);

/** Starts `count` calls; keeps what becomes of each. */
function start(client: ReturnType<typeof fakeClient>["client"], count: number): Promise<unknown>[] {
  return Array.from({ length: count }, (_, index) => client.call("greeter", "A.b", { index }));
}

suite("pool of connections to a node", () => {
  test("one call in flight on each connection, no more connections than its size", async () => {
    const { client, dialer } = fakeClient({ script: silent, options: { poolSize: 3 } });
    const calls = start(client, 5);
    await settle();
    assert.deepEqual(requestsOf(dialer.peers), [1, 1, 1]);
    assert.deepEqual(client.status.pools, [
      { node: "127.0.0.1:1001", open: 3, idle: 0, dialing: 0, waiting: 2 },
    ]);
    dialer.peers[1]?.json("second");
    assert.equal(await calls[1], "second");
    await settle();
    assert.deepEqual(requestsOf(dialer.peers), [1, 2, 1], "the waiting call takes the free one");
    for (const index of [0, 1, 2, 0]) {
      dialer.peers[index]?.json("x");
      await settle();
    }
    await Promise.all(calls);
    assert.equal(client.status.pools[0]?.idle, 3);
  });

  test("calls wait first come, first served", async () => {
    const { client, dialer } = fakeClient({ script: silent, options: { poolSize: 1 } });
    const done: number[] = [];
    const calls = start(client, 4).map((call, index) => call.then(() => done.push(index)));
    for (let served = 1; served <= 4; served += 1) {
      await dialer.peers[0]?.received(served);
      await settle();
      dialer.peers[0]?.json({});
      await settle();
    }
    await Promise.all(calls);
    assert.deepEqual(done, [0, 1, 2, 3]);
    assert.equal(dialer.peers.length, 1);
  });

  test("the last connection used is used first", async () => {
    const { client, dialer } = fakeClient({ script: silent });
    const pair = start(client, 2);
    await settle();
    dialer.peers[0]?.json({});
    await settle();
    dialer.peers[1]?.json({});
    await Promise.all(pair);
    const [next] = start(client, 1);
    await settle();
    assert.deepEqual(requestsOf(dialer.peers), [1, 2]);
    dialer.peers[1]?.json({});
    await next;
  });

  test("a call takes a connection that comes free while its own is being made", async () => {
    const { client, dialer } = fakeClient({
      script: silent,
      plan: (_target, count) => (count > 1 ? "hold" : undefined),
    });
    const [first, second] = start(client, 2);
    await settle();
    dialer.peers[0]?.json("one");
    assert.equal(await first, "one");
    await settle();
    dialer.peers[0]?.json("two");
    assert.equal(await second, "two");
    dialer.release();
    await settle();
    assert.deepEqual(client.status.pools, [
      { node: "127.0.0.1:1001", open: 2, idle: 2, dialing: 0, waiting: 0 },
    ]);
  });

  test("a full queue refuses at once", async () => {
    const { client } = fakeClient({ script: silent, options: { poolSize: 1, maxWaiting: 2 } });
    const outcomes: string[] = [];
    for (const call of start(client, 4))
      call.catch((error: AgentError) => outcomes.push(error.code));
    await settle();
    assert.deepEqual(outcomes, ["ERR_RPC_OVERLOADED"]);
  });

  test("waiting counts into the deadline, and a call that leaves the queue loses its place only", async () => {
    const { client, clock, dialer } = fakeClient({ script: silent, options: { poolSize: 1 } });
    const [first] = start(client, 1);
    const late = assert.rejects(client.call("greeter", "A.b", {}, { timeoutMs: 100 }), {
      code: "ERR_RPC_DEADLINE",
      message: /waiting for a connection of 127/,
    });
    const [third] = start(client, 1);
    await clock.advance(100);
    await late;
    dialer.peers[0]?.json("first");
    await first;
    await settle();
    dialer.peers[0]?.json("third");
    assert.equal(await third, "third");
  });

  test("a connection is not used after its time to live, and idle ones close then", async () => {
    const { client, clock, dialer } = fakeClient({ options: { poolTtlMs: 1000 } });
    await client.call("greeter", "A.b", {});
    await clock.advance(999);
    await client.call("greeter", "A.b", {});
    assert.equal(dialer.peers.length, 1);
    await clock.advance(1);
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
    assert.deepEqual(client.status.pools, []);
    assert.equal(clock.timers, 0);
    await client.call("greeter", "A.b", {});
    assert.equal(dialer.peers.length, 2);
  });

  test("also when the timer that closes old ones is late", async () => {
    const { client, clock, dialer } = fakeClient({ options: { poolTtlMs: 1000 } });
    await client.call("greeter", "A.b", {});
    clock.skip(1000);
    await client.call("greeter", "A.b", {});
    await settle();
    assert.deepEqual(
      dialer.peers.map((peer) => [peer.requests.length, peer.ended]),
      [
        [1, true],
        [1, false],
      ],
    );
    assert.equal(client.status.pools[0]?.open, 1);
  });

  test("one that grows too old during its call is closed after it", async () => {
    const { client, clock, dialer } = fakeClient({ script: silent, options: { poolTtlMs: 1000 } });
    const [call] = start(client, 1);
    await clock.advance(1500);
    dialer.peers[0]?.json({});
    await call;
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });

  test("a connection that the peer closes while idle is noticed before the next call", async () => {
    const { client, dialer } = fakeClient();
    await client.call("greeter", "A.b", {});
    dialer.peers[0]?.close();
    await settle();
    assert.deepEqual(client.status.pools, []);
    await client.call("greeter", "A.b", {});
    assert.equal(dialer.peers.length, 2);
    assert.deepEqual(client.status.failures, {});
  });

  test("refresh: idle ones close, one in use finishes its call and is not used again", async () => {
    const { client, dialer } = fakeClient({ script: silent });
    const [a, b] = start(client, 2);
    await settle();
    dialer.peers[0]?.json("a");
    await a;
    client.refresh();
    await settle();
    assert.deepEqual(
      dialer.peers.map((peer) => peer.ended),
      [true, false],
    );
    dialer.peers[1]?.json("b");
    assert.equal(await b, "b");
    await settle();
    assert.deepEqual(
      dialer.peers.map((peer) => peer.ended),
      [true, true],
    );
    assert.deepEqual(client.status.pools, []);
  });

  test("refresh: one that is being made with the old identity serves one call", async () => {
    const { client, dialer } = fakeClient({
      plan: (_target, count) => (count === 1 ? "hold" : undefined),
    });
    const [call] = start(client, 1);
    await settle();
    client.refresh();
    dialer.release();
    await call;
    await start(client, 1)[0];
    assert.equal(dialer.peers.length, 2);
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });

  test("a failed dial fails the call that caused it, the others go on", async () => {
    const { client, dialer } = fakeClient({
      plan: (_target, count) =>
        count === 2 ? new AgentError("ERR_RPC_CONNECT", "refused") : undefined,
      options: { retries: 0 },
    });
    const outcomes = await Promise.allSettled(start(client, 3));
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), [
      "fulfilled",
      "fulfilled",
      "rejected",
    ]);
    assert.equal(dialer.peers.length, 2);
  });

  test("connections being made are given up with the calls that wanted them, no more and no less", async () => {
    const { client, clock, dialer } = fakeClient({ plan: () => "hold", script: silent });
    const gone = [1, 2].map(() =>
      assert.rejects(client.call("greeter", "A.b", {}, { timeoutMs: 50 }), {
        code: "ERR_RPC_DEADLINE",
      }),
    );
    const [stays] = start(client, 1);
    await clock.advance(50);
    await Promise.all(gone);
    assert.deepEqual([dialer.held, dialer.aborted], [1, 2]);
    dialer.release();
    await settle();
    dialer.peers[0]?.json("ok");
    assert.equal(await stays, "ok");
  });

  test("nodes and server names have pools of their own", async () => {
    const { client, dialer } = fakeClient();
    const at = (address: string, serverName?: string): Promise<unknown> =>
      client.call("any", "A.b", {}, { address, serverName });
    await at("127.0.0.1:1");
    await at("127.0.0.1:1", "x.example");
    await at("127.0.0.1:2");
    await at("127.0.0.1:1");
    assert.equal(dialer.peers.length, 3);
    assert.equal(client.status.pools.length, 3);
  });
});
