/**
 * OCSP: responders that answer, lie, hang or are not there; what servers staple; and servers that we have
 * dialled and that turn out to be revoked.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { parseDenyEntry } from "#src/identity/revocation/deny-list.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { materialOf, testPki } from "../fakes/certificates.ts";
import { type AnswerParts, answerFrame, makeAnswer } from "../fakes/crl-parts.ts";
import { echo, startRig } from "../fakes/network-rig.ts";
import { RawPeer } from "../fakes/raw-peer.ts";
import { type RevocationRig, revocationRig } from "../fakes/revocation-rig.ts";
import { type Answer, sends, startWebServer } from "../fakes/web-server.ts";

const HOUR = 3_600_000;
const pki = await testPki("Site CA");
const stranger = await testPki("Site CA");
const own = await pki.issue("microedge");
const peer = await pki.issue("peer");
const material = materialOf(own, pki.caPem);
const never = new AbortController().signal;

const answerOf = (leaf: Issued, parts: Partial<AnswerParts> = {}, authority = pki.authority) =>
  makeAnswer(authority, leaf.certificatePem, {
    status: "good",
    thisUpdate: Date.now() - HOUR,
    nextUpdate: Date.now() + HOUR,
    ...parts,
  });

async function listen(rig: RevocationRig) {
  return startRig({
    kind: "tls",
    source: rig.source,
    verify: { kind: "enforce" },
    minVersion: "1.3",
    revocation: rig.revocation.peers,
  });
}

/** What a peer gets: `echo:hi`, or the words of its refusal. */
async function visit(port: number, leaf = peer): Promise<string> {
  using raw = await RawPeer.connect(`127.0.0.1:${port}`, pki.caPem, leaf);
  raw.socket.write("hi");
  const [chunk] = (await once(raw.socket, "data")) as [Uint8Array];
  return String(chunk);
}

/** The responder of a whole site: about our own certificate it says "good". */
function aboutUs(others: Answer): Answer {
  const serial = parseCertificate(own.certificatePem).summary.serial;
  return (request, response, body) => {
    const ours = Buffer.from(body).toString("hex").toUpperCase().includes(serial);
    (ours ? sends(answerOf(own)) : others)(request, response, body);
  };
}

