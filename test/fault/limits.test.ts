/**
 * Limits on a whole agent, over real sockets: what a caller that is too fast is told, what a stranger
 * that fails too often is not told, and that everybody else notices nothing.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { parseAddress } from "#src/registry/address.ts";
import { RawPeer, request } from "../fakes/memory-server.ts";
import { type Ground, makeGround } from "../fakes/running-agent.ts";
import type { CredentialFiles } from "../fakes/site.ts";

const RPC = '[rpc]\nlisten = "127.0.0.1:0"\n';
const ECHO = request("Agent.Echo", "{}", { "Micro-Service": "microedge" });
const HEALTH = request("Debug.Health", "{}", { "Micro-Service": "microedge" });

/** A peer with a connection of its own. */
async function dial(listen: string | undefined, files: CredentialFiles): Promise<RawPeer> {
  const { port } = parseAddress(listen ?? "");
  const [cert, key, ca] = [files.cert, files.key, files.ca].map((file) => readFileSync(file));
  const socket = connectTls({
    host: "127.0.0.1",
    port,
    cert,
    key,
    ca,
    checkServerIdentity: () => undefined,
  });
  await once(socket, "secureConnect");
  return new RawPeer(socket);
}

/** The code of the answer: 200 or go-micro's. */
async function ask(peer: RawPeer, message = ECHO): Promise<number> {
  peer.send(message);
  return (await peer.reply()).error?.code ?? 200;
}

async function times<T>(count: number, run: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < count; at++) results.push(await run());
  return results;
}

/** How a connection that sends nothing ends; `open` if it does not within the time. */
async function fateOf(listen: string | undefined, firstBytes: string): Promise<string> {
  const socket = connectTcp(parseAddress(listen ?? "").port, "127.0.0.1");
  const fate = new Promise<string>((resolve) => {
    socket.on("error", (error) => resolve(String((error as NodeJS.ErrnoException).code)));
    socket.on("close", () => resolve("closed"));
    socket.on("data", () => resolve("answered"));
  });
  socket.on("connect", () => socket.write(firstBytes));
  const ended = await fate;
  socket.destroy();
  return ended;
}

async function table(ground: Ground, name: string) {
  const found = (await ground.admin.limits()).tables.find((each) => each.name === name);
  assert.ok(found, `there is a table ${name}`);
  return found;
}

