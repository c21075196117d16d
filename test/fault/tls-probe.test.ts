/**
 * What the probe says about servers of every kind.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import type { ProbeResult } from "#src/transport/probe-result.ts";
import { type ProbeOptions, probe } from "#src/transport/tls-probe.ts";
import { HandSource, testPki } from "../fakes/certificates.ts";
import { startOpenssl } from "../fakes/network-openssl.ts";
import { FakeNetwork } from "../fakes/network-proxy.ts";
import { startRig } from "../fakes/network-rig.ts";

const DAY = 86_400_000;
const now = Date.now();
const pki = await testPki();
const other = await testPki("Other CA");
const namesake = await testPki("Test CA");
const ownServer = await pki.issue("greeter");
const material = await pki.material("client");

function look(port: number, overrides: Partial<ProbeOptions> = {}): Promise<ProbeResult> {
  return probe(
    {
      host: "127.0.0.1",
      port,
      material,
      minVersion: "1.3",
      network: systemNetwork,
      clock: systemClock,
      timeoutMs: 3000,
      settleMs: 150,
      ...overrides,
    },
    new AbortController().signal,
  );
}

interface TestServer extends AsyncDisposable {
  readonly port: number;
}

async function serve(server: ReturnType<typeof createTcpServer>): Promise<TestServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
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
  server.on("secureConnection", (socket) => socket.on("error", () => socket.destroy()));
  server.on("tlsClientError", () => undefined);
  return serve(server);
}

const failures = (result: ProbeResult): string[] =>
  result.findings.filter(({ level }) => level === "fail").map(({ id }) => id);
const said = (result: ProbeResult): string =>
  result.findings.map(({ words, fix }) => `${words} [${fix}]`).join("\n");

suite("probe", () => {
  test("a good server without client certificates", async () => {
    await using server = await tlsServer(await pki.issue("greeter"));
    const result = await look(server.port);
    assert.deepEqual([result.ok, failures(result), result.serverAccepted], [true, [], true]);
    assert.deepEqual(
      [result.protocol, result.group, result.alpn],
      ["TLSv1.3", "X25519MLKEM768", undefined],
    );
    assert.deepEqual(result.addresses, ["127.0.0.1"]);
    assert.equal(result.clientCertificate, "not-demanded");
    assert.equal(result.chain[0]?.subject, "CN=greeter");
    assert.deepEqual(result.chain[0]?.dnsNames, ["localhost"]);
    assert.deepEqual(result.chain[0]?.ipAddresses, ["127.0.0.1", "::1"]);
  });
  test("a server that demands a certificate and takes ours", async () => {
    await using server = await startOpenssl(await pki.issue("greeter"), pki.caPem);
    const result = await look(server.port);
    assert.equal(result.clientCertificate, "accepted", said(result));
    assert.equal(result.ok, true);
  });
  test("with our certificate only, nobody comes without one", async () => {
    const certificates: boolean[] = [];
    const server = createTlsServer({
      ...{ cert: ownServer.certificatePem, key: ownServer.keyPem, ca: pki.caPem },
      ...{ requestCert: true, rejectUnauthorized: false },
    });
    server.on("secureConnection", (socket) => {
      certificates.push(socket.getPeerX509Certificate() !== undefined);
      socket.on("error", () => socket.destroy());
    });
    await using served = await serve(server);
    const alone = await look(served.port, { ownOnly: true });
    assert.deepEqual([alone.ok, alone.clientCertificate, certificates], [true, "unknown", [true]]);
    await look(served.port);
    assert.deepEqual(certificates, [true, true, false]);
  });
  test("a server that refuses ours by an alert after the handshake", async () => {
    await using server = await startOpenssl(await pki.issue("greeter"), other.caPem);
    const result = await look(server.port);
    assert.equal(result.clientCertificate, "refused");
    assert.match(said(result), /does not know the authority that issued it/);
  });
  test("a server that demands one, and we have none", async () => {
    await using server = await startOpenssl(await pki.issue("greeter"), pki.caPem);
    const result = await look(server.port, { material: undefined });
    assert.equal(result.clientCertificate, "demanded");
    assert.match(said(result), /demands a client certificate and got none/);
    assert.equal(result.serverAccepted, undefined, "nothing to judge by");
  });
  test("our own listener: the words of its 401 are shown", async () => {
    const source = new HandSource(await pki.material("server"));
    const security = {
      kind: "tls",
      source,
      verify: { kind: "enforce" },
      minVersion: "1.3",
    } as const;
    const refusalReply = ({ message }: Error): Uint8Array =>
      new TextEncoder().encode(
        `HTTP/1.1 200 OK\r\nMicro-Error: {"id":"x","code":401,"detail":"${message}"}\r\nContent-Length: 0\r\n\r\n`,
      );
    await using rig = await startRig(security, { refusalReply });
    const accepted = await look(rig.port);
    assert.deepEqual([accepted.clientCertificate, accepted.ok], ["accepted", true]);
    const expired = await pki.material("old", {
      notBefore: now - 9 * DAY,
      notAfter: now - 2 * DAY,
    });
    const refused = await look(rig.port, { material: expired });
    assert.equal(refused.clientCertificate, "refused");
    assert.match(
      said(refused),
      /refused our client certificate: client certificate expired 2 days ago/,
    );
  });

  const certificates: readonly { why: string; leaf: Promise<Issued>; id: string; words: RegExp }[] =
    [
      {
        why: "unknown authority",
        leaf: other.issue("x"),
        id: "unknown-authority",
        words: /"CN=Other CA" is not in the trust bundle.*\[add that authority/,
      },
      { why: "mixed CA", leaf: namesake.issue("x"), id: "unknown-authority", words: /mixed CAs/ },
      {
        why: "expired",
        leaf: pki.issue("x", { notBefore: now - 9 * DAY, notAfter: now - DAY * 1.5 }),
        id: "expired",
        words: /expired 1 day ago/,
      },
      {
        why: "wrong SAN",
        leaf: pki.issue("x", { sans: { dns: ["else.where"] } }),
        id: "name-mismatch",
        words: /it names else\.where \[issue the server a certificate whose SANs/,
      },
    ];
  for (const { why, leaf, id, words } of certificates) {
    test(`classic failure: ${why}`, async () => {
      await using server = await tlsServer(await leaf);
      const result = await look(server.port);
      assert.deepEqual([result.ok, result.serverAccepted, failures(result)], [false, false, [id]]);
      assert.match(said(result), words);
      assert.equal(result.chain.length >= 1, true);
    });
  }
  test("a server of TLS 1.2", async () => {
    await using server = await tlsServer(await pki.issue("x"), { maxVersion: "TLSv1.2" });
    const result = await look(server.port);
    assert.deepEqual([result.protocol, failures(result)], ["TLSv1.2", ["tls-version"]]);
    assert.equal((await look(server.port, { minVersion: "1.2" })).ok, true);
  });
  test("plain HTTP", async () => {
    await using server = await serve(
      createTcpServer((socket) =>
        socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
      ),
    );
    const result = await look(server.port);
    assert.deepEqual(failures(result), ["plain-http"]);
  });
  test("something that is not TLS", async () => {
    await using server = await serve(
      createTcpServer((socket) => socket.end("SSH-2.0-OpenSSH\r\n")),
    );
    assert.deepEqual(failures(await look(server.port)), ["not-tls"]);
  });
  test("a port that accepts and says nothing", async () => {
    await using server = await serve(createTcpServer(() => undefined));
    const result = await look(server.port, { timeoutMs: 100 });
    assert.deepEqual(failures(result), ["handshake"]);
    assert.match(said(result), /did not finish the handshake in time/);
  });
  test("a closed port", async () => {
    const server = await serve(createTcpServer());
    await server[Symbol.asyncDispose]();
    const result = await look(server.port);
    assert.deepEqual(failures(result), ["tcp"]);
    assert.match(said(result), /refused the connection: nothing listens there/);
  });
  test("a name that does not resolve", async () => {
    const result = await look(1, { host: "nowhere.edge", network: new FakeNetwork() });
    assert.deepEqual(failures(result), ["dns"]);
  });
});