suite("OCSP about clients", () => {
  const rows: readonly {
    why: string;
    answer: Answer;
    soft: RegExp;
    hard: RegExp;
    event?: RegExp;
  }[] = [
    { why: "good", answer: sends(answerOf(peer)), soft: /echo:hi/, hard: /echo:hi/ },
    {
      why: "revoked",
      answer: sends(answerOf(peer, { status: "revoked" })),
      soft: /echo:hi|REFUSED/,
      hard: /REFUSED client certificate revoked on .* \(OCSP of http:/,
    },
    {
      why: "tryLater",
      answer: sends(answerFrame(3)),
      soft: /echo:hi/,
      hard: /REFUSED .*can't be checked/,
      event: /tryLater/,
    },
    {
      why: "HTML",
      answer: sends(Buffer.from("<html>"), "text/html"),
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /web page/,
    },
    {
      why: "redirect",
      answer: (_, response) => response.writeHead(301, { Location: "/" }).end(),
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /redirects/,
    },
    {
      why: "nothing, ever",
      answer: () => undefined,
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /within 1000 ms/,
    },
    {
      why: "an answer of a namesake",
      answer: sends(answerOf(peer, {}, stranger.authority)),
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /signed neither by/,
    },
    {
      why: "an answer about another",
      answer: sends(answerOf(own)),
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /another certificate/,
    },
    {
      why: "a stale answer",
      answer: sends(
        answerOf(peer, { thisUpdate: Date.now() - 2 * HOUR, nextUpdate: Date.now() - HOUR }),
      ),
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /stale/,
    },
    {
      why: "40 KB",
      answer: sends(new Uint8Array(40_000)),
      soft: /echo:hi/,
      hard: /REFUSED/,
      event: /larger than/,
    },
  ];
  for (const { why, answer, soft, hard, event } of rows) {
    for (const [ocsp, words] of [
      ["soft", soft],
      ["hard", hard],
    ] as const) {
      test(`${why}: ${ocsp}`, async () => {
        await using web = await startWebServer(aboutUs(answer));
        await using rig = await revocationRig(material, { ocsp, ocspResponder: web.url });
        await using server = await listen(rig);
        assert.match(await visit(server.port), words);
        if (event === undefined) return;
        const line = await rig.log.find(({ fields }) => event.test(String(fields["reason"])));
        assert.match(line.event, /^revocation\.source\.(failed|refused)$/);
      });
    }
  }

  test("soft: one that was let in is cut when the answer says revoked", async () => {
    let release = (): void => undefined;
    const asked = Promise.withResolvers<void>();
    await using web = await startWebServer((request, response, body) => {
      release = () => sends(answerOf(peer, { status: "revoked" }))(request, response, body);
      asked.resolve();
    });
    await using rig = await revocationRig(material, {
      ocsp: "soft",
      ocspResponder: web.url,
      ocspTimeoutMs: 9_000,
    });
    await using server = await listen(rig);
    // the question about our own certificate is not the one that counts
    using raw = await RawPeer.connect(`127.0.0.1:${server.port}`, pki.caPem, peer);
    assert.equal(await echo(raw.socket, "hi"), "echo:hi");
    await asked.promise;
    while (web.asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
    release();
    await raw.closed;
    const line = await rig.log.find(({ event }) => event === "peer.revoked");
    assert.equal(line.fields["subject"], "CN=peer");
  });

  test("a revocation outlives a restart without the responder; a copy that was tampered with counts for nothing", async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), "microedge-ocsp-"));
    const bytes = answerOf(peer, { status: "revoked" });
    {
      await using web = await startWebServer(aboutUs(sends(bytes)));
      await using rig = await revocationRig(material, {
        ocsp: "hard",
        ocspResponder: web.url,
        cacheDir,
      });
      await using server = await listen(rig);
      assert.match(await visit(server.port), /revoked on/);
    }
    const offline = { ocsp: "soft", ocspResponder: "http://127.0.0.1:9/", cacheDir } as const;
    {
      await using rig = await revocationRig(material, offline);
      await using server = await listen(rig);
      assert.match(await visit(server.port), /revoked on .* \(OCSP of http:/);
    }
    const file = join(cacheDir, "ocsp.json");
    const rows = JSON.parse(await readFile(file, "utf8")) as { der: string }[];
    const forged = Buffer.from(bytes);
    forged[forged.length - 3] = (forged[forged.length - 3] ?? 0) ^ 1;
    await writeFile(
      file,
      JSON.stringify(rows.map((row) => ({ ...row, der: forged.toString("base64") }))),
    );
    {
      await using rig = await revocationRig(material, offline);
      await using server = await listen(rig);
      assert.match(await visit(server.port), /echo:hi/);
      await rig.log.find(({ event }) => event === "revocation.source.refused");
    }
    await writeFile(file, "no JSON");
    await using rig = await revocationRig(material, offline);
    await rig.log.find(({ fields }) =>
      /kept OCSP answers can't be read/.test(String(fields["reason"])),
    );
    await rm(cacheDir, { recursive: true });
  });

  test("hard: a responder that hangs delays one handshake, not the next", async () => {
    await using web = await startWebServer(() => undefined);
    await using rig = await revocationRig(material, { ocsp: "hard", ocspResponder: web.url });
    await using server = await listen(rig);
    assert.match(await visit(server.port), /REFUSED/);
    const begun = performance.now();
    assert.match(await visit(server.port), /REFUSED/);
    assert.ok(performance.now() - begun < 500);
  });
});

suite("what we staple", () => {
  const stapleOf = async (port: number): Promise<Uint8Array | null> => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      ca: pki.caPem,
      cert: peer.certificatePem,
      key: peer.keyPem,
      requestOCSP: true,
    });
    const [der] = (await once(socket, "OCSPResponse")) as [Uint8Array | null];
    socket.destroy();
    return der;
  };

  test("is the responder's fresh answer; nothing when it is stale by now", async () => {
    const bytes = answerOf(own);
    await using web = await startWebServer(sends(bytes));
    let nowMs = Date.now();
    await using rig = await revocationRig(
      material,
      { ocsp: "soft", ocspResponder: web.url },
      () => ({ nowMs }),
    );
    await using server = await listen(rig);
    while (rig.revocation.view().stapleEndsAt === undefined)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(Buffer.from((await stapleOf(server.port)) ?? []), Buffer.from(bytes));
    nowMs += 2 * HOUR;
    assert.equal(await stapleOf(server.port), null);
  });

  test("is nothing with ocsp off", async () => {
    await using web = await startWebServer(sends(answerOf(own)));
    await using rig = await revocationRig(material, { ocspResponder: web.url });
    await using server = await listen(rig);
    assert.equal(await stapleOf(server.port), null);
    assert.deepEqual(web.asked, []);
  });
});

