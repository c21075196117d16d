/**
 * Dialling out: which servers are believed, and what happens when names, addresses, proxies and
 * handshakes fail.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { suite, test } from "node:test";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { AgentError } from "#src/base/errors.ts";
import { type Clock, systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { classifyHandshakeError } from "#src/transport/node-error.ts";
import { parseProxy } from "#src/transport/proxy-settings.ts";
import { TlsDialer, type TlsDialerOptions } from "#src/transport/tls-dialer.ts";
import { HandSource, testPki } from "../fakes/certificates.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { startOpenssl } from "../fakes/network-openssl.ts";
import { FakeNetwork, startProxy } from "../fakes/network-proxy.ts";
import { echo, RecordingLog, startRig } from "../fakes/network-rig.ts";

const DAY = 86_400_000;
const now = Date.now();
const pki = await testPki();
const other = await testPki("Other CA");
const source = new HandSource(await pki.material("client"));
const alpn = ["http/1.1"];
const never = (): AbortSignal => new AbortController().signal;

function dialer(overrides: Partial<TlsDialerOptions> = {}): TlsDialer {
  return new TlsDialer({
    security: { kind: "tls", source, verify: "enforce", minVersion: "1.3" },
    network: systemNetwork,
    connectTimeoutMs: 5000,
    clock: systemClock,
    log: new RecordingLog(),
    ...overrides,
  });
}

interface TestServer extends AsyncDisposable {
  readonly port: number;
}

async function listening(server: Server, sockets: Set<Socket>): Promise<TestServer> {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function tlsServer(leaf: Issued, options: TlsOptions = {}): Promise<TestServer> {
  const server = createTlsServer({ cert: leaf.certificatePem, key: leaf.keyPem, ...options });
  const sockets = new Set<Socket>();
  server.on("secureConnection", (socket: TLSSocket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => socket.write(`echo:${chunk}`));
  });
  server.on("tlsClientError", () => undefined);
  return listening(server, sockets);
}

function tcpServer(talk: (socket: Socket) => void): Promise<TestServer> {
  return listening(createTcpServer(talk), new Set());
}

async function fails(dialled: Promise<unknown>, code: string, words: RegExp): Promise<AgentError> {
  const error = await dialled.then(
    () => assert.fail("the dial succeeded"),
    (thrown) => thrown,
  );
  assert.ok(error instanceof AgentError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return error;
}

suite("servers that are believed", () => {
  test("a good one, by address and by name, with ALPN and identity", async () => {
    await using server = await tlsServer(await pki.issue("greeter"), { ALPNProtocols: alpn });
    using out = dialer();
    for (const host of ["127.0.0.1", "localhost"]) {
      const {
        socket,
        principal,
        alpn: spoken,
      } = await out.dial({ host, port: server.port, alpn }, never());
      assert.equal(await echo(socket, "hi"), "echo:hi");
      assert.deepEqual([principal.verified, principal.cn, spoken], [true, "greeter", "http/1.1"]);
      socket.destroy();
    }
  });
  test("one that knows no ALPN, as a go-micro server", async () => {
    await using server = await tlsServer(await pki.issue("greeter"));
    using out = dialer();
    const connection = await out.dial({ host: "127.0.0.1", port: server.port, alpn }, never());
    assert.equal(connection.alpn, undefined);
    connection.socket.destroy();
  });
  test("serverName stands in for the address", async () => {
    await using server = await tlsServer(await pki.issue("x", { sans: { dns: ["greeter.edge"] } }));
    using out = dialer();
    const target = { host: "127.0.0.1", port: server.port, alpn };
    const { socket } = await out.dial({ ...target, serverName: "greeter.edge" }, never());
    socket.destroy();
    await fails(out.dial(target, never()), "ERR_TLS_PEER_REFUSED", /does not name "127\.0\.0\.1"/);
  });
  test("our own listener, whose verdict the server takes of us", async () => {
    const server = new HandSource(await pki.material("server"));
    await using rig = await startRig({
      kind: "tls",
      source: server,
      verify: { kind: "enforce" },
      minVersion: "1.3",
    });
    using out = dialer();
    const { socket } = await out.dial({ host: "127.0.0.1", port: rig.port, alpn }, never());
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.equal(rig.handed[0]?.principal.cn, "client");
    socket.destroy();
  });
  test("a resumed session is judged again; new material forgets sessions", async () => {
    await using server = await tlsServer(await pki.issue("greeter"));
    const own = new HandSource(await pki.material("client"));
    using out = dialer({
      security: { kind: "tls", source: own, verify: "enforce", minVersion: "1.3" },
    });
    const target = { host: "127.0.0.1", port: server.port, alpn };
    const visit = async (): Promise<boolean> => {
      const { socket, principal } = await out.dial(target, never());
      assert.equal(principal.verified, true);
      assert.equal(principal.cn, "greeter");
      await echo(socket, "hi");
      const reused = (socket as TLSSocket).isSessionReused();
      socket.destroy();
      return reused;
    };
    assert.deepEqual([await visit(), await visit()], [false, true]);
    await visit();
    assert.equal(await visit(), true, "there is a session to forget");
    await visit();
    own.replace(await pki.material("client-2"));
    assert.equal(await visit(), false);
  });
});

suite("servers that are refused", () => {
  const rows: readonly { why: string; leaf: Promise<Issued>; words: RegExp }[] = [
    {
      why: "expired",
      leaf: pki.issue("x", { notBefore: now - 9 * DAY, notAfter: now - 2 * DAY }),
      words: /server certificate expired 2 days ago/,
    },
    {
      why: "not yet valid",
      leaf: pki.issue("x", { notBefore: now + DAY, notAfter: now + 9 * DAY }),
      words: /not yet valid/,
    },
    { why: "unknown authority", leaf: other.issue("x"), words: /unknown authority: "CN=Other CA"/ },
    { why: "self-signed", leaf: pki.odd("x", { selfSigned: true }), words: /self-signed/ },
    {
      why: "wrong SAN",
      leaf: pki.issue("x", { sans: { dns: ["else.where"] } }),
      words: /does not name "localhost": it names else\.where/,
    },
    {
      why: "no SAN: the common name does not count",
      leaf: pki.odd("localhost", { sans: {} }),
      words: /has no DNS or IP SAN at all/,
    },
    {
      why: "for clients only",
      leaf: pki.issue("x", { usages: ["client"] }),
      words: /lacks serverAuth/,
    },
    {
      why: "an authority's own",
      leaf: pki.odd("x", { basicConstraints: { ca: true }, keyUsageBits: [0, 5] }),
      words: /is an authority's/,
    },
  ];
  for (const { why, leaf, words } of rows) {
    test(why, async () => {
      await using server = await tlsServer(await leaf);
      const log = new RecordingLog();
      using out = dialer({ log });
      const target = { host: "localhost", port: server.port, alpn };
      const error = await fails(out.dial(target, never()), "ERR_TLS_PEER_REFUSED", words);
      assert.match(String(error.fields["subject"]), /^CN=/);
      assert.ok(error.fields["fix"]);
      await fails(out.dial(target, never()), "ERR_TLS_PEER_REFUSED", words);
      assert.equal(log.of("peer.refused").length, 1, "logged once");
    });
  }
  test("any server passes only when verification is off, and stays unverified", async () => {
    await using server = await tlsServer(await other.issue("x"));
    const verify = "insecure-skip-verify";
    using out = dialer({ security: { kind: "tls", source, verify, minVersion: "1.3" } });
    const { socket, principal } = await out.dial(
      { host: "127.0.0.1", port: server.port, alpn },
      never(),
    );
    assert.deepEqual([principal.verified, principal.roles], [false, ["unverified"]]);
    socket.destroy();
  });
  test("TLS 1.2 only", async () => {
    await using server = await tlsServer(await pki.issue("x"), { maxVersion: "TLSv1.2" });
    using out = dialer();
    const target = { host: "127.0.0.1", port: server.port, alpn };
    await fails(out.dial(target, never()), "ERR_TLS_HANDSHAKE", /TLS versions/);
    using old = dialer({ security: { kind: "tls", source, verify: "enforce", minVersion: "1.2" } });
    (await old.dial(target, never())).socket.destroy();
  });
  test("plain HTTP where TLS was expected", async () => {
    await using server = await tcpServer((socket) =>
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    using out = dialer();
    const dialled = out.dial({ host: "127.0.0.1", port: server.port, alpn }, never());
    await fails(dialled, "ERR_TLS_HANDSHAKE", /does not speak TLS/);
  });
  test("one that hangs up", async () => {
    await using server = await tcpServer((socket) => socket.destroy());
    using out = dialer();
    const dialled = out.dial({ host: "127.0.0.1", port: server.port, alpn }, never());
    await fails(dialled, "ERR_TLS_HANDSHAKE", /closed the connection in the middle/);
  });
  test("one that refuses us says so only at the first read, by an alert", async () => {
    await using server = await startOpenssl(await pki.issue("x"), other.caPem);
    using out = dialer();
    const { socket } = await out.dial({ host: "127.0.0.1", port: server.port, alpn }, never());
    socket.resume();
    const [error] = await once(socket, "error").catch((thrown) => [thrown]);
    const failure = classifyHandshakeError(error);
    assert.equal(failure.cause, "rejected-by-peer");
    assert.match(failure.words, /it does not know the authority that issued it/);
  });
});

suite("names and addresses", () => {
  async function setUp() {
    const server = await tlsServer(await pki.issue("x", { sans: { dns: ["greeter.edge"] } }));
    const network = new FakeNetwork();
    const clock = new FakeClock(now);
    const target = { host: "greeter.edge", port: server.port, alpn };
    return { server, network, clock, target, out: dialer({ network, clock }) };
  }
  /** Steps the fake clock until the promise settles. */
  async function pass<T>(clock: FakeClock, ms: number, dialled: Promise<T>): Promise<T> {
    dialled.catch(() => undefined);
    await clock.advance(ms);
    return dialled;
  }

  test("a black-holed IPv6 address costs one stagger of 250 ms", async () => {
    const { server, network, clock, target, out } = await setUp();
    await using _ = server;
    network.names.set("greeter.edge", ["2001:db8::1", "2001:db8::2", "127.0.0.1"]);
    network.blackHoles.add("2001:db8::1").add("2001:db8::2");
    const dialled = out.dial(target, never());
    await clock.advance(249);
    assert.deepEqual(network.tried, ["2001:db8::1"]);
    const { socket } = await pass(clock, 1, dialled);
    assert.deepEqual(network.tried, ["2001:db8::1", "127.0.0.1"], "families in turn");
    assert.equal(network.sockets[0]?.destroyed, true, "the loser is closed");
    assert.equal(clock.timers, 0, "no timer is left");
    socket.destroy();
  });
  test("a refused address moves on at once", async () => {
    const { server, network, target, out } = await setUp();
    await using _ = server;
    const closed = await tcpServer(() => undefined);
    await closed[Symbol.asyncDispose]();
    network.names.set("greeter.edge", ["::1", "127.0.0.1"]);
    const { socket } = await out.dial(target, never());
    assert.deepEqual(network.tried, ["::1", "127.0.0.1"]);
    socket.destroy();
  });
  test("when all fail, each is named", async () => {
    const { server, network, target, out } = await setUp();
    await server[Symbol.asyncDispose]();
    network.names.set("greeter.edge", ["127.0.0.1", "127.0.0.2"]);
    const words =
      /^127\.0\.0\.1:\d+ refused the connection: nothing listens there; 127\.0\.0\.2:\d+ refused/;
    await fails(out.dial(target, never()), "ERR_RPC_CONNECT", words);
  });
  test("all black holes: the time limit ends it, nothing stays open", async () => {
    const { server, network, clock, target, out } = await setUp();
    await using _ = server;
    network.names.set("greeter.edge", ["192.0.2.1", "192.0.2.2"]);
    network.blackHoles.add("192.0.2.1").add("192.0.2.2");
    const dialled = out.dial(target, never());
    const words =
      /no connection within 5000 ms; stopped while connecting to 192\.0\.2\.1, 192\.0\.2\.2/;
    await fails(pass(clock, 5000, dialled), "ERR_RPC_CONNECT", words);
    assert.ok(network.sockets.every((socket) => socket.destroyed));
    assert.equal(clock.timers, 0);
  });
  test("a resolver that hangs is left behind, and not asked twice meanwhile", async () => {
    const { server, network, clock, target, out } = await setUp();
    await using _ = server;
    network.names.set("greeter.edge", "hang");
    const dialled = [out.dial(target, never()), out.dial(target, never())];
    const outcomes = Promise.allSettled(dialled);
    await clock.advance(2500);
    for (const outcome of await outcomes) {
      assert.ok(outcome.status === "rejected");
      assert.equal(
        outcome.reason.message,
        'no answer from the name server for "greeter.edge" within 2500 ms',
      );
    }
    assert.equal(network.questions, 1);
  });
  test("a changed answer counts at the next dial; the last good one bridges a dead resolver", async () => {
    const { server, network, target, out } = await setUp();
    await using _ = server;
    network.names.set("greeter.edge", ["127.0.0.2"]);
    await fails(out.dial(target, never()), "ERR_RPC_CONNECT", /127\.0\.0\.2/);
    network.names.set("greeter.edge", ["127.0.0.1"]);
    (await out.dial(target, never())).socket.destroy();
    network.names.set("greeter.edge", Object.assign(new Error("x"), { code: "EAI_AGAIN" }));
    (await out.dial(target, never())).socket.destroy();
    assert.deepEqual(network.tried, ["127.0.0.2", "127.0.0.1", "127.0.0.1"]);
  });
  test("an unknown name", async () => {
    const { server, target, out } = await setUp();
    await using _ = server;
    const dialled = out.dial({ ...target, host: "nowhere.edge" }, never());
    await fails(
      dialled,
      "ERR_RPC_CONNECT",
      /cannot resolve "nowhere\.edge": the name does not exist/,
    );
  });
});

