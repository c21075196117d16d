/**
 * The listener under pressure and on bad ground: floods, silent peers, full houses, addresses in use
 * or not there yet.
 */
import assert from "node:assert/strict";
import dns from "node:dns";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { Listener } from "#src/transport/listener.ts";
import { HandSource, testPki } from "../fakes/certificates.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { dialTcp, dialTls, echo, RecordingLog, readAll, startRig } from "../fakes/network-rig.ts";

const pki = await testPki();
const source = new HandSource(await pki.material("server"));
const security = { kind: "tls", source, verify: { kind: "enforce" }, minVersion: "1.3" } as const;
const leaf = await pki.issue("client");
const good: ConnectionOptions = { ca: pki.caPem, cert: leaf.certificatePem, key: leaf.keyPem };

/** A whole ClientHello record of TLS 1.3, taken from a real client, and then nothing more. */
async function recordClientHello(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const dialled = dialTls(port, good).catch(() => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const [hello] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  server.close();
  await dialled;
  return hello;
}
const clientHello = await recordClientHello();

async function served(port: number): Promise<void> {
  const socket = await dialTls(port, good);
  assert.equal(await echo(socket, "hi"), "echo:hi");
  socket.destroy();
}

suite("flood", () => {
  test("10,000 TCP connects that say nothing: the next good peer is served at once", async () => {
    const limits = { maxConnections: 100, maxHandshakes: 8 };
    await using rig = await startRig(security, { limits });
    let opened = 0;
    let failed = 0;
    const held = new Set<Socket>();
    // Bounded in flight, so that the test itself stays within its file descriptors.
    const lane = async (): Promise<void> => {
      while (opened < 10_000) {
        opened += 1;
        const socket = connect(rig.port, "127.0.0.1");
        held.add(socket);
        socket.on("error", () => {
          failed += 1;
        });
        socket.on("close", () => held.delete(socket));
        await new Promise<void>((resolve) => {
          socket.once("connect", resolve);
          socket.once("close", () => resolve());
        });
      }
    };
    await Promise.all(Array.from({ length: 50 }, lane));
    const before = performance.now();
    await served(rig.port);
    assert.ok(performance.now() - before < 2000, "served while the silent ones still hold on");
    assert.ok(rig.listener.pending <= 100, `${rig.listener.pending} pending`);
    assert.ok((rig.listener.counters.of("refused").get("displaced") ?? 0) > 9000);
    assert.ok(rig.log.of("connection.refused").length <= 2, "the log does not flood");
    for (const socket of held) socket.destroy();
    assert.ok(failed > 0, "the others were reset");
  });

  test("half-open handshakes give way to a peer that waits", async () => {
    const limits = { maxConnections: 50, maxHandshakes: 4, dawdleMs: 50 };
    await using rig = await startRig(security, { limits });
    const stalled = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const socket = await dialTcp(rig.port);
        socket.on("error", () => socket.destroy());
        socket.write(clientHello);
        return socket;
      }),
    );
    await served(rig.port);
    assert.ok((rig.listener.counters.of("refused").get("displaced") ?? 0) >= 4);
    for (const socket of stalled) socket.destroy();
  });

  for (const { why, bytes } of [
    { why: "say nothing", bytes: Buffer.alloc(0) },
    { why: "stop within their ClientHello", bytes: clientHello.subarray(0, 40) },
    { why: "stop after their ClientHello", bytes: clientHello },
  ]) {
    test(`connections of one address that ${why} displace none of another`, async () => {
      const patience = { dawdleMs: 60_000, crowdDawdleMs: 20 };
      const limits = { maxConnections: 50, maxNewcomers: 12, maxHandshakes: 4, ...patience };
      await using rig = await startRig(security, { limits });
      const slow = await dialTcp(rig.port); // a good peer, a long way off
      const crowd: Socket[] = [];
      for (let number = 0; number < 40; number++) {
        const socket = connect({ port: rig.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
        socket.on("error", () => socket.destroy());
        crowd.push(socket);
        await once(socket, "connect");
        if (bytes.length > 0) socket.write(bytes);
      }
      while (rig.listener.counters.total("refused") < 20) await new Promise(setImmediate);
      const peer = connectTls({ socket: slow, ...good, checkServerIdentity: () => undefined });
      await once(peer, "secureConnect");
      assert.equal(await echo(peer, "hi"), "echo:hi");
      await served(rig.port); // and one that has not connected yet
      for (const socket of [peer, ...crowd]) socket.destroy();
    });
  }

  test("60 peers that come at once, with 4 handshake slots: all are served", async () => {
    const limits = { maxConnections: 60, maxHandshakes: 4 };
    await using rig = await startRig(security, { limits });
    await Promise.all(Array.from({ length: 60 }, () => served(rig.port)));
    assert.equal(rig.listener.counters.total("refused"), 0);
  });
});

