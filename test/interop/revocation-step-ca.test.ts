/**
 * step-ca's own CRL: found through the certificates that it issues, with its critical issuing distribution
 * point; a peer that it revokes is cut; and what happens when the authority is set up anew.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { RawPeer } from "../fakes/raw-peer.ts";
import { type Ground, makeGround } from "../fakes/running-agent.ts";
import { startStepCa } from "../fakes/step-ca.ts";

const RPC = '[rpc]\nlisten = "127.0.0.1:0"\n';

async function eventWith(ground: Ground, wanted: (line: Ground["log"][number]) => boolean) {
  for (let tries = 0; tries < 1_500; tries++) {
    const line = ground.log.find(wanted);
    if (line !== undefined) return line;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no such event in ${ground.log.map(({ event }) => event).join(", ")}`);
}

suite("step-ca", () => {
  test("a peer that it revokes is cut; a wiped authority does not bring it back", async () => {
    await using ca = await startStepCa();
    await using ground = await makeGround(
      `${RPC}[revocation]\ncrl_from_certificates = true\ncrl_refresh_ms = 1000\ncache_dir = "cache"\n`,
    );
    const own = await ca.issue("microedge");
    await ground.site.write("microedge.crt", own.certificatePem);
    await ground.site.write("microedge.key", own.keyPem);
    await ground.site.write("ca.crt", ca.root.certificatePem);
    const [bad, good] = [await ca.issue("stolen"), await ca.issue("fine")];
    await using agent = await ground.start();

    using open = await RawPeer.connect(agent.listen, ca.root.certificatePem, bad);
    assert.equal((await open.ask()).code, 200);
    const loaded = await eventWith(ground, ({ event }) => event === "revocation.crl.loaded");
    assert.deepEqual([loaded["source"], loaded["issuer"]], [ca.crlUrl, "CN=Step Intermediate"]);

    await ca.revoke(bad);
    await open.closed;
    const line = await ground.event("peer.revoked");
    assert.equal(line["serial"], parseCertificate(bad.certificatePem).summary.serial);
    using again = await RawPeer.connect(agent.listen, ca.root.certificatePem, bad);
    const { code, detail } = await again.ask();
    assert.equal(code, 401);
    assert.match(
      detail,
      /certificate revoked on .* \(CRL of CN=Step Intermediate, keyCompromise\)/,
    );
    using fine = await RawPeer.connect(agent.listen, ca.root.certificatePem, good);
    assert.equal((await fine.ask()).code, 200);

    await ca.wipe();
    const refused = await eventWith(ground, (each) => each["cause"] === "went-back");
    assert.match(String(refused["reason"]), /CRL number went back/);
    using still = await RawPeer.connect(agent.listen, ca.root.certificatePem, bad);
    assert.equal((await still.ask()).code, 401);
  });
});
