/** What real peers make of a new identity, and what a swap does to connections, sessions and pools. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { suite, test } from "node:test";
import { connect, createServer as createTlsServer } from "node:tls";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { StaticRegistry } from "#src/registry/static-registry.ts";
import { Client } from "#src/rpc/client/client.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { HandSource, materialOf, testPki } from "../fakes/certificates.ts";
import { startOpenssl } from "../fakes/network-openssl.ts";
import { dialTls } from "../fakes/network-rig.ts";
import { makeDevice, type RotatingDevice, startListener } from "../fakes/rotating-device.ts";

const IMPORT = { origin: "import" } as const;
/** The fleet's authority, and another one that only the device trusts as well. */
const [fleet, other] = await Promise.all([testPki("Fleet CA"), testPki("Other CA")]);
const BOTH = fleet.caPem + other.caPem;

interface Peer extends AsyncDisposable {
  readonly port: number;
}

async function serve(server: Server): Promise<Peer> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

async function nodePeer(options: { readonly requestCert: boolean }): Promise<Peer> {
  const { certificatePem, keyPem } = await fleet.issue("broker");
  const server = createTlsServer({
    ...{ cert: certificatePem, key: keyPem, ca: fleet.caPem, rejectUnauthorized: true },
    ...options,
  });
  server.on("tlsClientError", () => undefined);
  server.on("secureConnection", (socket) => socket.on("error", () => socket.destroy()).resume());
  return serve(server);
}

