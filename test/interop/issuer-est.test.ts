/** EST (RFC 7030) against a server whose certificates and PKCS#7 are OpenSSL's. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, beforeEach, suite, test } from "node:test";
import { systemRandom } from "#src/host/random.ts";
import { createCertificateRequest } from "#src/identity/exchange/certificate-request.ts";
import type { KeyAlgorithm } from "#src/identity/keys/key-provider.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { issueCertificate } from "#src/identity/x509/issue.ts";
import { certificatesOfPkcs7 } from "#src/issuers/certs-only.ts";
import { EstIssuer, type EstPassword } from "#src/issuers/est.ts";
import { certificatesOf } from "#src/issuers/issuer-roots.ts";
import { run } from "../fakes/child.ts";
import { type EstServer, startEstServer } from "../fakes/est-server.ts";
import {
  failureOf,
  issuerRig,
  newKey,
  openKey,
  sha256Of,
  trustedView,
} from "../fakes/issuer-rig.ts";
import { makeSite } from "../fakes/site.ts";

const signal = new AbortController().signal;
const NAMES = {
  commonName: "roof-7",
  sans: { dns: ["roof-7.fleet.test"], uri: ["spiffe://fleet.test/roof-7"] },
};
const PASSWORD: EstPassword = { username: "factory", password: "s3cret" };
const DAY_MS = 86_400_000;
/** RFC 7030 section 4.5.2: a challenge password, a key on P-384, a MAC address, ECDSA with SHA-384. */
const RFC_EXAMPLE =
  "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw==";

