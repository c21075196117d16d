/**
 * Who is let in, who is refused and what is said about it: real handshakes on loopback.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { after, suite, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import type { Issued } from "#src/identity/x509/issue.ts";
import { HandSource, materialOf, testPki } from "../fakes/certificates.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { dialOpenssl } from "../fakes/network-openssl.ts";
import { dialTcp, dialTls, echo, readAll, startRig } from "../fakes/network-rig.ts";

const DAY = 86_400_000;
const now = Date.now();
const pki = await testPki();
const other = await testPki("Other CA");
const namesake = await testPki("Test CA");
const source = new HandSource(await pki.material("server"));
const enforce = { kind: "tls", source, verify: { kind: "enforce" }, minVersion: "1.3" } as const;

function show(leaf: Issued, options: ConnectionOptions = {}): ConnectionOptions {
  return { ca: pki.caPem, cert: leaf.certificatePem, key: leaf.keyPem, ...options };
}

suite("inbound peers under enforce", async () => {
  const rig = await startRig(enforce);
  after(() => rig[Symbol.asyncDispose]());

  test("a good peer is handed over with who it is", async () => {
    const leaf = await pki.issue("greeter", {
      sans: { dns: ["greeter.local"], ip: ["10.0.0.7"], uri: ["spiffe://edge.example/greeter"] },
    });
    const socket = await dialTls(rig.port, show(leaf));
    assert.equal(await echo(socket, "hi"), "echo:hi");
    const principal = rig.handed.at(-1)?.principal;
    assert.deepEqual(
      [principal?.verified, principal?.cn, principal?.spiffeId, principal?.roles],
      [true, "greeter", "spiffe://edge.example/greeter", []],
    );
    assert.deepEqual(
      [principal?.dnsNames, principal?.ipAddresses],
      [["greeter.local"], ["10.0.0.7"]],
    );
    assert.equal(principal?.certificate?.subject, "CN=greeter");
    assert.equal(principal?.refusal, undefined);
    socket.destroy();
  });

  test("a peer whose chain has an intermediate is good when it sends it", async () => {
    const middle = await pki.intermediate("Middle");
    const leaf = await pki.issue("below", { authority: middle });
    const chain = leaf.certificatePem + middle.certificatePem;
    const socket = await dialTls(rig.port, show({ ...leaf, certificatePem: chain }));
    assert.equal(await echo(socket, "hi"), "echo:hi");
    socket.destroy();
    const without = await dialTls(rig.port, show(leaf));
    assert.match(
      await readAll(without),
      /unknown authority: "CN=Middle" is not in the trust bundle/,
    );
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  const weak = { ciphers: "DEFAULT@SECLEVEL=0" };
  const refused: readonly {
    why: string;
    cause: string;
    leaf: Promise<Issued>;
    words: RegExp;
    options?: ConnectionOptions;
  }[] = [
    {
      why: "expired",
      cause: "expired",
      leaf: pki.issue("old", { notBefore: now - 9 * DAY, notAfter: now - 3 * DAY }),
      words: /^client certificate expired 3 days ago \(\d{4}-/,
    },
    {
      why: "not yet valid",
      cause: "not-yet-valid",
      leaf: pki.issue("early", { notBefore: now + 2 * DAY, notAfter: now + 9 * DAY }),
      words: /is not yet valid: it begins in \d+ (day|hour)/,
    },
    {
      why: "another authority",
      cause: "unknown-authority",
      leaf: other.issue("stranger"),
      words:
        /unknown authority: "CN=Other CA" is not in the trust bundle, which holds "CN=Test CA"/,
    },
    {
      why: "an authority of the same name, with another key",
      cause: "unknown-authority",
      leaf: namesake.issue("stranger"),
      words: /the authority of that name in the trust bundle has another key \(mixed CAs\)/,
    },
    {
      why: "both at once: OpenSSL reports only the date",
      cause: "not-yet-valid",
      leaf: other.issue("both", { notBefore: now + 2 * DAY, notAfter: now + 9 * DAY }),
      words: /not yet valid.*; it comes from an unknown authority/,
    },
    {
      why: "self-signed",
      cause: "unknown-authority",
      leaf: pki.odd("selfmade", { selfSigned: true }),
      words: /is self-signed and not issued by an authority of the trust bundle/,
    },
    {
      why: "for servers only",
      cause: "wrong-purpose",
      leaf: pki.issue("server-only", { usages: ["server"] }),
      words: /lacks clientAuth/,
    },
    {
      why: "may not sign",
      cause: "wrong-purpose",
      leaf: pki.odd("no-signing", { keyUsageBits: [4] }),
      words: /lacks digitalSignature/,
    },
    {
      why: "an authority's own certificate",
      cause: "is-authority",
      leaf: pki.odd("ca-as-leaf", { basicConstraints: { ca: true }, keyUsageBits: [0, 5] }),
      words: /is an authority's, not a peer's/,
    },
    {
      why: "RSA of 1024 bits",
      cause: "weak-key",
      leaf: pki.odd("weak", { key: rsa }),
      words: /RSA key of 1024 bits/,
      options: weak,
    },
    {
      why: "signed with SHA-1",
      cause: "weak-signature",
      leaf: pki.odd("sha1", { digest: "sha1" }),
      words: /SHA-1/,
      options: weak,
    },
    {
      why: "version 1",
      cause: "malformed",
      leaf: pki.odd("v1", { version: 1 }),
      words: /is X\.509 version 1, not 3/,
    },
    {
      why: "two URIs beside a SPIFFE ID",
      cause: "spiffe-id",
      leaf: pki.issue("svid", { sans: { uri: ["spiffe://a.example/x", "https://b.example"] } }),
      words: /must be the only one/,
    },
    {
      why: "a SPIFFE ID that is none",
      cause: "spiffe-id",
      leaf: pki.issue("svid", { sans: { uri: ["spiffe://A.example/../x"] } }),
      words: /ill-formed SPIFFE ID/,
    },
  ];
  for (const { why, cause, leaf, words, options } of refused) {
    test(`refused: ${why}`, async () => {
      const handed = rig.handed.length;
      const shown = await leaf;
      const socket = await dialTls(rig.port, show(shown, options));
      socket.write("a request that must not be parsed");
      const reply = await readAll(socket);
      assert.match(reply, /^REFUSED .*\n$/, "whole, and no reset");
      assert.match(reply.slice("REFUSED ".length), words);
      assert.equal(rig.handed.length, handed, "nobody was handed over");
      const line = rig.log.of("peer.refused").at(-1);
      assert.equal(line?.fields["cause"], cause);
      assert.match(String(line?.fields["subject"]), /^CN=/);
      assert.ok(line?.fields["issuer"] && line.fields["not_before"] && line.fields["not_after"]);
      assert.ok(line?.fields["fix"], "says what to do");
      assert.doesNotMatch(JSON.stringify(line), /BEGIN/);
    });
  }

  test("refused: no certificate", async () => {
    const socket = await dialTls(rig.port, { ca: pki.caPem });
    // Go's client withholds a certificate of another authority, and its developer must hear of it.
    assert.equal(
      await readAll(socket),
      `REFUSED no client certificate was sent; Go's client keeps back one that does not chain to "CN=Test CA"\n`,
    );
    assert.equal(rig.log.of("peer.refused").at(-1)?.fields["cause"], "no-certificate");
  });

  test("the same peer and cause is logged once, and counted every time", async () => {
    const leaf = await other.issue("again");
    const lines = rig.log.of("peer.refused").length;
    const count = rig.listener.counters.of("peersRefused").get("unknown-authority") ?? 0;
    for (let round = 0; round < 3; round++) await readAll(await dialTls(rig.port, show(leaf)));
    assert.equal(rig.log.of("peer.refused").length, lines + 1);
    assert.equal(rig.listener.counters.of("peersRefused").get("unknown-authority"), count + 3);
  });

  test("a client may finish sending 4 MiB, and then read the refusal whole", async () => {
    const socket = await dialTls(rig.port, show(await other.issue("talker")));
    // A reset from our side would fail this write, and Go clients report that instead of the answer.
    await new Promise<void>((resolve, reject) => {
      socket.write(Buffer.alloc(4 * 1024 * 1024, "x"), (error) =>
        error == null ? resolve() : reject(error),
      );
    });
    assert.match(await readAll(socket), /^REFUSED [^<]*\n$/);
  });

  const failing: readonly { why: string; cause: string; options: ConnectionOptions }[] = [
    { why: "TLS 1.2 only", cause: "protocol-version", options: { maxVersion: "TLSv1.2" } },
    { why: "only P-521", cause: "no-common-algorithm", options: { ecdhCurve: "P-521" } },
    { why: "only X448", cause: "no-common-algorithm", options: { ecdhCurve: "X448" } },
  ];
  for (const { why, cause, options } of failing) {
    test(`handshake fails: ${why}`, async () => {
      const before = rig.listener.counters.of("handshakesFailed").get(cause) ?? 0;
      await assert.rejects(dialTls(rig.port, show(await pki.issue("x"), options)));
      assert.equal(rig.listener.counters.of("handshakesFailed").get(cause), before + 1);
      const line = rig.log.of("handshake.failed").find(({ fields }) => fields["cause"] === cause);
      assert.ok(line?.fields["reason"] && line.fields["fix"] && line.fields["remote"]);
    });
  }

  test("a peer that refuses our certificate is told apart", async () => {
    await assert.rejects(dialTls(rig.port, { ...show(await pki.issue("x")), ca: other.caPem }));
    const line = await rig.log.find(({ fields }) => fields["cause"] === "reset");
    assert.match(String(line.fields["fix"]), /refuses our certificate often just hangs up/);
  });

  test("a peer's alert about our certificate is logged with that certificate, each reason for itself", async () => {
    const refusals = (): readonly string[] =>
      rig.log
        .of("handshake.failed")
        .filter(({ fields }) => fields["cause"] === "rejected-by-peer")
        .map(({ fields }) => `${fields["reason"]} | ${fields["subject"]}`);
    await dialOpenssl(rig.port, other.caPem);
    await dialOpenssl(rig.port, other.caPem);
    await dialOpenssl(rig.port, pki.caPem, ["-attime", `${Math.floor(now / 1000) + 90 * 86_400}`]);
    assert.deepEqual(refusals(), [
      "the peer refused our certificate: it does not know the authority that issued it | CN=server",
      "the peer refused our certificate: it is expired or not yet valid by the peer's clock | CN=server",
    ]);
    const [line] = rig.log.of("handshake.failed").slice(-1);
    assert.ok(line?.fields["issuer"] && line.fields["not_before"] && line.fields["not_after"]);
  });

  test("plain HTTP gets a 400 that says why", async () => {
    const socket = await dialTcp(rig.port);
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    assert.match(
      await readAll(socket),
      /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*speaks TLS.*plain HTTP/,
    );
  });
  for (const { why, bytes } of [
    { why: "text", bytes: "hello, who is there?" },
    { why: "zeros", bytes: "\0\0\0\0\0\0\0\0" },
    { why: "a record of no length", bytes: "\x16\x03\x01\x00\x00" },
    { why: "a record over 16 KiB", bytes: "\x16\x03\x01\xff\xff" },
    { why: "SSL 2", bytes: "\x80\x2e\x01\x03\x01" },
  ]) {
    test(`garbage is cut off: ${why}`, async () => {
      const before = rig.listener.counters.of("handshakesFailed").get("not-tls") ?? 0;
      const socket = await dialTcp(rig.port);
      socket.write(Buffer.from(bytes, "latin1"));
      assert.doesNotMatch(await readAll(socket), /HTTP|REFUSED/);
      assert.equal(rig.listener.counters.of("handshakesFailed").get("not-tls"), before + 1);
    });
  }
  test("a whole record that is no ClientHello fails the handshake, not the listener", async () => {
    const socket = await dialTcp(rig.port);
    socket.write(Buffer.from("1603010004deadbeef", "hex"));
    await readAll(socket);
    const good = await dialTls(rig.port, show(await pki.issue("after")));
    assert.equal(await echo(good, "still here"), "echo:still here");
    good.destroy();
  });

  for (const { offer, why } of [
    { offer: ["http/1.1"], why: "what go-micro offers" },
    { offer: ["h2"], why: "a gRPC peer must not be cut by an alert" },
    { offer: undefined, why: "no ALPN at all" },
  ]) {
    test(`ALPN ${offer}: ${why}`, async () => {
      const options = offer === undefined ? {} : { ALPNProtocols: offer };
      const socket = await dialTls(rig.port, show(await pki.issue("alpn"), options));
      assert.equal(await echo(socket, "hi"), "echo:hi");
      assert.equal(rig.handed.at(-1)?.alpn, undefined);
      socket.destroy();
    });
  }
});

suite("TLS 1.2", () => {
  test("is let in when configured, with a warning; P-521 still is not", async () => {
    await using rig = await startRig({ ...enforce, minVersion: "1.2" });
    assert.equal(rig.log.of("tls.protocol.lowered").length, 1);
    const leaf = await pki.issue("old-peer");
    const socket = await dialTls(rig.port, show(leaf, { maxVersion: "TLSv1.2" }));
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.equal(socket.getProtocol(), "TLSv1.2");
    socket.destroy();
    await assert.rejects(
      dialTls(rig.port, show(leaf, { maxVersion: "TLSv1.2", ecdhCurve: "P-521" })),
    );
  });
});

suite("weaker modes", () => {
  test("observe lets pass, says what enforcing would do, and gives no identity", async () => {
    const verify = { kind: "observe", untilMs: now + DAY } as const;
    await using rig = await startRig({ ...enforce, verify });
    assert.equal(rig.log.of("tls.observing").length, 1, "said at start, with its end");
    assert.match(String(rig.log.of("tls.observing")[0]?.fields["until"]), /^\d{4}-.*Z$/);
    const socket = await dialTls(rig.port, show(await other.issue("migrating")));
    assert.equal(await echo(socket, "hi"), "echo:hi");
    const principal = rig.handed[0]?.principal;
    assert.deepEqual([principal?.verified, principal?.roles], [false, ["unverified"]]);
    assert.equal(principal?.cn, "migrating");
    assert.match(principal?.refusal ?? "", /unknown authority/);
    const line = rig.log.of("peer.observed")[0];
    assert.equal(line?.fields["cause"], "unknown-authority");
    assert.equal(rig.listener.counters.of("observed").get("unknown-authority"), 1);
    socket.destroy();
    const good = await dialTls(rig.port, show(await pki.issue("good")));
    await echo(good, "hi");
    assert.equal(rig.handed[1]?.principal.verified, true);
    good.destroy();
  });
  test("observe cuts off at its end whom it let in, and nobody else", async () => {
    const clock = new FakeClock(now);
    const verify = { kind: "observe", untilMs: now + 150_000 } as const;
    await using rig = await startRig({ ...enforce, verify }, { clock });
    const stranger = await dialTls(rig.port, show(await other.issue("migrating")));
    const good = await dialTls(rig.port, show(await pki.issue("good")));
    await clock.advance(149_999);
    assert.equal(await echo(stranger, "one"), "echo:one");
    const gone = once(stranger, "close");
    await clock.advance(1);
    await gone;
    assert.equal(await echo(good, "two"), "echo:two");
    const [line] = rig.log.of("peer.refused");
    assert.match(String(line?.fields["reason"]), /^observing has ended: .*unknown authority/);
    assert.equal(rig.listener.counters.of("peersRefused").get("unknown-authority"), 1);
    good.destroy();
  });
  test("observe enforces after its end", async () => {
    await using rig = await startRig({ ...enforce, verify: { kind: "observe", untilMs: now - 1 } });
    assert.equal(rig.log.of("tls.observing").length, 0);
    const socket = await dialTls(rig.port, show(await other.issue("late")));
    assert.match(await readAll(socket), /^REFUSED/);
  });
  test("insecure-skip-verify is loud, and nobody is verified without a certificate", async () => {
    await using rig = await startRig({ ...enforce, verify: { kind: "insecure-skip-verify" } });
    assert.equal(rig.log.of("agent.insecure").length, 1);
    const socket = await dialTls(rig.port, { ca: pki.caPem });
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.equal(rig.handed[0]?.principal.verified, false);
    socket.destroy();
  });
  test("insecure-plaintext hands over plain sockets, unverified", async () => {
    await using rig = await startRig({ kind: "insecure-plaintext" });
    assert.equal(rig.log.of("agent.insecure").length, 1);
    const socket = await dialTcp(rig.port);
    assert.equal(await echo(socket, "hi"), "echo:hi");
    assert.deepEqual(rig.handed[0]?.principal.roles, ["unverified"]);
    socket.destroy();
  });
});

suite("replaced material", () => {
  test("new handshakes see it, open connections go on, old tickets are dead", async () => {
    const own = new HandSource(await pki.material("server-1"));
    await using rig = await startRig({ ...enforce, source: own });
    const leaf = await pki.issue("client");
    const first = await dialTls(rig.port, show(leaf));
    const session = await new Promise<Buffer>((resolve) => {
      first.once("session", resolve);
      first.write("wake");
    });
    await once(first, "data");
    const resumed = await dialTls(rig.port, show(leaf, { session }));
    assert.equal(resumed.isSessionReused(), true, "tickets work as long as nothing changes");
    assert.equal(await echo(resumed, "hi"), "echo:hi");
    assert.equal(rig.handed.at(-1)?.principal.cn, "client", "a resumed peer is judged again");
    resumed.destroy();

    own.replace(await pki.material("server-2"));
    const second = await dialTls(rig.port, show(leaf, { session }));
    assert.equal(second.isSessionReused(), false);
    assert.equal(second.getPeerX509Certificate()?.subject, "CN=server-2");
    second.destroy();
    const answer = await echo(first, "still");
    assert.match(answer, /still$/);
    first.destroy();
  });

  test("a new trust bundle refuses whom the old one knew", async () => {
    const own = new HandSource(await pki.material("server"));
    await using rig = await startRig({ ...enforce, source: own });
    const leaf = await pki.issue("client");
    const before = await dialTls(rig.port, show(leaf));
    assert.equal(await echo(before, "hi"), "echo:hi");
    before.destroy();
    await readAll(await dialTls(rig.port, show(await other.issue("stranger"))));
    own.replace(materialOf(await other.issue("server"), other.caPem));
    const socket = await dialTls(rig.port, show(leaf, { ca: other.caPem }));
    assert.match(await readAll(socket), /^REFUSED .*"CN=Test CA" is not in the trust bundle/);
  });
});

test("a peer whose records hold one byte each is cut off, counted and logged", async () => {
  const clock = new FakeClock(now);
  await using rig = await startRig(enforce, { clock });
  const socket = await dialTls(rig.port, show(await pki.issue("dribbler")));
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.setNoDelay(true);
  // Each write waits for the one before, or they become one record.
  for (let n = 0; n < 13_000; n++) await new Promise((sent) => socket.write("x", sent));
  while ((rig.handed[0]?.socket.bytesRead ?? 0) < 13_000) await new Promise(setImmediate);
  const closed = once(socket, "close");
  await clock.advance(5_000);
  await closed;
  assert.equal(rig.listener.counters.of("refused").get("empty-records"), 1);
  const [line] = rig.log.of("connection.refused");
  assert.equal(line?.fields["cause"], "empty-records");
  const next = await dialTls(rig.port, show(await pki.issue("next")));
  assert.equal(await echo(next, "hi"), "echo:hi");
  next.destroy();
});