suite("a peer that calls too often", () => {
  test("is told 429, how long to wait, and nothing of others; others are served", async () => {
    await using ground = await makeGround(`${RPC}[limits]\nper_peer = { rate = 0.5, burst = 3 }\n`);
    await using agent = await ground.start();
    const fast = await dial(agent.listen, await ground.site.issue("fast"));
    const again = await dial(agent.listen, await ground.site.issue("fast"));
    const other = await dial(agent.listen, await ground.site.issue("other"));
    assert.deepEqual(await times(3, () => ask(fast)), [200, 200, 200]);
    fast.send(ECHO);
    const { error, head } = await fast.reply();
    assert.deepEqual([error?.code, error?.status], [429, "Too Many Requests"]);
    const { message, limit, retry_after_ms: wait } = JSON.parse(error?.detail ?? "");
    assert.deepEqual([message, limit], ["this peer makes too many calls", "per_peer"]);
    assert.ok(wait > 0 && wait <= 2000, `${wait} ms`);
    assert.equal(head.headers.get("retry-after"), String(Math.ceil(wait / 1000)));
    assert.equal(await ask(again), 429, "another connection of the same peer");
    assert.equal(await ask(other), 200);
    const { peers } = await ground.admin.limits();
    const seen = peers.find(({ peer }) => peer.startsWith("CN=fast, "));
    assert.deepEqual([seen?.calls, seen?.refused, seen?.inFlight], [5, 2, 0]);
    assert.equal((await table(ground, "per_peer")).refused, 2);
    const { counters } = await ground.admin.status();
    assert.equal(counters["limited:per_peer"], 2);
    assert.equal(counters["calls_refused:ERR_RATE_LIMITED"], 2);
    for (const peer of [fast, again, other]) peer.stream.destroy();
  });

  test("in a storm of 20,000 calls the connection lives, every call is answered, others are served", async () => {
    await using ground = await makeGround(`${RPC}[limits]\nper_peer = { rate = 10, burst = 10 }\n`);
    await using agent = await ground.start();
    const storm = await dial(agent.listen, await ground.site.issue("storm"));
    const other = await dial(agent.listen, await ground.site.issue("other"));
    const codes = new Map<number, number>();
    for (let round = 0; round < 100; round++) {
      storm.send(Buffer.concat(Array.from({ length: 200 }, () => ECHO)));
      for (let at = 0; at < 200; at++) {
        const code = (await storm.reply()).error?.code ?? 200;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      if (round % 25 === 0) assert.equal(await ask(other), 200);
    }
    const [good = 0, limited = 0] = [codes.get(200), codes.get(429)];
    assert.equal(good + limited, 20_000);
    assert.ok(good >= 10 && good < 1000, `${good} were let in`);
    assert.equal(ground.log.filter(({ event }) => event === "limit.reached").length, 1);
    for (const peer of [storm, other]) peer.stream.destroy();
  });

  test("waits for its turn where the limit says so, and health is still told", async () => {
    const echo = '{ endpoint = "microedge/Agent.Echo", rate = 20, burst = 1, wait_ms = 1000 }';
    await using ground = await makeGround(`${RPC}[limits]\nper_endpoint = [${echo}]\n`);
    await using agent = await ground.start();
    const peers = await times(3, async () => dial(agent.listen, await ground.site.issue("p")));
    const startedAt = performance.now();
    assert.deepEqual(await Promise.all(peers.map((peer) => ask(peer))), [200, 200, 200]);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 95, `two turns of 50 ms took ${tookMs} ms`);
    assert.equal((await table(ground, "per_endpoint")).waited, 2);
    assert.equal(await ask(peers[0] as RawPeer, HEALTH), 200);
    for (const peer of peers) peer.stream.destroy();
  });

  test("that goes away while it waits leaves nothing behind", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nagent = { rate = 0.02, burst = 1, wait_ms = 60_000 }\n`,
    );
    await using agent = await ground.start();
    const peer = await dial(agent.listen, await ground.site.issue("p"));
    assert.equal(await ask(peer), 200);
    peer.send(ECHO);
    const calls = async () => (await ground.admin.limits()).calls;
    while ((await calls()).waiting === 0);
    assert.equal((await calls()).inFlight, 1);
    peer.stream.destroy();
    while ((await calls()).waiting > 0);
    assert.equal((await calls()).inFlight, 0);
  });
});

/** Begins a handshake and leaves it there; resolves when the agent is in it. */
async function dawdle(listen: string | undefined): Promise<Disposable> {
  const [near, far] = duplexPair();
  connectTls({ socket: near }).on("error", () => undefined); // it is never answered
  const [hello] = (await once(far, "data")) as [Buffer];
  near.destroy();
  const socket = connectTcp(parseAddress(listen ?? "").port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(hello);
  await once(socket, "data");
  return { [Symbol.dispose]: () => socket.destroy() };
}

suite("an address", () => {
  test("that fails too often is reset before TLS while others are at it; a reload lets it in again", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nfailed_handshakes = { rate = 0.01, burst = 3 }\n`,
    );
    await using agent = await ground.start();
    const files = await ground.site.issue("good");
    const before = await dial(agent.listen, files);
    using _busy = await dawdle(agent.listen);
    for (let at = 0; at < 3; at++)
      assert.match(await fateOf(agent.listen, "rubbish\n"), /closed|RESET/);
    assert.equal(await fateOf(agent.listen, "GET / HTTP/1.1\r\n"), "ECONNRESET");
    await assert.rejects(dial(agent.listen, files), { code: "ECONNRESET" });
    assert.equal(await ask(before), 200, "a connection that is open is not concerned");
    const { refused, used } = await table(ground, "failed_handshakes");
    assert.deepEqual([refused, used], [2, 1]);
    const { counters } = await ground.admin.status();
    assert.equal(counters["connections_refused:failed-handshakes"], 2);
    assert.equal((await ground.event("connection.refused"))["cause"], "failed-handshakes");
    await ground.configure(`${RPC}[limits]\nfailed_handshakes = "off"\n`);
    assert.deepEqual((await ground.admin.reload()).applied, ["limits.failed_handshakes"]);
    const after = await dial(agent.listen, files);
    assert.equal(await ask(after), 200);
    for (const peer of [before, after]) peer.stream.destroy();
  });

  test("whose certificates are refused uses its budget up, too", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nfailed_handshakes = { rate = 0.01, burst = 2 }\n`,
    );
    await using agent = await ground.start();
    using _busy = await dawdle(agent.listen);
    const expired = await ground.site.issue("late", { notAfter: Date.now() - 60_000 });
    for (let at = 0; at < 2; at++) {
      const peer = await dial(agent.listen, expired);
      assert.equal((await peer.reply()).error?.code, 401);
      peer.stream.destroy();
    }
    await assert.rejects(dial(agent.listen, expired), { code: "ECONNRESET" });
  });

  test("that has failed too often still lets good peers in when nobody else is at it", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nfailed_handshakes = { rate = 0.01, burst = 2 }\n`,
    );
    await using agent = await ground.start();
    const files = await ground.site.issue("good");
    for (let at = 0; at < 2; at++) await fateOf(agent.listen, "rubbish\n");
    assert.equal((await table(ground, "failed_handshakes")).used, 1);
    const peer = await dial(agent.listen, files);
    assert.equal(await ask(peer), 200);
    peer.stream.destroy();
  });

  test("connects as often as it may", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nper_address = { rate = 0.01, burst = 2 }\n`,
    );
    await using agent = await ground.start();
    const files = await ground.site.issue("good");
    const peers = await times(2, () => dial(agent.listen, files));
    await assert.rejects(dial(agent.listen, files), { code: "ECONNRESET" });
    assert.deepEqual(await Promise.all(peers.map((peer) => ask(peer))), [200, 200]);
    assert.equal((await table(ground, "per_address")).refused, 1);
    for (const peer of peers) peer.stream.destroy();
  });
});

suite("limits of an agent", () => {
  test("say at the start what they take, and which endpoint is not there", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nper_peer_endpoint = [{ endpoint = "microedge/Agent.Ecoh", rate = 1, burst = 1 }]\ntracked_peers = 100\n`,
    );
    await using _agent = await ground.start();
    const inForce = await ground.event("limits.in.force");
    assert.deepEqual(inForce["tables"], [
      "failed_handshakes 8192 (147468 bytes)",
      "per_peer_endpoint 400 (7212 bytes)",
    ]);
    assert.equal(inForce["bytes"], 147_468 + 7_212);
    const { key, reason } = await ground.event("config.warning");
    assert.equal(key, "limits");
    assert.match(String(reason), /microedge\/Agent\.Ecoh, which is not served here/);
  });

  test("a reload that is wrong changes none of them", async () => {
    await using ground = await makeGround(
      `${RPC}[limits]\nper_peer = { rate = 0.01, burst = 1 }\n`,
    );
    await using agent = await ground.start();
    const peer = await dial(agent.listen, await ground.site.issue("p"));
    assert.equal(await ask(peer), 200);
    await ground.configure(`${RPC}[limits]\nper_peer = { rate = 0, burst = 1 }\n`);
    await assert.rejects(ground.admin.reload(), { code: "ERR_CONFIG_INVALID" });
    assert.equal(await ask(peer), 429);
    await ground.configure(`${RPC}[limits]\nper_peer = { rate = 0.02, burst = 1 }\n`);
    assert.deepEqual((await ground.admin.reload()).applied, ["limits.per_peer"]);
    assert.equal(await ask(peer), 429, "what was spent stays spent");
    peer.stream.destroy();
  });
});
