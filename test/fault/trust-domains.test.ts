/**
 * Several trust domains, each with a bundle of its own: who is placed where, on real handshakes.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, suite, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { HandSource, type LeafOptions, type TestPki, testPki } from "../fakes/certificates.ts";
import { dialTls, echo, readAll, startRig } from "../fakes/network-rig.ts";

const own = await testPki("Own CA");
const partner = await testPki("Partner CA");
const stranger = await testPki("Stranger CA");
const middle = await partner.intermediate("Partner Middle");
const material = await own.material("server");
const withPartner = { ...material, trustDomains: [{ name: "partner.org", pem: partner.caPem }] };
const withMiddle = {
  ...material,
  trustDomains: [{ name: "partner.org", pem: partner.caPem + middle.certificatePem }],
};

suite("several trust domains", async () => {
  const source = new HandSource(withPartner);
  const rig = await startRig({
    kind: "tls",
    source,
    verify: { kind: "enforce" },
    minVersion: "1.3",
  });
  after(() => rig[Symbol.asyncDispose]());

  async function dial(
    pki: TestPki,
    options: LeafOptions = {},
    port = rig.port,
  ): Promise<TLSSocket> {
    const leaf = await pki.issue("backend", options);
    const chain = leaf.certificatePem + (options.authority?.certificatePem ?? "");
    return dialTls(port, { ca: own.caPem, cert: chain, key: leaf.keyPem });
  }

  for (const [pki, domains] of [
    [own, [""]],
    [partner, ["partner.org"]],
  ] as const) {
    test(`a peer of ${domains[0] || "our own"} domain is placed there`, async () => {
      const socket = await dial(pki);
      assert.equal(await echo(socket, "hi"), "echo:hi");
      const principal = rig.handed.at(-1)?.principal;
      assert.deepEqual([principal?.verified, principal?.cn], [true, "backend"]);
      assert.deepEqual(principal?.trustDomains, domains);
      socket.destroy();
    });
  }

  test("a peer of no domain is refused", async () => {
    assert.match(
      await readAll(await dial(stranger)),
      /REFUSED .*(unknown authority|no client cert)/,
    );
  });

  test("a peer whose intermediate is in no bundle can't be placed and is refused", async () => {
    assert.match(
      await readAll(await dial(partner, { authority: middle })),
      /REFUSED client certificate can't be placed in a trust domain: .*"CN=Partner Middle"/,
    );
    assert.equal(rig.listener.counters.of("peersRefused").get("unplaced"), 1);
  });

  test("with the intermediate in the bundle it is placed; connections that are open stay", async () => {
    const open = await dial(own);
    assert.equal(await echo(open, "a"), "echo:a");
    source.replace(withMiddle);
    const socket = await dial(partner, { authority: middle });
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.deepEqual(rig.handed.at(-1)?.principal.trustDomains, ["partner.org"]);
    assert.equal(await echo(open, "b"), "echo:b");
    socket.destroy();
    open.destroy();
  });

  test("a handshake that outlasts its domain is placed there, and not in ours", async () => {
    await using halfway = await holdSecondFlight(rig.port);
    const dialling = dial(partner, {}, halfway.port);
    await halfway.held;
    source.replace(material);
    halfway.release();
    const socket = await dialling;
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.deepEqual(rig.handed.at(-1)?.principal.trustDomains, ["partner.org"]);
    socket.destroy();
  });

  test("a domain that is gone vouches for nobody", async () => {
    source.replace(material);
    assert.match(await readAll(await dial(partner)), /REFUSED/);
  });
});

interface HeldHandshake extends AsyncDisposable {
  readonly port: number;
  /** The server has answered, and the client's certificate is on its way. */
  readonly held: Promise<void>;
  release(): void;
}

/** A way to `port` on which all that the client says after its hello waits for `release`. */
async function holdSecondFlight(port: number): Promise<HeldHandshake> {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const server = createServer((client) => {
    const onward = connect(port, "127.0.0.1");
    for (const socket of [client, onward]) socket.on("error", () => socket.destroy());
    onward.pipe(client);
    client.once("data", (hello: Uint8Array) => {
      onward.write(hello);
      client.once("data", (flight: Uint8Array) => {
        client.pause();
        held.resolve();
        void released.promise.then(() => {
          onward.write(flight);
          client.pipe(onward);
        });
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    held: held.promise,
    release: () => released.resolve(),
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
