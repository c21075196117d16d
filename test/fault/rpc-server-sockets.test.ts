/**
 * The server on real sockets of the loopback: TLS records, connections that break, peers that are slow.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, suite, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { isAgentError } from "#src/base/errors.ts";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { registerAgentService } from "#src/services/agent-service.ts";
import { bytesShape } from "#src/wire/codec/bytes-shape.ts";
import { testPki } from "../fakes/certificates.ts";
import { MemoryServer, principal, RawPeer, request } from "../fakes/memory-server.ts";

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function serve(memory: MemoryServer): Promise<number> {
  const server = createServer((socket) =>
    memory.server.handle({ socket, principal: principal(), alpn: undefined }),
  );
  return listen(server);
}

async function dial(port: number): Promise<{ socket: Socket; peer: RawPeer }> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return { socket, peer: new RawPeer(socket) };
}

/** Resolves when `condition` holds; looks again whenever the event loop has gone round. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function memory(): MemoryServer {
  const server = new MemoryServer();
  registerAgentService(
    server.table,
    { name: "microedge", version: "0", readyAtMs: 0 },
    server.clock,
  );
  return server;
}

const echo = (text: string): Buffer => request("Agent.Echo", JSON.stringify({ text }));

suite("over TLS", () => {
  test("a small reply is one TLS record, and so are the replies to one read", async () => {
    const pki = await testPki();
    const leaf = await pki.material("server");
    const server = memory();
    const tls = createTlsServer(
      { cert: leaf.chainPem, key: leaf.key as string, minVersion: "TLSv1.3" },
      (socket) => server.server.handle({ socket, principal: principal(), alpn: undefined }),
    );
    const port = await listen(tls);
    // A relay that counts the application records (type 23) of the server.
    const seen = { records: 0, pending: Buffer.alloc(0) };
    const relay = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      near.pipe(far);
      far.on("data", (chunk) => {
        seen.pending = Buffer.concat([seen.pending, chunk]);
        while (seen.pending.length >= 5) {
          const length = 5 + seen.pending.readUInt16BE(3);
          if (seen.pending.length < length) break;
          if (seen.pending[0] === 23) seen.records++;
          seen.pending = seen.pending.subarray(length);
        }
        near.write(chunk);
      });
      for (const [a, b] of [
        [near, far],
        [far, near],
      ] as const) {
        a.on("error", () => b.destroy());
        a.on("close", () => b.destroy());
      }
    });
    const socket = connectTls({ port: await listen(relay), host: "127.0.0.1", ca: pki.caPem });
    await once(socket, "secureConnect");
    const peer = new RawPeer(socket);
    peer.send(echo("warm-up: handshake records and session tickets are behind us"));
    await peer.reply();
    const before = seen.records;
    for (let n = 0; n < 10; n++) {
      peer.send(echo("x".repeat(100)));
      await peer.reply();
    }
    assert.equal(seen.records - before, 10);
    const pipelined = Buffer.concat(Array.from({ length: 10 }, () => echo("y")));
    peer.send(pipelined);
    for (let n = 0; n < 10; n++) await peer.reply();
    assert.equal(seen.records - before, 11);
    socket.destroy();
  });
});

suite("on TCP", () => {
  test("a request that comes byte by byte is one request", async () => {
    const server = memory();
    const { socket, peer } = await dial(await serve(server));
    for (const byte of echo("dribble")) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(JSON.parse((await peer.reply()).body).text, "dribble");
    assert.equal(server.server.counters.requests, 1);
    socket.destroy();
  });

  test("20,000 calls on one connection: every one answered, in order, nothing kept", async () => {
    const server = memory();
    const accepted = Promise.withResolvers<Socket>();
    const port = await listen(
      createServer((socket) => {
        server.server.handle({ socket, principal: principal(), alpn: undefined });
        accepted.resolve(socket);
      }),
    );
    const { socket, peer } = await dial(port);
    const ours = await accepted.promise;
    const count = (): number =>
      ours.eventNames().reduce((sum, name) => sum + ours.listenerCount(name), 0);
    peer.send(echo("first"));
    await peer.reply();
    const listeners = count();
    for (let batch = 0; batch < 200; batch++) {
      peer.received = "";
      peer.send(Buffer.concat(Array.from({ length: 100 }, (_, n) => echo(`${batch}-${n}`))));
      for (let n = 0; n < 100; n++) {
        assert.equal(JSON.parse((await peer.reply()).body).text, `${batch}-${n}`);
      }
    }
    assert.equal(server.server.counters.requests, 20_001);
    assert.equal(count(), listeners);
    assert.ok(server.clock.timers <= 1, "one timer for all");
    socket.destroy();
    await until(() => server.server.counters.connections === 0);
    assert.equal(server.clock.timers, 0);
  });

  test("a reset in the middle of a call aborts it and leaves the server well", async () => {
    const aborted = Promise.withResolvers<unknown>();
    const server = memory();
    server.table.register(
      "microedge",
      "A.Wait",
      unary({
        kind: "read",
        request: bytesShape,
        response: bytesShape,
        handle: (_body, call) => {
          call.signal.addEventListener("abort", () => aborted.resolve(call.signal.reason));
          return new Promise<Uint8Array>(() => undefined);
        },
      }),
    );
    const port = await serve(server);
    const { socket, peer } = await dial(port);
    peer.send(request("A.Wait", "x", { "Content-Type": "application/octet-stream" }));
    await until(() => server.server.counters.requests === 1);
    socket.resetAndDestroy();
    assert.ok(isAgentError(await aborted.promise, "ERR_RPC_CANCELLED"));
    const next = await dial(port);
    next.peer.send(echo("well"));
    assert.equal(JSON.parse((await next.peer.reply()).body).text, "well");
    next.socket.destroy();
  });

  test("a 4 MiB reply to a peer that reads late is whole", async () => {
    const server = memory();
    const big = Buffer.alloc(4 * 1024 * 1024, "ab");
    server.table.register(
      "microedge",
      "A.Big",
      unary({ kind: "read", request: bytesShape, response: bytesShape, handle: () => big }),
    );
    const { socket, peer } = await dial(await serve(server));
    socket.pause();
    peer.send(request("A.Big", "", { "Content-Type": "application/octet-stream" }));
    await until(() => server.server.counters.requests === 1);
    socket.resume();
    assert.ok(Buffer.from((await peer.reply()).bytes).equals(big));
    socket.destroy();
  });

  test("a stream to a peer that reads nothing waits; the handler's output stays bounded", async () => {
    let made = 0;
    const chunk = Buffer.alloc(10_000, 1);
    const server = memory();
    server.table.register(
      "microedge",
      "A.Pour",
      stream({
        kind: "read",
        request: bytesShape,
        response: bytesShape,
        async *handle() {
          for (; made < 5_000; made++) yield chunk;
        },
      }),
    );
    const { socket, peer } = await dial(await serve(server));
    socket.pause();
    peer.send(
      request("A.Pour", "", { "Content-Type": "application/octet-stream", "Micro-Stream": "1" }),
    );
    let last = -1;
    for (let same = 0; same < 200; same = made === last ? same + 1 : 0) {
      last = made;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(
      made > 0 && made < 5_000,
      `${made} of 5,000 were made: the kernel's buffers, no more`,
    );
    socket.resume();
    for (let n = 0; n < 5_000; n++) assert.equal((await peer.reply()).bytes.length, 10_000);
    assert.ok((await peer.reply()).eos);
    socket.destroy();
  });

  test("Connection: close is honoured after the answer", async () => {
    const { peer } = await dial(await serve(memory()));
    peer.send(
      Buffer.concat([
        request("Agent.Echo", '{"text":"bye"}', { Connection: "close" }),
        echo("not read any more"),
      ]),
    );
    assert.equal(JSON.parse((await peer.reply()).body).text, "bye");
    await peer.untilEnd();
    assert.equal(peer.waiting, 0);
  });

  test("Expect: 100-continue is answered before the body; a refused call closes", async () => {
    const server = memory();
    const port = await serve(server);
    const { socket, peer } = await dial(port);
    const whole = request("Agent.Echo", '{"text":"go on"}', { Expect: "100-continue" });
    const head = whole.subarray(0, whole.indexOf("\r\n\r\n") + 4);
    peer.send(head);
    await until(() => peer.received.includes("\r\n\r\n"));
    assert.equal(peer.received, "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send(whole.subarray(head.length));
    assert.equal(JSON.parse((await peer.reply()).body).text, "go on");
    socket.destroy();
    const refused = await dial(port);
    refused.peer.send(request("No.Where", "", { Expect: "100-continue", "Content-Length": "5" }));
    assert.equal((await refused.peer.reply()).error?.code, 404);
    await refused.peer.untilEnd();
    assert.doesNotMatch(refused.peer.received, /100 Continue/);
  });

  test("100 clients that each break off somewhere in a request: all forgotten", async () => {
    const server = memory();
    const port = await serve(server);
    const whole = echo("broken off");
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const { socket } = await dial(port);
        socket.write(whole.subarray(0, 1 + (n % (whole.length - 1))));
        if (n % 2 === 0) socket.end();
        else socket.resetAndDestroy();
        await once(socket, "close");
      }),
    );
    await until(
      () =>
        server.server.counters.connectionsTotal === 100 && server.server.counters.connections === 0,
    );
    assert.equal(server.server.counters.requests, server.server.counters.errors);
    assert.equal(server.clock.timers, 0);
  });
});
