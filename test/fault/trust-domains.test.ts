/**
 * Several trust domains, each with a bundle of its own: who is placed where, on real handshakes.
 */
import assert from "node:assert/strict";
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

  async function dial(pki: TestPki, options: LeafOptions = {}): Promise<TLSSocket> {
    const leaf = await pki.issue("backend", options);
    const chain = leaf.certificatePem + (options.authority?.certificatePem ?? "");
    return dialTls(rig.port, { ca: own.caPem, cert: chain, key: leaf.keyPem });
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

  test("a domain that is gone vouches for nobody", async () => {
    source.replace(material);
    assert.match(await readAll(await dial(partner)), /REFUSED/);
  });
});