suite("EST", () => {
  let server: EstServer;
  before(async () => {
    server = await startEstServer();
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => {
    server.asked.length = 0;
    server.leafOnly = false;
    server.days = 30;
    server.instead = undefined;
  });

  async function issuer(given: EstPassword | "none" = PASSWORD, to = server) {
    const password = given === "none" ? undefined : given;
    const rig = await issuerRig({ url: to.url, rootSha256: sha256Of(to.root.certificatePem) });
    const label = to.label === "" ? undefined : to.label;
    return { rig, est: new EstIssuer({ ...rig.parts, label, password: async () => password }) };
  }

  async function enrolled(algorithm: KeyAlgorithm = "ecdsa-p256") {
    const made = await issuer();
    const key = newKey(algorithm);
    const { chainPem } = await made.est.enroll({ key, names: NAMES }, signal);
    server.asked.length = 0;
    return { ...made, own: { key, chainPem } };
  }

  for (const algorithm of ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa"] as const) {
    test(`enrolment with a password, ${algorithm}`, async () => {
      const { est } = await issuer();
      const key = newKey(algorithm);
      const issued = await est.enroll({ key, names: NAMES }, signal);
      const leaf = parseCertificate(issued.chainPem);
      assert.ok(leaf.publicKey.equals(key.publicKey));
      assert.deepEqual(leaf.names.uris, ["spiffe://fleet.test/roof-7"]);
      assert.equal(certificatesOf(issued.chainPem).length, 2);
      assert.equal(issued.trustBundlePem?.trim(), server.root.certificatePem.trim());
      assert.deepEqual(server.asked, [
        "GET /.well-known/est/cacerts",
        "POST /.well-known/est/simpleenroll",
      ]);
    });
  }

  test("a label in the path", async () => {
    await using labelled = await startEstServer("roofs");
    const { est } = await issuer(PASSWORD, labelled);
    await est.enroll({ key: newKey(), names: NAMES }, signal);
    assert.equal(labelled.asked[1], "POST /.well-known/est/roofs/simpleenroll");
  });

  test("enrolment with a certificate from the factory", async () => {
    const { est } = await issuer("none");
    const birth = await issueCertificate({
      ...{ authority: server.intermediate, cn: "birth", sans: {}, usages: ["client"] },
      ...{ days: 1, nowMs: Date.now(), random: systemRandom },
    });
    const chainPem = birth.certificatePem + server.intermediate.certificatePem;
    const bootstrap = { key: openKey(birth.keyPem), chainPem };
    const issued = await est.enroll({ key: newKey(), names: NAMES, bootstrap }, signal);
    assert.deepEqual(parseCertificate(issued.chainPem).commonNames, ["roof-7"]);
  });

  test("no credentials, and wrong ones", async () => {
    for (const password of ["none" as const, { username: "factory", password: "wrong-word" }]) {
      const { est } = await issuer(password);
      const error = await failureOf(est.enroll({ key: newKey(), names: NAMES }, signal));
      assert.deepEqual([error.code, error.permanent], ["ERR_ISSUER_REFUSED", true]);
      assert.equal(error.fields["fix"], "check issuer.username and issuer.password_file");
      assert.doesNotMatch(error.message, /wrong-word/);
    }
  });

  test("another fingerprint than the server's root: no password leaves", async () => {
    const rig = await issuerRig({ url: server.url, rootSha256: "ab".repeat(32) });
    const est = new EstIssuer({ ...rig.parts, label: undefined, password: async () => PASSWORD });
    const error = await failureOf(est.enroll({ key: newKey(), names: NAMES }, signal));
    assert.equal(error.code, "ERR_ISSUER_UNTRUSTED");
    assert.deepEqual(server.asked, ["GET /.well-known/est/cacerts"]);
  });

  test("roots given as a file need no fingerprint", async () => {
    const rig = await issuerRig({ url: server.url, bundlePem: server.root.certificatePem });
    const est = new EstIssuer({ ...rig.parts, label: undefined, password: async () => PASSWORD });
    await est.enroll({ key: newKey(), names: NAMES }, signal);
    assert.deepEqual(server.asked, ["POST /.well-known/est/simpleenroll"]);
  });

  test("no name to ask for", async () => {
    const { est } = await issuer();
    const error = await failureOf(est.enroll({ key: newKey() }, signal));
    assert.equal(error.reason, "unsupported");
    assert.deepEqual(server.asked, []);
  });

  test("a token is not ignored", async () => {
    const { est } = await issuer();
    const request = { key: newKey(), names: NAMES, token: "one.two.three" };
    const error = await failureOf(est.enroll(request, signal));
    assert.deepEqual([error.code, error.permanent], ["ERR_ISSUER_TOKEN", true]);
    assert.doesNotMatch(error.message, /one\.two/);
    assert.deepEqual(server.asked, []);
  });

  test("the server puts it off, then issues it", async () => {
    const { est } = await issuer();
    server.postpone = { times: 1, seconds: 90 };
    const key = newKey();
    const error = await failureOf(est.enroll({ key, names: NAMES }, signal));
    assert.deepEqual(
      [error.code, error.reason, error.retryAfterMs],
      ["ERR_ISSUER_PENDING", "pending", 90_000],
    );
    assert.equal(error.permanent, false);
    await est.enroll({ key, names: NAMES }, signal);
  });

  test("an answer with the leaf alone: the rest comes from /cacerts", async () => {
    const { est } = await issuer();
    server.leafOnly = true;
    const issued = await est.enroll({ key: newKey(), names: NAMES }, signal);
    assert.equal(certificatesOf(issued.chainPem).length, 2);
  });

  test("an answer with the leaf alone, at renewal: the intermediate is in hand, and nothing more is asked", async () => {
    const { est, own } = await enrolled();
    server.leafOnly = true;
    const renewed = await est.renew(own, signal);
    assert.equal(certificatesOf(renewed.chainPem).length, 2);
    assert.deepEqual(server.asked, ["POST /.well-known/est/simplereenroll"]);
  });

  const ATTRIBUTES: readonly {
    readonly why: string;
    readonly status: number;
    readonly body: string;
    readonly algorithm: KeyAlgorithm;
    readonly reason: string;
    readonly says: RegExp;
  }[] = [
    {
      why: "another kind of key",
      ...{ status: 200, body: RFC_EXAMPLE, algorithm: "ecdsa-p256", reason: "unsupported" },
      says: /HTTP 400.*it wants a key of the kind ecdsa-p384, not ecdsa-p256/,
    },
    {
      why: "a challenge password",
      ...{ status: 200, body: RFC_EXAMPLE, algorithm: "ecdsa-p384", reason: "unsupported" },
      says: /challenge password/,
    },
    {
      why: "nothing (204)",
      ...{ status: 204, body: "", algorithm: "ecdsa-p256", reason: "refused" },
      says: /HTTP 400/,
    },
    {
      why: "nobody knows, it has no such list (404)",
      ...{ status: 404, body: "", algorithm: "ecdsa-p256", reason: "refused" },
      says: /HTTP 400/,
    },
    {
      why: "nonsense",
      ...{ status: 200, body: "<html>", algorithm: "ecdsa-p256", reason: "refused" },
      says: /HTTP 400/,
    },
  ];
  for (const { why, status, body, algorithm, reason, says } of ATTRIBUTES) {
    test(`a request that is refused, and what the server wants: ${why}`, async () => {
      const { est } = await issuer();
      server.instead = ({ url = "" }, response) => {
        if (url.endsWith("/cacerts")) return false;
        const asked = url.endsWith("/csrattrs");
        response.writeHead(asked ? status : 400, { "Content-Type": "application/csrattrs" });
        response.end(asked ? body : "");
        return true;
      };
      const failure = await failureOf(est.enroll({ key: newKey(algorithm), names: NAMES }, signal));
      assert.deepEqual([failure.code, failure.reason], ["ERR_ISSUER_REFUSED", reason]);
      assert.ok(failure.permanent);
      assert.match(failure.message, says);
      assert.equal(server.asked.at(-1), "GET /.well-known/est/csrattrs");
    });
  }

  test("renewal with the same key, then with a new one", async () => {
    const { est, own } = await enrolled();
    const renewed = await est.renew(own, signal);
    assert.ok(parseCertificate(renewed.chainPem).publicKey.equals(own.key.publicKey));
    const next = newKey("ecdsa-p384");
    const csr = await createCertificateRequest(next, NAMES);
    const changed = await est.rekey(own, next, csr, signal);
    const leaf = parseCertificate(changed.chainPem);
    assert.ok(leaf.publicKey.equals(next.publicKey));
    assert.equal(leaf.summary.subject, parseCertificate(own.chainPem).summary.subject);
    assert.deepEqual(server.asked, [
      "POST /.well-known/est/simplereenroll",
      "POST /.well-known/est/simplereenroll",
    ]);
  });

  test("a certificate that ends earlier than the one in hand is refused", async () => {
    const { est, own } = await enrolled();
    server.days = 10;
    const error = await failureOf(est.renew(own, signal));
    assert.deepEqual([error.code, error.reason], ["ERR_ISSUER_ANSWER", "answer"]);
    assert.match(error.message, /before the one in hand/);
  });

  test("expired: as on the first day, with the password; without one it needs enrolment", async () => {
    const { est, own, rig } = await enrolled();
    rig.view = trustedView(parseCertificate(own.chainPem).summary.notAfter + DAY_MS);
    server.days = 60;
    const issued = await est.renew(own, signal);
    assert.ok(parseCertificate(issued.chainPem).publicKey.equals(own.key.publicKey));
    assert.deepEqual(server.asked, ["POST /.well-known/est/simpleenroll"]);
    const bare = new EstIssuer({ ...rig.parts, label: undefined, password: async () => undefined });
    const error = await failureOf(bare.renew(own, signal));
    assert.deepEqual([error.reason, error.permanent], ["needs-enrolment", true]);
  });

  test("expired, with a birth certificate: that enrols it again", async () => {
    const { own, rig } = await enrolled();
    const birth = await issueCertificate({
      ...{ authority: server.intermediate, cn: "birth", sans: {}, usages: ["client"] },
      ...{ days: 1, nowMs: Date.now(), random: systemRandom },
    });
    const chainPem = birth.certificatePem + server.intermediate.certificatePem;
    const est = new EstIssuer({
      ...{ ...rig.parts, label: undefined, password: async () => undefined },
      birth: async () => ({ chainPem, tlsKey: birth.keyPem }),
    });
    rig.view = trustedView(parseCertificate(own.chainPem).summary.notAfter + DAY_MS);
    server.days = 60;
    const issued = await est.renew(own, signal);
    assert.ok(parseCertificate(issued.chainPem).publicKey.equals(own.key.publicKey));
    assert.deepEqual(server.asked, ["POST /.well-known/est/simpleenroll"]);
  });

  test("a certificate of another authority renews nothing", async () => {
    const { est } = await enrolled();
    await using other = await startEstServer();
    const strange = await issueCertificate({
      ...{ authority: other.root, cn: "roof-7", sans: {}, usages: ["client"] },
      ...{ days: 1, nowMs: Date.now(), random: systemRandom },
    });
    const own = { key: openKey(strange.keyPem), chainPem: strange.certificatePem };
    const error = await failureOf(est.renew(own, signal));
    assert.deepEqual([error.reason, error.permanent], ["needs-enrolment", true]);
  });

  const BAD: readonly { why: string; type: string; body: string; words: RegExp }[] = [
    { why: "JSON", type: "application/json", body: "{}", words: /not the PKCS#7 of EST/ },
    { why: "no base64", type: "application/pkcs7-mime", body: "<oops>", words: /not base64/ },
    {
      why: "no PKCS#7",
      type: "application/pkcs7-mime",
      body: "MAMCAQE=",
      words: /PKCS#7 message is damaged/,
    },
    {
      why: "nothing",
      type: "application/pkcs7-mime",
      body: "",
      words: /PKCS#7 message|not base64/,
    },
  ];
  for (const { why, type, body, words } of BAD) {
    test(`an answer that is ${why}`, async () => {
      const { est } = await issuer();
      await est.trustBundle(signal);
      server.instead = (request, response) => {
        if (request.method !== "POST") return false;
        response.writeHead(200, { "Content-Type": type }).end(body);
        return true;
      };
      const error = await failureOf(est.enroll({ key: newKey(), names: NAMES }, signal));
      assert.deepEqual([error.code, error.lostAnswer], ["ERR_ISSUER_ANSWER", true]);
      assert.match(error.message, words);
    });
  }
});

suite("PKCS#7 of certificates alone", () => {
  test("the same certificates as OpenSSL reads, in DER and PEM", async () => {
    await using site = await makeSite();
    const a = await site.issue("a");
    const cwd = site.directory;
    const { stdout: bundle } = await run(["cat", a.cert, a.ca], { cwd });
    await writeFile(`${cwd}/bag.pem`, `${bundle}\n`);
    for (const form of ["DER", "PEM"]) {
      await run(
        [
          "openssl",
          "crl2pkcs7",
          "-nocrl",
          "-certfile",
          "bag.pem",
          "-outform",
          form,
          "-out",
          "bag.p7",
        ],
        { cwd },
      );
      const { stdout } = await run(
        ["openssl", "pkcs7", "-inform", form, "-in", "bag.p7", "-print_certs"],
        { cwd },
      );
      const ours = certificatesOfPkcs7(await readFile(`${cwd}/bag.p7`)).map(
        (der) => parseCertificate(der).summary.fingerprint,
      );
      const theirs = certificatesOf(stdout).map((pem) => parseCertificate(pem).summary.fingerprint);
      assert.equal(ours.length, 2);
      assert.deepEqual(ours.toSorted(), theirs.toSorted());
    }
  });
});