suite("abort", () => {
  const reason = new Error("caller went away");
  async function aborted(out: TlsDialer, host: string, port: number, after: Promise<unknown>) {
    const caller = new AbortController();
    const dialled = out.dial({ host, port, alpn }, caller.signal);
    dialled.catch(() => undefined);
    await after;
    caller.abort(reason);
    await assert.rejects(dialled, reason);
  }
  const idleClock: Clock = systemClock;

  test("while resolving", async () => {
    const network = new FakeNetwork();
    network.names.set("x.edge", "hang");
    await aborted(dialer({ network, clock: idleClock }), "x.edge", 1, Promise.resolve());
  });
  test("while connecting", async () => {
    const network = new FakeNetwork();
    network.blackHoles.add("192.0.2.1");
    await aborted(dialer({ network }), "192.0.2.1", 1, new Promise(setImmediate));
    assert.ok(network.sockets.length === 1 && network.sockets[0]?.destroyed);
  });
  test("in the handshake, with a server that says nothing", async () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    await using server = await tcpServer(resolve);
    const network = new FakeNetwork();
    const seen = promise.then((socket) => once(socket, "data"));
    await aborted(dialer({ network }), "127.0.0.1", server.port, seen);
    assert.equal(network.sockets[0]?.destroyed, true);
  });
});