const PEERS: readonly {
  readonly why: string;
  start(): Promise<Peer>;
  /** State after a certificate of the other authority came over one that the peer takes. */
  readonly state: "ACTIVE" | "UNPROVEN" | "ROLLED_BACK";
  readonly words?: RegExp;
}[] = [
  {
    why: "OpenSSL, which refuses with an alert",
    start: async () => startOpenssl(await fleet.issue("broker"), fleet.caPem, 100),
    state: "ROLLED_BACK",
    words: /3 times in a row: .*does not know the authority/,
  },
  {
    why: "another agent, which refuses with an answer",
    start: async () => {
      const source = new HandSource(materialOf(await fleet.issue("agent"), fleet.caPem));
      const listener = await startListener(source);
      const port = Number(listener.address?.split(":").at(-1));
      return { port, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
    },
    state: "ROLLED_BACK",
    words: /3 times in a row: the server refused our client certificate/,
  },
  {
    why: "Node, which refuses by hanging up",
    start: () => nodePeer({ requestCert: true }),
    state: "ROLLED_BACK",
    words: /8 times in a row/,
  },
  {
    why: "one that takes both",
    start: async () => startOpenssl(await fleet.issue("broker"), BOTH, 100),
    state: "ACTIVE",
  },
  {
    why: "one that asks nobody for a certificate",
    start: () => nodePeer({ requestCert: false }),
    state: "UNPROVEN",
  },
];

async function withOld(): Promise<RotatingDevice> {
  const device = await makeDevice();
  await device.rotator.install(await device.content(await fleet.issue("device"), BOTH), IMPORT);
  return device;
}

suite("a certificate of another authority, tried against", () => {
  for (const { why, start, state, words } of PEERS) {
    test(`${why}: ${state}`, async () => {
      await using peer = await start();
      await using device = await withOld();
      device.peers = [{ host: "127.0.0.1", port: peer.port }];
      const content = await device.content(await other.issue("device"), BOTH);
      await device.rotator.install(content, IMPORT);
      await device.rotator.settled();
      const status = device.rotator.status();
      assert.equal(status?.state, state, JSON.stringify(status?.look));
      const issuer = state === "ROLLED_BACK" ? "CN=Fleet CA" : "CN=Other CA";
      assert.equal(device.source.leaf?.summary.issuer, issuer);
      if (words !== undefined) assert.match(status?.words ?? "", words);
      if (state !== "ROLLED_BACK") return;
      await assert.rejects(device.rotator.install(content, IMPORT), (error) => {
        assert.match(String(error), /which failed before/);
        return true;
      });
      await device.rotator.install(content, { ...IMPORT, force: true });
      assert.equal(device.source.leaf?.summary.issuer, "CN=Other CA");
    });
  }

  test("a server whose own certificate the new bundle does not vouch for: ROLLED_BACK", async () => {
    await using peer = await startOpenssl(await fleet.issue("broker"), BOTH, 100);
    await using device = await withOld();
    device.peers = [{ host: "127.0.0.1", port: peer.port }];
    const content = await device.content(await other.issue("device"), other.caPem);
    await device.rotator.install(content, IMPORT);
    await device.rotator.settled();
    const status = device.rotator.status();
    assert.equal(status?.state, "ROLLED_BACK");
    assert.deepEqual(
      status?.failed?.reasons.map(({ code }) => code),
      ["peer-not-trusted-by-it"],
    );
  });

  for (const { why, server } of [
    { why: "nothing listens", server: undefined },
    { why: "it takes connections and says nothing", server: createTcpServer(() => undefined) },
    {
      why: "somebody on the way resets every connection",
      server: createTcpServer((socket) => socket.resetAndDestroy()),
    },
  ]) {
    test(`${why}: UNPROVEN, and tried again`, async () => {
      const peer = await serve(server ?? createTcpServer());
      if (server === undefined) await peer[Symbol.asyncDispose]();
      await using device = await withOld();
      device.peers = [{ host: "127.0.0.1", port: peer.port }];
      const content = await device.content(await other.issue("device"), BOTH);
      await device.rotator.install(content, IMPORT);
      while ((device.rotator.status()?.look?.number ?? 0) < 2) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(device.rotator.status()?.state, "UNPROVEN");
      assert.equal(device.source.leaf?.summary.issuer, "CN=Other CA");
      await device.rotator[Symbol.asyncDispose]();
      if (server !== undefined) {
        server.close();
      }
    });
  }
});

suite("a swap", () => {
  test("new handshakes show the new certificate, open connections go on, old tickets are dead", async () => {
    await using device = await withOld();
    await using listener = await device.listen();
    const port = Number(listener.address?.split(":").at(-1));
    const peer = materialOf(await fleet.issue("peer"), fleet.caPem);
    const dial = async (session?: Buffer) => {
      const socket = connect({
        ...{ host: "127.0.0.1", port, servername: "localhost" },
        ...{ cert: peer.chainPem, key: peer.key as string, ca: BOTH },
        ...(session === undefined ? {} : { session }),
      });
      // Before the handshake: a ticket may come in one read with its end.
      const ticket = once(socket, "session").then(([bytes]) => bytes as Buffer);
      await once(socket, "secureConnect");
      return { socket, ticket };
    };
    const { socket: first, ticket } = await dial();
    const session = await ticket;
    const again = await dial(session);
    assert.equal(again.socket.isSessionReused(), true, "tickets work at all");
    again.socket.destroy();

    const leaf = await fleet.issue("device");
    await device.rotator.install(await device.content(leaf, BOTH), IMPORT);
    const { socket: after } = await dial(session);
    assert.equal(after.isSessionReused(), false);
    assert.equal(after.getPeerX509Certificate()?.serialNumber, serialOf(leaf));
    after.destroy();
    assert.notEqual(first.getPeerX509Certificate()?.serialNumber, serialOf(leaf));
    first.write(ECHO);
    const [answer] = (await once(first, "data")) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 200[\s\S]*"still here"/);
    first.destroy();
  });

  test("idle pooled connections are replaced, an open stream finishes on the old", async () => {
    await using device = await withOld();
    const server = materialOf(await fleet.issue("server"), BOTH);
    const seen: (string | undefined)[] = [];
    const listener = await startListener(new HandSource(server), ({ principal }) => {
      seen.push(principal.certificate?.serial);
    });
    const ports = { clock: systemClock, log: device.log };
    const dialer = new TlsDialer({
      security: { kind: "tls", source: device.source, verify: "enforce", minVersion: "1.3" },
      ...{ network: systemNetwork, connectTimeoutMs: 5000, ...ports },
    });
    const addresses = [String(listener.address)];
    const registry = new StaticRegistry([{ service: "microedge", addresses }]);
    const client = new Client({ dialer, registry, random: systemRandom, ...ports }, {});
    const unsubscribe = device.source.subscribe(() => client.refresh());
    try {
      const old = device.source.leaf?.summary.serial;
      const echo = (): Promise<unknown> => client.call("microedge", "Agent.Echo", { text: "a" });
      await echo();
      await echo();
      const stream = client.stream("microedge", "Agent.EchoStream");
      const replies = stream[Symbol.asyncIterator]();
      await stream.send({ text: "before" });
      assert.equal(JSON.stringify((await replies.next()).value), '{"text":"before"}');
      assert.deepEqual(seen, [old, old], "one pooled connection, one of the stream");

      const leaf = await fleet.issue("device");
      await device.rotator.install(await device.content(leaf, BOTH), IMPORT);
      await echo();
      await stream.send({ text: "after" });
      assert.equal(JSON.stringify((await replies.next()).value), '{"text":"after"}');
      assert.deepEqual(seen, [old, old, serialOf(leaf)], "a new connection for the call only");
      await stream.close();
    } finally {
      unsubscribe();
      await client.close();
      dialer[Symbol.dispose]();
      await listener[Symbol.asyncDispose]();
    }
  });
});