suite("silence", () => {
  for (const { why, bytes } of [
    { why: "says nothing", bytes: Buffer.alloc(0) },
    { why: "stops within its ClientHello", bytes: clientHello.subarray(0, 40) },
    { why: "stops after its ClientHello", bytes: clientHello },
  ]) {
    test(`a peer that ${why} is cut off after the handshake time`, async () => {
      const clock = new FakeClock();
      await using rig = await startRig(security, { clock, handshakeTimeoutMs: 3000 });
      const socket = await dialTcp(rig.port);
      if (bytes.length > 0) socket.write(bytes);
      // The server's flight shows that the handshake is under way; the others have nothing to show.
      if (bytes.length === clientHello.length) await once(socket, "data");
      const closed = readAll(socket);
      while (rig.listener.pending === 0) await new Promise(setImmediate);
      await clock.advance(2999);
      assert.equal(socket.destroyed, false);
      await clock.advance(1);
      await closed;
      assert.equal(rig.listener.counters.of("handshakesFailed").get("timeout"), 1);
      assert.match(String(rig.log.of("handshake.failed")[0]?.fields["reason"]), /in time/);
      assert.equal(clock.timers, 0);
    });
  }
  test("a peer that hangs up within its handshake is counted as reset", async () => {
    await using rig = await startRig(security);
    const socket = await dialTcp(rig.port);
    socket.write(clientHello);
    await once(socket, "data");
    socket.destroy();
    const line = await rig.log.find(({ event }) => event === "handshake.failed");
    assert.equal(line.fields["cause"], "reset");
    while (rig.listener.pending > 0) await new Promise(setImmediate);
  });
  test("one ClientHello byte by byte is a good one", async () => {
    await using rig = await startRig(security);
    const socket = await dialTcp(rig.port);
    for (const byte of clientHello.subarray(0, 60)) socket.write(Uint8Array.of(byte));
    socket.write(clientHello.subarray(60));
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.equal(answer[0], 0x16, "the server's handshake record");
    socket.destroy();
  });
});

suite("full house", () => {
  test("an idle peer gives way to a new one, longest idle first", async () => {
    await using rig = await startRig(security, { limits: { maxConnections: 2, maxHandshakes: 2 } });
    const first = await dialTls(rig.port, good);
    await echo(first, "hi");
    const second = await dialTls(rig.port, good);
    await echo(second, "hi");
    rig.handed[0]?.setIdle?.(true);
    rig.handed[1]?.setIdle?.(true);
    rig.handed[0]?.setIdle?.(false);
    rig.handed[0]?.setIdle?.(true);
    const closed = readAll(second);
    await served(rig.port);
    assert.equal(await closed, "", "closed without an error");
    assert.equal(await echo(first, "still"), "echo:still");
    assert.equal(rig.listener.counters.of("refused").get("idle-displaced"), 1);
    first.destroy();
  });
  test("a peer that is busy on every connection does not shut out another", async () => {
    await using rig = await startRig(security, { limits: { maxConnections: 3, maxHandshakes: 4 } });
    const { certificatePem: cert, keyPem: key } = await pki.issue("other");
    const hog: TLSSocket[] = [];
    for (let at = 0; at < 3; at++) {
      const socket = await dialTls(rig.port, good);
      await echo(socket, "hi");
      hog.push(socket);
    }
    const reset = once(hog[2] as TLSSocket, "error") as Promise<[NodeJS.ErrnoException]>;
    const other = await dialTls(rig.port, { ...good, cert, key });
    assert.equal(await echo(other, "hi"), "echo:hi");
    assert.equal((await reset)[0].code, "ECONNRESET", "the latest of the peer that has most");
    assert.equal(await echo(hog[0] as TLSSocket, "still"), "echo:still");
    assert.equal(rig.listener.counters.of("refused").get("peer-displaced"), 1);
    for (const socket of [...hog, other]) socket.destroy();
  });
  test("when nobody is idle the newcomer is told, and those inside keep their place", async () => {
    await using rig = await startRig(security, { limits: { maxConnections: 1, maxHandshakes: 2 } });
    const first = await dialTls(rig.port, good);
    await echo(first, "hi");
    const second = await dialTls(rig.port, good);
    assert.equal(
      await readAll(second),
      "REFUSED too many connections are open and none of them is idle\n",
    );
    assert.equal(await echo(first, "still"), "echo:still");
    first.destroy();
    while (rig.listener.open > 0) await new Promise(setImmediate);
    await served(rig.port);
  });
});

