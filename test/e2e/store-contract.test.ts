/**
 * What operators and their programs may rely on, on the built program: the words of `[store]` and
 * `[revocation]`, the identity in `status --json`, and the events in the log.
 */
import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { Child, run } from "../fakes/child.ts";
import { makeCrl } from "../fakes/crl-parts.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";

const HOUR = 3_600_000;

interface Identity {
  readonly generation: number;
  readonly state?: string;
  readonly notAfter?: number;
  readonly serial?: string;
  readonly spiffeId?: string;
}

async function identityOf(config: string): Promise<Identity> {
  const { stdout, stderr } = await run([BUNDLE, "status", "--json", "--config", config]);
  const { identity } = JSON.parse(stdout) as { identity?: Identity };
  assert.ok(identity !== undefined, stdout + stderr);
  return identity;
}

async function leafOf({ cert }: CredentialFiles) {
  return parseCertificate(await readFile(cert, "utf8"));
}

/** A TLS connection as a peer of the device makes one. */
async function connectAs(peer: CredentialFiles, listen: string): Promise<TLSSocket> {
  const [cert, key, ca] = await Promise.all(
    [peer.cert, peer.key, peer.ca].map((file) => readFile(file, "utf8")),
  );
  const [host = "", port = ""] = listen.split(":");
  const socket = connect({ host, port: Number(port), cert, key, ca, servername: "localhost" });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => undefined);
  return socket;
}

const closed = (socket: TLSSocket): Promise<void> =>
  new Promise((resolve) => socket.once("close", () => resolve()));

suite("a store from empty to its second certificate", () => {
  let site: Site;
  let config = "";
  let agent: Child | undefined;
  before(async () => {
    site = await makeSite();
    config = await site.write(
      "m.toml",
      '[rpc]\nlisten = "127.0.0.1:0"\n[store]\ndir = "store"\n[control]\nsocket = "c.sock"\n',
    );
  });
  after(async () => {
    await agent?.stop();
    await site[Symbol.asyncDispose]();
  });
  const sans = { dns: ["localhost"], ip: ["127.0.0.1"], uri: ["spiffe://fleet.example/roof-7"] };
  const importing = ({ cert, key, ca }: CredentialFiles, ...more: readonly string[]) =>
    run([
      BUNDLE,
      "cert",
      "import",
      "--config",
      config,
      ...["--cert", cert, "--key", key],
      "--ca",
      ca,
      ...more,
    ]);

  test("import with the agent stopped starts generation 1, which the agent then uses", async () => {
    const first = await site.issue("roof-7", { sans });
    const { code, stderr } = await importing(first);
    assert.equal(code, 0, stderr);
    agent = new Child([BUNDLE, "run", "--config", config], {});
    await agent.waitFor("agent.ready", (line) => (line.includes("agent.ready") ? line : undefined));
    const { summary } = await leafOf(first);
    assert.partialDeepStrictEqual(await identityOf(config), {
      generation: 1,
      state: "UNPROVEN",
      notAfter: summary.notAfter,
      serial: summary.serial,
      spiffeId: "spiffe://fleet.example/roof-7",
    });
  });

  test("import with the agent running swaps to it; connections that are open go on", async () => {
    const running = agent as Child;
    const ready = await running.waitFor("agent.ready", (line) =>
      line.includes("agent.ready") ? (JSON.parse(line) as { listen: string }) : undefined,
    );
    const peer = await site.issue("peer");
    const open = await connectAs(peer, ready.listen);
    const second = await site.issue("roof-7-renewed", { sans });
    const { code, stdout, stderr } = await importing(second, "--json");
    assert.equal(code, 0, stderr);
    assert.partialDeepStrictEqual(JSON.parse(stdout), { outcome: "installed", generation: 2 });
    const { serial } = (await leafOf(second)).summary;
    assert.partialDeepStrictEqual(await identityOf(config), { generation: 2, serial });
    const fresh = await connectAs(peer, ready.listen);
    assert.equal(fresh.getPeerCertificate().serialNumber, serial);
    assert.notEqual(open.getPeerCertificate().serialNumber, serial);
    assert.equal(open.closed, false);
    fresh.destroy();
    open.destroy();
    const rotated = await running.waitFor("certificate.rotated of generation 2", (line) => {
      if (!line.includes('"certificate.rotated"')) return undefined;
      const said = JSON.parse(line) as { generation: number };
      return said.generation === 2 ? said : undefined;
    });
    assert.partialDeepStrictEqual(rotated, { event: "certificate.rotated", old_generation: 1 });
  });
});