suite("servers that we dial", () => {
  const leaf = parseCertificate(peer.certificatePem);

  async function startServer(staple?: Uint8Array) {
    const server = createServer(
      { cert: peer.certificatePem, key: peer.keyPem },
      (socket: TLSSocket) => {
        socket.on("error", () => socket.destroy());
        socket.on("data", (chunk) => socket.write(chunk));
        sockets.add(socket);
      },
    );
    const sockets = new Set<TLSSocket>();
    server.on("OCSPRequest", (_certificate, _issuer, answer) =>
      answer(null, staple === undefined ? (null as never) : Buffer.from(staple)),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      target: { host: "127.0.0.1", port, alpn: [] },
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  }

  const past = { thisUpdate: Date.now() - 3 * HOUR, nextUpdate: Date.now() - 2 * HOUR };
  const staples: readonly {
    why: string;
    staple: Uint8Array | undefined;
    words: RegExp | undefined;
  }[] = [
    { why: "none", staple: undefined, words: undefined },
    { why: "good", staple: answerOf(peer), words: undefined },
    {
      why: "revoked",
      staple: answerOf(peer, { status: "revoked" }),
      words: /revoked on .* \(OCSP of the server's staple/,
    },
    {
      why: "revoked, and stale",
      staple: answerOf(peer, { ...past, status: "revoked" }),
      words: /revoked on|stale/,
    },
    { why: "stale", staple: answerOf(peer, past), words: /stapled OCSP answer .*stale/ },
    {
      why: "forged",
      staple: answerOf(peer, {}, stranger.authority),
      words: /stapled OCSP answer .*signed neither/,
    },
    {
      why: "about another",
      staple: answerOf(own),
      words: /stapled OCSP answer .*another certificate/,
    },
    { why: "unknown", staple: answerOf(peer, { status: "unknown" }), words: /does not know it/ },
    { why: "rubbish", staple: Buffer.from("rubbish"), words: /stapled OCSP answer/ },
    { why: "tryLater", staple: answerFrame(3), words: /tryLater/ },
  ];
  for (const { why, staple, words } of staples) {
    test(`a staple that is ${why}: ${words === undefined ? "taken" : "refused"}`, async () => {
      await using server = await startServer(staple);
      await using rig = await revocationRig(material);
      const dialled = rig.dialer.dial(server.target, never);
      if (words === undefined) {
        const { socket, principal } = await dialled;
        assert.equal(principal.verified, true);
        socket.destroy();
      } else {
        await assert.rejects(dialled, (error: Error) => {
          assert.equal((error as Error & { code: string }).code, "ERR_TLS_PEER_REFUSED");
          assert.match(error.message, words);
          return true;
        });
      }
    });
  }

  test("one that is denied is cut; a new connection and a resumed session are refused", async () => {
    await using server = await startServer();
    await using rig = await revocationRig(material);
    const first = await rig.dialer.dial(server.target, never);
    assert.equal(await echo(first.socket, "hi"), "hi");
    const second = await rig.dialer.dial(server.target, never);
    assert.equal(
      (second.socket as unknown as { isSessionReused(): boolean }).isSessionReused(),
      true,
    );
    assert.equal(await echo(second.socket, "hi"), "hi");
    const closed = [first, second].map(
      ({ socket }) => new Promise((resolve) => socket.once("close", resolve)),
    );
    const entry = parseDenyEntry(`sha256:${leaf.summary.fingerprint}`);
    rig.set({ deny: [entry].flatMap((each) => each ?? []) });
    await Promise.all(closed);
    await assert.rejects(rig.dialer.dial(server.target, never), { code: "ERR_TLS_PEER_REFUSED" });
    await assert.rejects(rig.dialer.dial(server.target, never), { code: "ERR_TLS_PEER_REFUSED" });
    assert.equal(rig.log.of("peer.revoked").length, 1);
  });

  test("hard OCSP asks before it is used", async () => {
    await using server = await startServer();
    await using web = await startWebServer(sends(answerOf(peer, { status: "revoked" })));
    await using rig = await revocationRig(material, { ocsp: "hard", ocspResponder: web.url });
    await assert.rejects(rig.dialer.dial(server.target, never), /revoked on/);
  });
});