suite("address", () => {
  const options = (
    host: string,
    port: number,
    log = new RecordingLog(),
    clock = new FakeClock(),
  ) => ({
    listen: { host, port },
    security,
    limits: { maxConnections: 5, maxHandshakes: 2 },
    handshakeTimeoutMs: 1000,
    handler: () => undefined,
    refusalReply: () => new Uint8Array(),
    clock,
    random: { ...systemRandom, draw: () => 1 },
    log,
  });
  const start = (): AbortSignal => new AbortController().signal;

  test("in use: an error at once, naming the address, and nothing is left", async () => {
    await using rig = await startRig(security);
    const second = new Listener(options("127.0.0.1", rig.port));
    await assert.rejects(second.start(start()), {
      code: "ERR_LISTEN",
      message: `127.0.0.1:${rig.port} is in use by another program`,
    });
    assert.equal(second.state.kind, "stopped");
  });
  test("not there yet: start succeeds, the state says why, attempts go on until stopped", async () => {
    const log = new RecordingLog();
    const clock = new FakeClock();
    // TEST-NET-1 (RFC 5737): never an address of this machine.
    const listener = new Listener(options("192.0.2.7", 0, log, clock));
    await listener.start(start());
    assert.deepEqual(listener.state, {
      kind: "waiting",
      reason: "192.0.2.7 is not an address of this machine (yet)",
      attempts: 1,
    });
    await clock.advance(1000);
    while (listener.state.kind === "waiting" && listener.state.attempts < 2) {
      await new Promise(setImmediate);
    }
    assert.equal(log.of("listener.waiting").length, 1, "told once");
    await listener[Symbol.asyncDispose]();
    assert.equal(listener.state.kind, "stopped");
    assert.equal(clock.timers, 0);
  });
  test("no certificate yet: start succeeds, nothing listens; it does once there is one", async () => {
    const none = new HandSource();
    const log = new RecordingLog();
    const listener = new Listener({
      ...options("127.0.0.1", 0, log),
      security: { ...security, source: none },
      clock: systemClock,
      handler: (peer) => peer.socket.end("in"),
    });
    await listener.start(start());
    const reason = "the device has no certificate yet";
    assert.deepEqual(listener.state, { kind: "waiting", reason, attempts: 0 });
    assert.equal(log.of("listener.waiting")[0]?.fields["reason"], reason);
    none.replace(source.current);
    await log.find(({ event }) => event === "listener.listening");
    const socket = await dialTls(Number(listener.address?.split(":")[1]), good);
    assert.equal(await readAll(socket), "in");
    await listener[Symbol.asyncDispose]();
  });
  test("the certificate comes, but the address is taken: it is tried again, not given up", async () => {
    const none = new HandSource();
    const clock = new FakeClock();
    const log = new RecordingLog();
    const rig = await startRig(security);
    const listener = new Listener({
      ...options("127.0.0.1", rig.port, log, clock),
      security: { ...security, source: none },
    });
    await listener.start(start());
    none.replace(source.current);
    await log.find(({ fields }) => /in use/.test(String(fields["reason"])));
    await rig[Symbol.asyncDispose]();
    await clock.advance(1000);
    await log.find(({ event }) => event === "listener.listening");
    await listener[Symbol.asyncDispose]();
    assert.equal(clock.timers, 0);
  });
  test("stopped while there is no certificate: it never listens", async () => {
    const none = new HandSource();
    const listener = new Listener({
      ...options("127.0.0.1", 0),
      security: { ...security, source: none },
    });
    await listener.start(start());
    await listener[Symbol.asyncDispose]();
    none.replace(source.current);
    assert.equal(listener.state.kind, "stopped");
  });
  test("a name server that does not answer holds up no stop: at start", async (t) => {
    t.mock.method(dns, "lookup", () => undefined);
    const listener = new Listener(options("gateway.example", 0));
    const stop = new AbortController();
    const starting = listener.start(stop.signal);
    stop.abort(new Error("stopped by SIGTERM"));
    await assert.rejects(starting, /stopped by SIGTERM/);
    assert.equal(listener.state.kind, "stopped");
  });
  test("a name server that does not answer holds up no stop: at a later attempt", async (t) => {
    const asked: ((error: Error) => void)[] = [];
    t.mock.method(dns, "lookup", (...question: unknown[]) =>
      asked.push(question.at(-1) as (error: Error) => void),
    );
    const clock = new FakeClock();
    const listener = new Listener(options("gateway.example", 0, new RecordingLog(), clock));
    const starting = listener.start(start());
    asked[0]?.(Object.assign(new Error("x"), { code: "EAI_AGAIN" }));
    await starting;
    assert.equal(listener.state.kind, "waiting");
    await clock.advance(1000);
    assert.equal(asked.length, 2, "asked again");
    await listener[Symbol.asyncDispose]();
    assert.equal(listener.state.kind, "stopped");
  });
  test("port 0 and IPv6: the bound address is told", async () => {
    const log = new RecordingLog();
    const listener = new Listener({ ...options("::1", 0, log), clock: systemClock });
    await listener.start(start());
    assert.match(listener.address ?? "", /^\[::1\]:\d{2,5}$/);
    assert.equal(log.of("listener.listening")[0]?.fields["listen"], listener.address);
    await listener[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    assert.equal(listener.address, undefined);
  });
  test("stopping ends unfinished handshakes and leaves handed-over connections alone", async () => {
    await using rig = await startRig(security);
    const inside = await dialTls(rig.port, good);
    await echo(inside, "hi");
    const silent = await dialTcp(rig.port);
    while (rig.listener.pending === 0) await new Promise(setImmediate);
    const closed = readAll(silent);
    await rig.listener[Symbol.asyncDispose]();
    await closed;
    assert.equal(await echo(inside, "still"), "echo:still");
    await assert.rejects(dialTcp(rig.port), { code: "ECONNREFUSED" });
    inside.destroy();
  });
});