test("a probe peer that takes the certificate makes it ACTIVE in the end", async () => {
  await using peer = await startAgent();
  const credentials = await peer.site.issue("device");
  await using device = await startAgent({
    inStore: true,
    credentials,
    config: `[probation]\npeers = ["${peer.listen}"]\n`,
  });
  await device.event("certificate.proven");
  const { state } = await identityOf(device.configPath);
  assert.equal(state, "ACTIVE");
});

suite("a peer is denied or revoked while it is connected", () => {
  let agent: AgentProcess;
  let crlPath = "";
  const configure = async (deny: readonly string[]): Promise<void> => {
    const text = await readFile(agent.configPath, "utf8");
    const list = deny.map((each) => JSON.stringify(each)).join(", ");
    await writeFile(agent.configPath, text.replace(/^deny = .*$/m, `deny = [${list}]`));
    const { code, stderr } = await agent.microedge("reload");
    assert.equal(code, 0, stderr);
  };
  const crl = async (revoked: readonly string[], number: number): Promise<void> => {
    const bytes = makeCrl(agent.site.pki.authority, {
      thisUpdate: Date.now() - HOUR,
      nextUpdate: Date.now() + 24 * HOUR,
      number,
      revoked: revoked.map((serial) => ({ serial })),
    });
    await writeFile(`${crlPath}.new`, bytes);
    await rename(`${crlPath}.new`, crlPath);
  };
  before(async () => {
    const site = await makeSite();
    crlPath = join(site.directory, "list.crl");
    agent = await startAgent({
      site,
      inStore: true,
      config: `[revocation]\ncrl = []\nocsp = "off"\ndeny = []\n`,
    });
  });
  after(async () => {
    await agent[Symbol.asyncDispose]();
    await agent.site[Symbol.asyncDispose]();
  });

  const forms = [
    { why: "serial", entry: async (who: CredentialFiles) => (await leafOf(who)).summary.serial },
    {
      why: "sha256",
      entry: async (who: CredentialFiles) => (await leafOf(who)).summary.fingerprint,
    },
    { why: "spiffe", entry: async () => "//fleet.example/bad" },
  ];
  for (const { why, entry } of forms) {
    test(`deny = ["${why}:..."] cuts its connection, and no other's`, async () => {
      const sans = { dns: ["localhost"], uri: ["spiffe://fleet.example/bad"] };
      const bad = await agent.site.issue(`bad-${why}`, { sans });
      const good = await agent.site.issue("good");
      const [cut, kept] = [await connectAs(bad, agent.listen), await connectAs(good, agent.listen)];
      const gone = closed(cut);
      await configure([`${why}:${await entry(bad)}`]);
      await gone;
      assert.equal(kept.closed, false);
      kept.destroy();
      const said = await agent.event("peer.revoked", (line) =>
        JSON.stringify(line).includes(`bad-${why}`),
      );
      assert.equal(said.event, "peer.revoked");
      await configure([]);
    });
  }

  test('crl = ["file"]: a list that names it cuts its connection', async () => {
    await crl([], 1);
    const text = await readFile(agent.configPath, "utf8");
    await writeFile(agent.configPath, text.replace("crl = []", `crl = ["${crlPath}"]`));
    assert.equal((await agent.microedge("reload")).code, 0);
    const bad = await agent.site.issue("bad-crl");
    const cut = await connectAs(bad, agent.listen);
    const gone = closed(cut);
    const { serial } = (await leafOf(bad)).summary;
    await crl([serial], 2);
    assert.equal((await agent.microedge("reload")).code, 0);
    await gone;
    await agent.event("peer.revoked", (line) => JSON.stringify(line).includes("bad-crl"));
    // without a time service nobody knows how old a list is
    const { stdout } = await agent.microedge("status", "--json");
    assert.match(stdout, /"crl":"soft"/);
    assert.match(
      stdout,
      /"number":"2","thisUpdate":\d+,"nextUpdate":\d+,"state":"(fresh|doubtful)"/,
    );
  });
});