suite("HTTP CONNECT proxy", () => {
  const proxyAt = (port: number, user = ""): TlsDialerOptions["proxy"] =>
    parseProxy(`http://${user}127.0.0.1:${port}`);

  test("TLS runs through the tunnel to the target, with credentials for the proxy only", async () => {
    await using server = await tlsServer(await pki.issue("greeter"));
    await using proxy = await startProxy(() => undefined);
    using out = dialer({ proxy: proxyAt(proxy.port, "edge:p%40ss@") });
    const { socket, principal } = await out.dial(
      { host: "localhost", port: server.port, alpn },
      never(),
    );
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.equal(principal.cn, "greeter");
    const credentials = Buffer.from("edge:p@ss").toString("base64");
    assert.equal(
      proxy.requests[0],
      `CONNECT localhost:${server.port} HTTP/1.1\r\nHost: localhost:${server.port}\r\n` +
        `Proxy-Authorization: Basic ${credentials}\r\n\r\n`,
    );
    socket.destroy();
  });
  const answers = [
    {
      why: "forbidden",
      text: "HTTP/1.1 403 Forbidden\r\n\r\n",
      words: /proxy 127\.0\.0\.1:\d+ refused a tunnel to localhost:1: 403 Forbidden/,
    },
    {
      why: "credentials wanted",
      text: "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
      words: /demands credentials \(407\): put user and password into client\.proxy, /,
    },
    {
      why: "captive portal by redirection",
      text: "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n",
      words: /captive portal/,
    },
    {
      why: "captive portal by a page",
      text: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
      words: /captive portal/,
    },
    { why: "not HTTP", text: "SSH-2.0-x\r\n\r\n", words: /does not speak HTTP/ },
    { why: "hangs up", text: "", words: /hung up before it opened a tunnel/ },
    {
      why: "endless head",
      text: `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}`,
      words: /not one to CONNECT/,
    },
  ];
  for (const { why, text, words } of answers) {
    test(`a proxy that answers: ${why}`, async () => {
      await using proxy = await startProxy(() => text);
      const network = new FakeNetwork();
      using out = dialer({ proxy: proxyAt(proxy.port), network });
      await fails(
        out.dial({ host: "localhost", port: 1, alpn }, never()),
        "ERR_RPC_CONNECT",
        words,
      );
      assert.ok(network.sockets.every((socket) => socket.destroyed));
    });
  }
  test("a proxy that refuses our credentials is not said to miss them", async () => {
    await using proxy = await startProxy(
      () => "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    );
    using out = dialer({ proxy: parseProxy(`http://ann:wrong@127.0.0.1:${proxy.port}`, []) });
    const dialled = out.dial({ host: "localhost", port: 1, alpn }, never());
    await fails(
      dialled,
      "ERR_RPC_CONNECT",
      /does not take the credentials of the proxy URL \(407\)/,
    );
  });
  test("a proxy that is not there is named as the proxy", async () => {
    using out = dialer({ proxy: parseProxy("http://127.0.0.1:1", []) });
    const dialled = out.dial({ host: "localhost", port: 2, alpn }, never());
    const words = /^can't reach the proxy: 127\.0\.0\.1:1 refused the connection/;
    await fails(dialled, "ERR_RPC_CONNECT", words);
  });
  test("targets of the no-proxy list go past it", async () => {
    await using server = await tlsServer(await pki.issue("greeter"));
    using out = dialer({ proxy: parseProxy("http://127.0.0.1:1", ["127.0.0.0/8"]) });
    (await out.dial({ host: "127.0.0.1", port: server.port, alpn }, never())).socket.destroy();
  });
});
