/** Enrolment with a real step-ca: tokens, pins, names, keys, and an authority that fails on the way. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { createCertificateRequest } from "#src/identity/exchange/certificate-request.ts";
import type { KeyAlgorithm } from "#src/identity/keys/key-provider.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { requestParts } from "#src/issuers/request-parts.ts";
import { StepCaIssuer } from "#src/issuers/step-ca.ts";
import { parseProxy } from "#src/transport/proxy-settings.ts";
import { failureOf, issuerRig, newKey, sha256Of, startRelay } from "../fakes/issuer-rig.ts";
import { startProxy } from "../fakes/network-proxy.ts";
import { type StepCa, startStepCa } from "../fakes/step-ca.ts";

const signal = new AbortController().signal;
const NAMES = ["roof-7", "127.0.0.1", "spiffe://fleet.test/device/roof-7"];

suite("enrolment with step-ca", () => {
  let ca: StepCa;
  before(async () => {
    ca = await startStepCa();
  });
  after(() => ca[Symbol.asyncDispose]());
  const pinned = (more: Partial<Parameters<typeof issuerRig>[0]> = {}) =>
    issuerRig({ url: ca.url, rootSha256: sha256Of(ca.root.certificatePem), ...more });

  const ALGORITHMS: readonly KeyAlgorithm[] = ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa"];
  for (const algorithm of ALGORITHMS) {
    test(`a key of the kind ${algorithm} gets a certificate with the token's names`, async () => {
      const rig = await pinned();
      const issuer = new StepCaIssuer(rig.parts);
      const key = newKey(algorithm);
      const issued = await issuer.enroll({ key, token: ca.token("roof-7", NAMES) }, signal);
      const leaf = parseCertificate(issued.chainPem);
      assert.ok(leaf.publicKey.equals(key.publicKey));
      assert.deepEqual(leaf.commonNames, ["roof-7"]);
      assert.deepEqual(leaf.names.dnsNames, ["roof-7"]);
      assert.deepEqual(leaf.names.ipAddresses, ["127.0.0.1"]);
      assert.deepEqual(leaf.names.uris, ["spiffe://fleet.test/device/roof-7"]);
      assert.equal(issued.trustBundlePem?.trim(), ca.root.certificatePem.trim());
      assert.equal(issued.rootPem.trim(), ca.root.certificatePem.trim());
      assert.match(issued.requestId ?? "", /^[0-9a-zA-Z-]{8,}$/);
      assert.equal(issued.answersUs, true);
      assert.deepEqual(issued.remarks, []);
      assert.deepEqual(rig.asked, [
        `GET /root/${sha256Of(ca.root.certificatePem)}`,
        "POST /1.0/sign",
      ]);
    });
  }

  test("the root that was fetched once is kept in the store's notes", async () => {
    const rig = await pinned();
    await new StepCaIssuer(rig.parts).enroll(
      { key: newKey(), token: ca.token("a", ["a"]) },
      signal,
    );
    const again = await pinned({ notes: rig.notes });
    await new StepCaIssuer(again.parts).enroll(
      { key: newKey(), token: ca.token("a", ["a"]) },
      signal,
    );
    assert.deepEqual(again.asked, ["POST /1.0/sign"]);
  });

  test("another fingerprint than the authority's: nobody is trusted, nothing is spent", async () => {
    const rig = await issuerRig({ url: ca.url, rootSha256: "ab".repeat(32) });
    const token = ca.token("roof-7", NAMES);
    const error = await failureOf(
      new StepCaIssuer(rig.parts).enroll({ key: newKey(), token }, signal),
    );
    assert.deepEqual([error.code, error.reason], ["ERR_ISSUER_UNTRUSTED", "untrusted"]);
    assert.equal(rig.roots.known, false);
    assert.equal(rig.asked.length, 1);
    const good = await pinned();
    await new StepCaIssuer(good.parts).enroll({ key: newKey(), token }, signal);
  });

  const UNFIT: readonly { why: string; token: () => string; words: RegExp }[] = [
    { why: "no JWT", token: () => "hello", words: /not a compact JWT/ },
    { why: "no JSON in it", token: () => "aaaa.bbbb.cccc", words: /not a JSON object/ },
    {
      why: "for a revocation",
      token: () => ca.token("roof-7", NAMES, { aud: "https://127.0.0.1/1.0/revoke" }),
      words: /not for having a certificate signed/,
    },
    {
      why: "for another host",
      token: () => ca.token("roof-7", NAMES, { aud: "https://ca.other.example/1.0/sign" }),
      words: /it is for the authority at "ca\.other\.example"/,
    },
    {
      why: "for an authority with another root",
      token: () => ca.token("roof-7", NAMES, { sha: "cd".repeat(32) }),
      words: /another root than the one that is pinned/,
    },
    {
      why: "expired",
      token: () => ca.token("roof-7", NAMES, { exp: Math.floor(Date.now() / 1000) - 120 }),
      words: /it expired .* ago|it expired \d{4}-/,
    },
    {
      why: "bound to another request",
      token: () => ca.token("roof-7", NAMES, { cnf: { "x5rt#S256": "x".repeat(43) } }),
      words: /bound to a certificate request/,
    },
    { why: "without subject", token: () => ca.token("", NAMES), words: /names no subject/ },
  ];
  for (const { why, token, words } of UNFIT) {
    test(`a token that can't succeed is not spent: ${why}`, async () => {
      const rig = await pinned();
      const text = token();
      const error = await failureOf(
        new StepCaIssuer(rig.parts).enroll({ key: newKey(), token: text }, signal),
      );
      assert.equal(error.code, "ERR_ISSUER_TOKEN");
      assert.match(error.message, words);
      assert.ok(!error.message.includes(text));
      assert.deepEqual([error.permanent, error.lostAnswer], [true, false]);
      assert.deepEqual(rig.asked, []);
    });
  }

  test("sha may vouch for a token that names the authority otherwise", async () => {
    const rig = await pinned();
    const sha = sha256Of(ca.root.certificatePem);
    const aud = ["https://ca.other.example/1.0/sign", "https://127.0.0.1/1.0/sign"];
    const token = ca.token("roof-7", NAMES, { sha, aud });
    await new StepCaIssuer(rig.parts).enroll({ key: newKey(), token }, signal);
  });

  test("a token that is bound to a request goes with that request", async () => {
    const rig = await pinned();
    const key = newKey();
    const csrPem = await createCertificateRequest(key, { commonName: "b", sans: { dns: ["b"] } });
    const digest = createHash("sha256").update(requestParts(csrPem).der).digest("base64url");
    const token = ca.token("b", ["b"], { cnf: { "x5rt#S256": digest } });
    const { chainPem } = await new StepCaIssuer(rig.parts).enroll({ key, token, csrPem }, signal);
    assert.ok(parseCertificate(chainPem).publicKey.equals(key.publicKey));
  });

  test("a request for another key is refused before the token leaves", async () => {
    const rig = await pinned();
    const csrPem = await createCertificateRequest(newKey(), {
      commonName: "b",
      sans: { dns: ["b"] },
    });
    const token = ca.token("b", ["b"]);
    const error = await failureOf(
      new StepCaIssuer(rig.parts).enroll({ key: newKey(), token, csrPem }, signal),
    );
    assert.match(error.message, /for another key/);
    assert.deepEqual(rig.asked, []);
  });

  const REFUSED: readonly { why: string; token: () => string }[] = [
    { why: "of an unknown provisioner", token: () => ca.token("c", ["c"], { iss: "nobody" }) },
    {
      why: "signed by nobody",
      token: () =>
        ca.token("c", ["c"]).replace(/[^.]+$/, Buffer.alloc(64, 7).toString("base64url")),
    },
    {
      why: "issued before the authority began",
      token: () => ca.token("c", ["c"], { iat: Math.floor(Date.now() / 1000) - 3_600 }),
    },
  ];
  for (const { why, token } of REFUSED) {
    test(`a token ${why} is refused for good`, async () => {
      const rig = await pinned();
      const error = await failureOf(
        new StepCaIssuer(rig.parts).enroll({ key: newKey(), token: token() }, signal),
      );
      assert.deepEqual(
        [error.code, error.reason, error.permanent],
        ["ERR_ISSUER_TOKEN", "token", true],
      );
      assert.match(error.requestId ?? "", /^[0-9a-zA-Z-]{8,}$/);
    });
  }

  test("a token is good once", async () => {
    const rig = await pinned();
    const issuer = new StepCaIssuer(rig.parts);
    const token = ca.token("d", ["d"]);
    await issuer.enroll({ key: newKey(), token }, signal);
    const error = await failureOf(issuer.enroll({ key: newKey(), token }, signal));
    assert.deepEqual([error.reason, error.permanent], ["token", true]);
    assert.match(error.message, /spent/);
  });

  test("names against the token: refused, and the token is spent", async () => {
    const rig = await pinned();
    const key = newKey();
    const csrPem = await createCertificateRequest(key, {
      commonName: "e",
      sans: { dns: ["e", "more"] },
    });
    const token = ca.token("e", ["e"]);
    const issuer = new StepCaIssuer(rig.parts);
    const error = await failureOf(issuer.enroll({ key, token, csrPem }, signal));
    assert.deepEqual(
      [error.code, error.permanent, error.lostAnswer],
      ["ERR_ISSUER_REFUSED", true, true],
    );
    assert.match(error.message, /the token is spent/);
    assert.equal((await failureOf(issuer.enroll({ key, token }, signal))).reason, "token");
  });

  test("a restart kills tokens with iat, not those without", async () => {
    const rig = await pinned();
    const issuer = new StepCaIssuer(rig.parts);
    const dated = ca.token("f", ["f"], { iat: Math.floor(Date.now() / 1000) - 1 });
    const undated = ca.token("f", ["f"], { iat: undefined });
    await ca.restart();
    assert.equal(
      (await failureOf(issuer.enroll({ key: newKey(), token: dated }, signal))).reason,
      "token",
    );
    await issuer.enroll({ key: newKey(), token: undated }, signal);
  });

  test("an answer that is lost on the way: said so, and the token is spent", async () => {
    await using relay = await startRelay(Number(new URL(ca.url).port));
    const rig = await pinned({ url: `https://127.0.0.1:${relay.port}` });
    const issuer = new StepCaIssuer(rig.parts);
    const key = newKey();
    await issuer.enroll({ key, token: ca.token("first", ["first"]) }, signal);
    relay.hold = true;
    const token = ca.token("lost", ["lost"]);
    const attempt = failureOf(issuer.enroll({ key, token }, signal));
    await ca.logged(/status=201 subject=lost/);
    relay.cut();
    const error = await attempt;
    assert.deepEqual(
      [error.code, error.lostAnswer, error.permanent],
      ["ERR_ISSUER_UNREACHABLE", true, false],
    );
    relay.hold = false;
    const again = await failureOf(issuer.enroll({ key, token }, signal));
    assert.deepEqual([again.reason, again.permanent], ["token", true]);
    await issuer.enroll({ key, token: ca.token("lost", ["lost"]) }, signal);
  });

  test("an authority that hangs: only our own limit ends it", async () => {
    const rig = await pinned({ connectTimeoutMs: 300 });
    ca.pause();
    try {
      const error = await failureOf(
        new StepCaIssuer(rig.parts).enroll({ key: newKey(), token: ca.token("g", ["g"]) }, signal),
      );
      assert.deepEqual(
        [error.reason, error.lostAnswer, error.permanent],
        ["timeout", false, false],
      );
      assert.match(error.message, /in the TLS handshake/);
    } finally {
      ca.resume();
    }
  });

  test("an authority that hangs after the request: the answer counts as lost", async () => {
    await using relay = await startRelay(Number(new URL(ca.url).port));
    const rig = await pinned({ url: `https://127.0.0.1:${relay.port}`, totalTimeoutMs: 700 });
    const issuer = new StepCaIssuer(rig.parts);
    await issuer.trustBundle(signal);
    relay.hold = true;
    const error = await failureOf(
      issuer.enroll({ key: newKey(), token: ca.token("h", ["h"]) }, signal),
    );
    assert.deepEqual([error.reason, error.lostAnswer], ["timeout", true]);
  });

  test("an authority that is not running", async () => {
    const rig = await pinned();
    await ca.stop();
    try {
      const error = await failureOf(
        new StepCaIssuer(rig.parts).enroll({ key: newKey(), token: ca.token("i", ["i"]) }, signal),
      );
      assert.deepEqual(
        [error.reason, error.lostAnswer, error.permanent],
        ["unreachable", false, false],
      );
      assert.match(error.message, /nothing listens there/);
    } finally {
      await ca.start();
    }
  });

  test("the caller's abort comes through as it is", async () => {
    const rig = await pinned();
    ca.pause();
    try {
      const stop = new AbortController();
      const attempt = new StepCaIssuer(rig.parts).trustBundle(stop.signal);
      const why = new Error("the agent stops");
      stop.abort(why);
      await assert.rejects(attempt, why);
    } finally {
      ca.resume();
    }
  });

  test("behind an HTTP proxy with credentials", async () => {
    await using proxy = await startProxy(() => undefined);
    const rig = await pinned({ proxy: parseProxy(`http://user:secret@127.0.0.1:${proxy.port}`) });
    await new StepCaIssuer(rig.parts).enroll(
      { key: newKey(), token: ca.token("p", ["p"]) },
      signal,
    );
    assert.equal(proxy.requests.length, 2);
    for (const head of proxy.requests) {
      assert.match(head, /^CONNECT 127\.0\.0\.1:\d+ /);
      assert.match(head, /Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=/);
    }
  });

  const PROXIES = [
    { why: "wants credentials", answer: "HTTP/1.1 407 No\r\n\r\n", reason: "proxy", words: /407/ },
    {
      why: "refuses",
      answer: "HTTP/1.1 403 No\r\n\r\n",
      reason: "proxy",
      words: /refused a tunnel/,
    },
    {
      why: "is a captive portal",
      answer: "HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n",
      reason: "captive-portal",
      words: /captive portal/,
    },
  ];
  for (const { why, answer, reason, words } of PROXIES) {
    test(`a proxy that ${why}`, async () => {
      await using proxy = await startProxy(() => answer);
      const rig = await pinned({ proxy: parseProxy(`http://127.0.0.1:${proxy.port}`) });
      const error = await failureOf(new StepCaIssuer(rig.parts).trustBundle(signal));
      assert.deepEqual(
        [error.code, error.reason, error.lostAnswer],
        ["ERR_ISSUER_UNREACHABLE", reason, false],
      );
      assert.match(error.message, words);
    });
  }
});
