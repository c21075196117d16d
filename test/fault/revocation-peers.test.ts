/**
 * Revoked and denied peers of a running agent: connections and streams that are open, resumed sessions,
 * new ones; lists that are bad, old, or not to be had.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { testPki } from "../fakes/certificates.ts";
import { type CrlParts, makeCrl } from "../fakes/crl-parts.ts";
import { RawPeer } from "../fakes/raw-peer.ts";
import { type Ground, makeGround } from "../fakes/running-agent.ts";
import { sends, startWebServer } from "../fakes/web-server.ts";

const RPC = '[rpc]\nlisten = "127.0.0.1:0"\n';
const HOUR = 3_600_000;
const ECHO = "Agent.Echo";
const strangers = await testPki("Test CA");

const serialOf = ({ certificatePem }: Issued): string =>
  parseCertificate(certificatePem).summary.serial;

function crlOf(
  ground: Ground,
  revoked: readonly Issued[],
  parts: Partial<CrlParts> = {},
): Uint8Array {
  return makeCrl(ground.site.pki.authority, {
    thisUpdate: Date.now() - HOUR,
    nextUpdate: Date.now() + HOUR,
    number: 5,
    revoked: revoked.map((leaf) => ({ serial: serialOf(leaf) })),
    ...parts,
  });
}

const events = (ground: Ground, name: string) => ground.log.filter(({ event }) => event === name);

/** Another line of this event beside those that are there. */
async function another(ground: Ground, name: string, had: number) {
  for (let tries = 0; tries < 500; tries++) {
    const line = events(ground, name)[had];
    if (line !== undefined) return line;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no further ${name}`);
}

suite("a peer that is denied", () => {
  test("on reload: its calls and streams are cut within a second, told once; new ones get 401", async () => {
    await using ground = await makeGround(RPC);
    await using agent = await ground.start();
    const { pki } = ground.site;
    const [bad, good] = [await pki.issue("stolen"), await pki.issue("fine")];
    using open = await RawPeer.connect(agent.listen, pki.caPem, bad);
    assert.equal((await open.ask(ECHO)).code, 200);
    using stream = await RawPeer.connect(agent.listen, pki.caPem, bad);
    assert.match(await stream.openStream(), /"first"/);
    using other = await RawPeer.connect(agent.listen, pki.caPem, good);
    assert.equal((await other.ask(ECHO)).code, 200);

    await ground.configure(`${RPC}[revocation]\ndeny = ["serial:${serialOf(bad)}"]\n`);
    const begun = performance.now();
    assert.deepEqual((await agent.reload()).applied, ["revocation.deny"]);
    assert.ok((await open.closed) - begun < 1_000);
    assert.ok((await stream.closed) - begun < 1_000);
    assert.equal((await other.ask(ECHO)).code, 200, "the others go on");

    using again = await RawPeer.connect(agent.listen, pki.caPem, bad);
    const { code, detail } = await again.ask(ECHO);
    assert.equal(code, 401);
    assert.match(detail, /client certificate revoked here by the deny list \(serial:/);
    const [line, ...more] = events(ground, "peer.revoked");
    assert.equal(more.length, 0, "told once");
    assert.equal(line?.["subject"], "CN=stolen");
    assert.equal(line?.["serial"], serialOf(bad));
    assert.equal(line?.["source"], "deny list");
    const { revocation } = await ground.admin.status();
    assert.deepEqual([revocation?.denied, revocation?.cut], [1, 2]);

    await ground.configure(`${RPC}[revocation]\ndeny = []\n`);
    await agent.reload();
    using back = await RawPeer.connect(agent.listen, pki.caPem, bad);
    assert.equal((await back.ask(ECHO)).code, 200, "and back when the entry is gone");
  });

  test("a session that began before is not resumed past it", async () => {
    await using ground = await makeGround(RPC);
    await using agent = await ground.start();
    const { pki } = ground.site;
    const bad = await pki.issue("stolen");
    using open = await RawPeer.connect(agent.listen, pki.caPem, bad);
    assert.equal((await open.ask(ECHO)).code, 200);
    const { session } = open;
    using proof = await RawPeer.connect(agent.listen, pki.caPem, bad, { session });
    assert.equal(proof.socket.isSessionReused(), true, "sessions are resumed at all");
    assert.equal((await proof.ask(ECHO)).code, 200);
    await ground.configure(`${RPC}[revocation]\ndeny = ["serial:${serialOf(bad)}"]\n`);
    await agent.reload();
    using resumed = await RawPeer.connect(agent.listen, pki.caPem, bad, { session });
    assert.equal(resumed.socket.isSessionReused(), true);
    assert.equal((await resumed.ask(ECHO)).code, 401);
  });
});

test("[revocation] without TLS has no effect, and the agent says so", async () => {
  const plain = '[rpc]\nlisten = "127.0.0.1:0"\ninsecure_plaintext = true\n';
  await using ground = await makeGround(`${plain}[revocation]\ndeny = ["serial:01"]\n`);
  await using agent = await ground.start();
  assert.equal(agent.state, "ready");
  const warnings = events(ground, "config.warning").filter(({ key }) => key === "revocation");
  assert.match(String(warnings[0]?.["reason"]), /no effect without TLS/);
});

suite("a CRL file", () => {
  const toml = `${RPC}[revocation]\ncrl = ["site.crl"]\ncache_dir = "cache"\n`;

  test("that is replaced cuts who is on it; a resumed session too; words name date and authority", async () => {
    await using ground = await makeGround(toml);
    const { pki, directory } = ground.site;
    const bad = await pki.issue("stolen");
    await writeFile(`${directory}/site.crl`, crlOf(ground, []));
    await using agent = await ground.start();
    using open = await RawPeer.connect(agent.listen, pki.caPem, bad);
    assert.equal((await open.ask(ECHO)).code, 200);
    await writeFile(`${directory}/site.crl`, crlOf(ground, [bad], { number: 6 }));
    const line = await ground.event("peer.revoked");
    const learned = performance.now();
    assert.ok((await open.closed) - learned < 1_000);
    assert.equal(line["source"], "CRL of CN=Test CA");
    using again = await RawPeer.connect(agent.listen, pki.caPem, bad, { session: open.session });
    assert.equal(again.socket.isSessionReused(), true);
    const { code, detail } = await again.ask(ECHO);
    assert.equal(code, 401);
    assert.match(detail, /certificate revoked on \d{4}-\d\d-\d\dT[\d:]+Z \(CRL of CN=Test CA\)/);
    const { revocation } = await ground.admin.status();
    assert.deepEqual(
      revocation?.sources.map(({ lists }) => lists.map(({ number, state }) => [number, state])),
      [[["6", "fresh"]]],
    );
  });

  const bads: readonly { why: string; make: (ground: Ground) => Uint8Array; cause: string }[] = [
    {
      why: "cut off",
      make: (ground) => crlOf(ground, [], { number: 6 }).subarray(0, 90),
      cause: "malformed",
    },
    { why: "text", make: () => Buffer.from("not found"), cause: "malformed" },
    {
      why: "signed by a namesake",
      make: (ground) => crlOf(ground, [], { number: 6, signer: strangers.authority }),
      cause: "signature",
    },
    { why: "older", make: (ground) => crlOf(ground, [], { number: 4 }), cause: "went-back" },
    { why: "of 10 MB", make: () => new Uint8Array(10_000_000).fill(0x30), cause: "too-large" },
  ];
  for (const { why, make, cause } of bads) {
    test(`that is ${why} is refused (${cause}); the last good one stays in force, also over a restart`, async () => {
      await using ground = await makeGround(toml);
      const { pki, directory } = ground.site;
      const bad = await pki.issue("stolen");
      const good = await pki.issue("fine");
      await writeFile(`${directory}/site.crl`, crlOf(ground, [bad]));
      {
        await using agent = await ground.start();
        await writeFile(`${directory}/site.crl`, make(ground));
        await agent.reload();
        const line = await ground.event("revocation.source.refused");
        assert.deepEqual([line["cause"], line["source"]], [cause, `${directory}/site.crl`]);
        assert.ok(String(line["fix"]).length > 10);
        using peer = await RawPeer.connect(agent.listen, pki.caPem, bad);
        assert.equal((await peer.ask(ECHO)).code, 401);
        const { revocation, warnings } = await ground.admin.status();
        assert.ok(revocation?.sources[0]?.fault !== undefined);
        assert.ok(
          warnings.some((words) => words.includes("site.crl")),
          "status warns",
        );
      }
      const had = events(ground, "revocation.source.refused").length;
      await using agent = await ground.start();
      await another(ground, "revocation.source.refused", had);
      using peer = await RawPeer.connect(agent.listen, pki.caPem, bad);
      assert.equal((await peer.ask(ECHO)).code, 401, "from the kept copy");
      using fine = await RawPeer.connect(agent.listen, pki.caPem, good);
      assert.equal((await fine.ask(ECHO)).code, 200);
    });
  }

  for (const [mode, code] of [
    ["soft", 200],
    ["hard", 401],
  ] as const) {
    test(`that is missing: ${mode} answers ${code}; stale the same`, async () => {
      await using ground = await makeGround(`${toml}crl_fail = "${mode}"\n`);
      const { pki, directory } = ground.site;
      const peer = await pki.issue("somebody");
      await using agent = await ground.start();
      const line = await ground.event("revocation.source.failed");
      assert.equal(line["cause"], "fetch");
      using first = await RawPeer.connect(agent.listen, pki.caPem, peer);
      assert.equal((await first.ask(ECHO)).code, code);
      await writeFile(
        `${directory}/site.crl`,
        crlOf(ground, [], { thisUpdate: Date.now() - 2 * HOUR, nextUpdate: Date.now() - HOUR }),
      );
      await agent.reload();
      using second = await RawPeer.connect(agent.listen, pki.caPem, peer);
      assert.equal((await second.ask(ECHO)).code, code);
      const { warnings } = await ground.admin.status();
      assert.ok(warnings.some((words) => /CRL of CN=Test CA is stale/.test(words)));
      const stale = await ground.event("revocation.source.stale");
      assert.match(String(stale["reason"]), /^stale for 1 hour/);
      await writeFile(
        `${directory}/site.crl`,
        crlOf(ground, [], { number: 6, thisUpdate: Date.now() - HOUR }),
      );
      await agent.reload();
      using third = await RawPeer.connect(agent.listen, pki.caPem, peer);
      assert.equal((await third.ask(ECHO)).code, 200);
    });
  }
});

suite("a CRL from an address", () => {
  const config = (url: string): string =>
    `${RPC}[revocation]\ncrl = ["${url}/site.crl"]\ncrl_refresh_ms = 1000\ncache_dir = "cache"\n`;

  test("is fetched, kept, and in force after a restart without the server", async () => {
    await using ground = await makeGround(RPC);
    const { pki } = ground.site;
    const bad = await pki.issue("stolen");
    const bytes = crlOf(ground, [bad]);
    let url = "";
    {
      await using web = await startWebServer((request, response) => {
        const known = request.headers["if-none-match"] === '"five"';
        response.writeHead(known ? 304 : 200, { ETag: '"five"' }).end(known ? undefined : bytes);
      });
      url = web.url;
      await ground.configure(config(url));
      await using agent = await ground.start();
      await ground.event("revocation.crl.loaded");
      using peer = await RawPeer.connect(agent.listen, pki.caPem, bad);
      assert.equal((await peer.ask(ECHO)).code, 401);
      for (let tries = 0; web.asked.length < 2 && tries < 500; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.ok(web.asked.length >= 2, "asked again");
      assert.equal(events(ground, "revocation.crl.loaded").length, 1, "unchanged");
    }
    await using agent = await ground.start();
    using peer = await RawPeer.connect(agent.listen, pki.caPem, bad);
    assert.equal((await peer.ask(ECHO)).code, 401, "from the kept copy");
    await ground.event("revocation.source.failed");
  });

  const bads: readonly {
    why: string;
    start: Parameters<typeof startWebServer>[0];
    reason: RegExp;
  }[] = [
    {
      why: "a web page",
      start: sends(Buffer.from("<html></html>"), "text/html"),
      reason: /web page/,
    },
    { why: "404", start: (_, response) => response.writeHead(404).end(), reason: /HTTP 404/ },
    {
      why: "a redirect",
      start: (_, response) => response.writeHead(302, { Location: "/other" }).end(),
      reason: /redirects .*not followed/,
    },
    { why: "10 MB", start: sends(new Uint8Array(10_000_000)), reason: /larger than 4194304 bytes/ },
    {
      why: "half an answer",
      start: (_, response) => {
        response.writeHead(200, { "Content-Length": "500" }).write("x");
        response.destroy();
      },
      reason: /aborted|cut off|hang up|ECONNRESET/,
    },
    {
      why: "10 MB without saying so",
      start: (_, response) => {
        response.writeHead(200).end(new Uint8Array(10_000_000));
      },
      reason: /larger than 4194304 bytes/,
    },
  ];
  for (const { why, start, reason } of bads) {
    test(`that gives ${why}: told, and the agent serves`, async () => {
      await using web = await startWebServer(start);
      await using ground = await makeGround(config(web.url));
      await using agent = await ground.start();
      const name = why.startsWith("10 MB")
        ? "revocation.source.refused"
        : "revocation.source.failed";
      assert.match(String((await ground.event(name))["reason"]), reason);
      assert.ok(!web.asked.includes("GET /other"));
      const { pki } = ground.site;
      using peer = await RawPeer.connect(agent.listen, pki.caPem, await pki.issue("somebody"));
      assert.equal((await peer.ask(ECHO)).code, 200);
    });
  }

  test("that never answers holds up neither the start, nor a reload, nor the end", async () => {
    await using web = await startWebServer(() => undefined);
    await using ground = await makeGround(config(web.url));
    const begun = performance.now();
    const agent = await ground.start();
    await agent.reload();
    const { pki } = ground.site;
    using peer = await RawPeer.connect(agent.listen, pki.caPem, await pki.issue("somebody"));
    assert.equal((await peer.ask(ECHO)).code, 200);
    peer.socket.destroy();
    await agent.stop();
    assert.ok(performance.now() - begun < 5_000);
  });
});
