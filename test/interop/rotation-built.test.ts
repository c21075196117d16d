/**
 * The built program takes one certificate after the other from `microedge cert import` and from its
 * control socket while real go-micro peers call it, on kept and on new connections, hold streams open,
 * and are called by it. Nobody may notice.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { FULL } from "../fakes/needs.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";
import { OpenStream, underLoad } from "./go-load.ts";
import { type GoServer, startGoServer } from "./go-peer.ts";

const ROTATIONS = FULL ? 1000 : 25;
/** By the command line; the others by the socket that it uses. */
const TYPED_EVERY = 25;
const STREAMS = 2;

suite(`the built program, ${ROTATIONS} imports under load from Go`, () => {
  let site: Site;
  let greeter: GoServer;
  let agent: AgentProcess;
  let peer: CredentialFiles;
  let admin: AdminClient;
  const importWords = ({ cert, key, ca }: CredentialFiles): readonly string[] => [
    ...["cert", "import", "--cert", cert, "--key", key, "--ca", ca, "--json"],
  ];
  before(async () => {
    site = await makeSite();
    peer = await site.issue("go-peer");
    greeter = await startGoServer("v5", peer);
    agent = await startAgent({
      ...{ site, inStore: true },
      config: `[[registry.static]]\nservice = "greeter"\naddresses = ["${greeter.address}"]\n`,
    });
    admin = new AdminClient(join(site.directory, "control.sock"), agent.configPath);
  });
  after(async () => {
    await agent[Symbol.asyncDispose]();
    await greeter[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  test("no failed call either way, no broken stream", { timeout: 3_600_000 }, async (t) => {
    const streams = Array.from({ length: STREAMS }, () => new OpenStream(agent.listen, peer));
    t.after(() => Promise.all(streams.map((stream) => stream.stop())));
    await Promise.all(streams.map((stream) => stream.beyond(0)));

    let rotations = 0;
    let serial = "";
    const wearBefore = (await admin.status()).identity?.store?.wear;
    const rotate = async (): Promise<void> => {
      if (rotations % TYPED_EVERY === 0) {
        const files = await site.issue("microedge");
        const { code, stdout, stderr } = await agent.microedge(...importWords(files));
        assert.equal(code, 0, stdout + stderr);
        serial = JSON.parse(stdout).leaf.serial;
        return;
      }
      const leaf = await site.pki.issue("microedge");
      serial = parseCertificate(leaf.certificatePem).summary.serial;
      const { outcome } = await admin.certificates.install({
        ...{ certificatesPem: leaf.certificatePem, keyPem: leaf.keyPem },
        ...{ trustPem: site.pki.caPem, dryRun: false, force: false },
      });
      assert.equal(outcome, "installed");
    };
    const rotating = async (): Promise<void> => {
      try {
        while (rotations < ROTATIONS) {
          await rotate();
          rotations += 1;
        }
      } finally {
        // Whatever happened, the load has to end.
        if (rotations < ROTATIONS) rotations = Number.MAX_SAFE_INTEGER;
      }
    };
    let outgoing = 0;
    const callingOut = async (): Promise<void> => {
      while (rotations < ROTATIONS) {
        const { body } = await admin.call(
          {
            ...{ service: "greeter", endpoint: "Greeter.Hello", codec: "json" },
            ...{ metadata: new Map(), timeoutMs: 10_000 },
          },
          Buffer.from('{"firstName":"roof"}'),
        );
        assert.match(Buffer.from(body).toString(), /hello roof/);
        outgoing += 1;
      }
    };
    const [load] = await Promise.all([
      underLoad(agent.listen, peer, () => rotations < ROTATIONS),
      callingOut(),
      rotating(),
    ]);

    assert.deepEqual(load.faults, []);
    assert.ok(load.kept > 0 && load.fresh > 0 && outgoing > 0, JSON.stringify(load));
    await Promise.all(streams.map((stream) => stream.beyond(stream.messages)));
    assert.deepEqual(
      streams.map(({ fault }) => fault),
      streams.map(() => undefined),
    );
    const { identity } = await admin.status();
    assert.deepEqual(
      [identity?.generation, identity?.serial, identity?.state],
      [ROTATIONS + 1, serial, "UNPROVEN"],
    );
    // The log counts repeats instead of writing them all.
    await agent.event("certificate.rotated", ({ generation }) => generation === 2);
    const messages = streams.reduce((sum, stream) => sum + stream.messages, 0);
    const wear = identity?.store?.wear;
    assert.ok(wear !== undefined && wearBefore !== undefined);
    t.diagnostic(
      `${rotations} imports; ${load.kept} calls on kept connections, ${load.fresh} on new ones, ` +
        `${outgoing} outgoing, ${messages} messages on ${STREAMS} streams; 0 failed, 0 broken; ` +
        `${Math.round((wear.bytesWritten - wearBefore.bytesWritten) / ROTATIONS)} bytes and ` +
        `${((wear.syncs - wearBefore.syncs) / ROTATIONS).toFixed(1)} syncs an import`,
    );
  });
});