suite("a trust bundle that overlaps", () => {
  test("peers of either authority are served in the window, then the old are not", async () => {
    await using device = await makeDevice();
    const leaf = await other.issue("device");
    const chain = await device.content(await fleet.issue("device"), fleet.caPem);
    await device.rotator.install(chain, IMPORT);
    await using listener = await device.listen();
    const port = Number(listener.address?.split(":").at(-1));
    /** Whether a peer of that authority is served. */
    const served = async (pki: typeof fleet): Promise<boolean> => {
      const { certificatePem, keyPem } = await pki.issue("peer");
      const socket = await dialTls(port, { cert: certificatePem, key: keyPem, ca: BOTH });
      socket.write(ECHO);
      const [answer] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      return !String(answer).includes("Micro-Error");
    };
    assert.deepEqual([await served(fleet), await served(other)], [true, false]);

    await assert.rejects(
      device.rotator.replaceTrust(other.caPem, { overlapMs: 1000 }),
      /authority|verify|issue/i,
      "our chain does not verify under the new bundle alone",
    );
    assert.deepEqual([await served(fleet), await served(other)], [true, false]);

    const { key, chainPem } = await device.content(leaf, other.caPem);
    const ended = Promise.withResolvers<void>();
    await device.rotator.replaceTrust(other.caPem, {
      overlapMs: 1500,
      identity: { key, chainPem },
    });
    const unsubscribe = device.source.subscribe(() => ended.resolve());
    assert.equal(device.rotator.status()?.overlap?.leaving.length, 1);
    assert.deepEqual([await served(fleet), await served(other)], [true, true]);
    await ended.promise;
    unsubscribe();
    await device.rotator.settled();
    assert.deepEqual([await served(fleet), await served(other)], [false, true]);
    assert.equal(device.rotator.status()?.overlap, undefined);
    assert.equal(device.log.of("trust.overlap.ended").length, 1);
  });
});

const ECHO = [
  "POST / HTTP/1.1",
  "Host: x",
  "Content-Type: application/json",
  "Micro-Service: microedge",
  "Micro-Endpoint: Agent.Echo",
  "Content-Length: 21",
  "",
  '{"text":"still here"}',
].join("\r\n");

function serialOf({ certificatePem }: Issued): string {
  return parseCertificate(certificatePem).summary.serial;
}
