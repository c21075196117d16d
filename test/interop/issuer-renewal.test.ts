/** Renewal at a real step-ca: while the certificate lives, after it has expired, and when roots change. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { systemRandom } from "#src/host/random.ts";
import { createCertificateRequest } from "#src/identity/exchange/certificate-request.ts";
import { IssuerError, type OwnIdentityForIssuer } from "#src/identity/issuer.ts";
import type { KeyAlgorithm, OpenKey } from "#src/identity/keys/key-provider.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import {
  buildCertificate,
  certificatePem,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import { type Authority, createAuthority, randomSerial } from "#src/identity/x509/issue.ts";
import { withAnnouncedRoots } from "#src/issuers/announced-roots.ts";
import { certificatesOf } from "#src/issuers/issuer-roots.ts";
import { StepCaIssuer } from "#src/issuers/step-ca.ts";
import {
  failureOf,
  issuerRig,
  newKey,
  openKey,
  sha256Of,
  trustedView,
  withValidity,
} from "../fakes/issuer-rig.ts";
import { type StepCa, startStepCa, stepAuthorities } from "../fakes/step-ca.ts";

const signal = new AbortController().signal;
const DAY_MS = 86_400_000;

async function enrolled(ca: StepCa, name: string, key: OpenKey = newKey()) {
  const rig = await issuerRig({ url: ca.url, rootSha256: sha256Of(ca.root.certificatePem) });
  const issuer = new StepCaIssuer(rig.parts);
  const { chainPem } = await issuer.enroll({ key, token: ca.token(name, [name]) }, signal);
  rig.asked.length = 0;
  return { rig, issuer, own: { key, chainPem } };
}

async function rekey(issuer: StepCaIssuer, own: OwnIdentityForIssuer, next: OpenKey) {
  const csr = await createCertificateRequest(next, { commonName: "any", sans: {} });
  return issuer.rekey(own, next, csr, signal);
}

function expiredFor(ca: StepCa, own: OwnIdentityForIssuer, days: number): OwnIdentityForIssuer {
  const end = Date.now() - Math.max(5_000, days * DAY_MS);
  return { ...own, chainPem: withValidity(own.chainPem, ca.intermediate, end - 10 * 60_000, end) };
}

suite("renewal with step-ca", () => {
  let ca: StepCa;
  before(async () => {
    ca = await startStepCa({ claims: { allowRenewalAfterExpiry: true } });
  });
  after(() => ca[Symbol.asyncDispose]());

  test("the same key again, any number of times, by the old certificate, too", async () => {
    const { issuer, own, rig } = await enrolled(ca, "a");
    const first = await issuer.renew(own, signal);
    const second = await issuer.renew(own, signal);
    const leaves = [own.chainPem, first.chainPem, second.chainPem].map(parseCertificate);
    assert.equal(new Set(leaves.map(({ summary }) => summary.serial)).size, 3);
    for (const { publicKey, names } of leaves) {
      assert.ok(publicKey.equals(own.key.publicKey));
      assert.deepEqual(names.dnsNames, ["a"]);
    }
    assert.deepEqual(rig.asked, ["POST /1.0/renew +cert", "POST /1.0/renew +cert"]);
    assert.equal(first.trustBundlePem, undefined);
    assert.equal(first.answersUs, true);
  });

  const PAIRS: readonly (readonly [KeyAlgorithm, KeyAlgorithm])[] = [
    ["ecdsa-p256", "ecdsa-p256"],
    ["ecdsa-p384", "ed25519"],
    ["ed25519", "ecdsa-p384"],
    ["rsa", "ecdsa-p256"],
  ];
  for (const [from, to] of PAIRS) {
    test(`a new key: ${from} to ${to}`, async () => {
      const { issuer, own, rig } = await enrolled(ca, "b", newKey(from));
      const next = newKey(to);
      const issued = await rekey(issuer, own, next);
      const leaf = parseCertificate(issued.chainPem);
      assert.ok(leaf.publicKey.equals(next.publicKey));
      assert.deepEqual(leaf.names.dnsNames, ["b"]);
      assert.deepEqual(rig.asked, ["POST /1.0/rekey +cert"]);
      await issuer.renew({ key: next, chainPem: issued.chainPem }, signal);
    });
  }

  for (const algorithm of ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa"] as const) {
    for (const days of [0, 60, 360]) {
      test(`expired for ${days} days, ${algorithm}: by token, without client certificate`, async () => {
        const { issuer, own, rig } = await enrolled(ca, "c", newKey(algorithm));
        const issued = await issuer.renew(expiredFor(ca, own, days), signal);
        const leaf = parseCertificate(issued.chainPem);
        assert.ok(leaf.publicKey.equals(own.key.publicKey));
        assert.ok(leaf.summary.notAfter > Date.now());
        assert.deepEqual(rig.asked, ["POST /1.0/renew +token"]);
      });
    }
  }

  test("expired, though the device's clock says otherwise: the alert leads to the token", async () => {
    const { issuer, own, rig } = await enrolled(ca, "d");
    const expired = expiredFor(ca, own, 10);
    const nowMs = parseCertificate(expired.chainPem).summary.notAfter - 60_000;
    rig.view = { state: "unknown", nowMs, floorMs: 0, clockWrong: false, words: undefined };
    const issued = await issuer.renew(expired, signal);
    assert.deepEqual(rig.asked, ["POST /1.0/renew +cert", "POST /1.0/renew +token"]);
    assert.ok(parseCertificate(issued.chainPem).summary.notAfter > Date.now());
  });

  test("a new key for an expired certificate: renew first", async () => {
    const { issuer, own, rig } = await enrolled(ca, "e");
    const expired = expiredFor(ca, own, 1);
    const error = await failureOf(rekey(issuer, expired, newKey()));
    assert.deepEqual([error.reason, error.permanent], ["expired", false]);
    assert.deepEqual(rig.asked, []);
    rig.view = { ...trustedView(Date.now() - 5 * DAY_MS), state: "unknown" };
    const late = await failureOf(rekey(issuer, expired, newKey()));
    assert.equal(late.reason, "expired");
    const { chainPem } = await issuer.renew(expired, signal);
    await rekey(issuer, { key: own.key, chainPem }, newKey());
  });

  test("a token that the authority can't verify: 500, which does not loop", async () => {
    const { issuer, own } = await enrolled(ca, "f");
    const other = newKey();
    const expired = { ...expiredFor(ca, own, 1), key: { ...own.key, sign: other.sign } };
    const failures = [];
    for (let tries = 0; tries < 3; tries++)
      failures.push(await failureOf(issuer.renew(expired, signal)));
    assert.deepEqual(
      failures.map(({ reason, permanent }) => [reason, permanent]),
      [
        ["server-error", false],
        ["server-error", false],
        ["needs-enrolment", true],
      ],
    );
  });

  test("revoked: by certificate, for a new key, and expired by token", async () => {
    const { issuer, own } = await enrolled(ca, "g");
    await ca.revoke({ certificatePem: own.chainPem, keyPem: "" });
    for (const attempt of [() => issuer.renew(own, signal), () => rekey(issuer, own, newKey())]) {
      const error = await failureOf(attempt());
      assert.deepEqual(
        [error.code, error.reason, error.permanent],
        ["ERR_ISSUER_ENROL", "needs-enrolment", true],
      );
    }
    // By the device's clock it has expired, so it asks by token.
    const { rig } = await enrolled(ca, "g");
    rig.view = trustedView(parseCertificate(own.chainPem).summary.notAfter + 1_000);
    rig.view = { ...rig.view, state: "unknown" };
    const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
    assert.equal(rig.asked.at(-1), "POST /1.0/renew +token");
    assert.deepEqual([error.reason, error.permanent], ["needs-enrolment", true]);
  });

  test("renewal after expiry switched off: needs enrolment, until it is switched on", async () => {
    const { issuer, own } = await enrolled(ca, "h");
    const expired = expiredFor(ca, own, 30);
    await ca.restart({ claims: { allowRenewalAfterExpiry: false } });
    const error = await failureOf(issuer.renew(expired, signal));
    assert.deepEqual(
      [error.code, error.reason, error.permanent],
      ["ERR_ISSUER_ENROL", "needs-enrolment", true],
    );
    await issuer.renew(own, signal);
    await ca.restart({ claims: { allowRenewalAfterExpiry: true } });
    await issuer.renew(expired, signal);
  });

  test("the provisioner is gone", async () => {
    const { issuer, own } = await enrolled(ca, "i");
    await ca.restart({ provisioner: "another" });
    const error = await failureOf(issuer.renew(own, signal));
    assert.deepEqual([error.reason, error.permanent], ["needs-enrolment", true]);
    await ca.restart({ provisioner: "factory" });
  });

  test("a wiped authority renews what it does not know", async () => {
    const { issuer, own } = await enrolled(ca, "j");
    await ca.wipe();
    await issuer.renew(own, signal);
  });

  test("a clock years behind: the authority is judged by the proven time", async () => {
    const { own } = await enrolled(ca, "k");
    const options = { url: ca.url, rootSha256: sha256Of(ca.root.certificatePem) };
    const rig = await issuerRig({ ...options, ownChainPem: own.chainPem });
    rig.view = { ...trustedView(), state: "floor", clockWrong: true };
    rig.clockMs = Date.now() - 900 * DAY_MS;
    await new StepCaIssuer(rig.parts).renew(own, signal);
    rig.view = { ...rig.view, nowMs: Date.now() - 900 * DAY_MS };
    const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
    assert.deepEqual([error.code, error.reason], ["ERR_ISSUER_UNTRUSTED", "clock"]);
  });
});

suite("step-ca's roots change", () => {
  /** What B's root is for devices that know A alone. */
  async function crossSigned(subject: Authority, by: Authority): Promise<Authority> {
    const { publicKey, summary } = parseCertificate(subject.certificatePem);
    const issuer = parseCertificate(by.certificatePem);
    const der = await buildCertificate({
      subjectCn: summary.subject.replace("CN=", ""),
      issuerNameDer: await subjectNameDer(issuer.x509.raw),
      serial: randomSerial(systemRandom),
      notBefore: summary.notBefore,
      notAfter: summary.notAfter,
      publicKey,
      signingKey: createPrivateKey(by.keyPem),
      basicConstraints: { ca: true },
      keyUsageBits: [5, 6],
    });
    return { certificatePem: certificatePem(der), keyPem: subject.keyPem };
  }

  test("A, A and B, B: who listens goes along; who slept needs the cross-signed root", async () => {
    const b = await stepAuthorities("Next");
    const claims = { allowRenewalAfterExpiry: true };
    await using ca = await startStepCa({ claims });
    const awake = await enrolled(ca, "awake");
    const asleep = await enrolled(ca, "asleep");

    // stage 1: B is announced
    await ca.restart({ roots: [ca.root, b.root] });
    const bundle = await awake.issuer.trustBundle(signal);
    assert.deepEqual(
      certificatesOf(bundle).map((pem) => parseCertificate(pem).summary.subject),
      ["CN=Step Root", "CN=Next Root"],
    );

    // stage 2: B issues, and shows B's chain
    await ca.restart({ intermediate: b.intermediate });
    const renewed = await awake.issuer.renew(awake.own, signal);
    assert.equal(renewed.rootPem.trim(), b.root.certificatePem.trim());
    const lost = await failureOf(asleep.issuer.renew(asleep.own, signal));
    assert.deepEqual([lost.code, lost.reason], ["ERR_ISSUER_UNTRUSTED", "untrusted"]);

    // stage 2x: B's root signed by A comes along
    await ca.restart({ cross: [await crossSigned(b.root, ca.root)] });
    const reached = await asleep.issuer.renew(asleep.own, signal);
    assert.equal(reached.rootPem.trim(), ca.root.certificatePem.trim());
    assert.equal(certificatesOf(reached.chainPem).length, 3);
    await asleep.issuer.renew(expiredFor(ca, asleep.own, 1), signal);
    assert.equal(certificatesOf(await asleep.issuer.trustBundle(signal)).length, 2);

    // a new start knows what was learned, and another pin forgets it
    const options = { url: ca.url, rootSha256: sha256Of(ca.root.certificatePem) };
    const started = await issuerRig({ ...options, notes: awake.rig.notes });
    assert.equal(started.roots.certificates.length, 2);
    const other = await issuerRig({
      ...options,
      rootSha256: "ab".repeat(32),
      notes: awake.rig.notes,
    });
    assert.equal(other.roots.known, false);

    // stage 3: A is gone
    await ca.restart({ roots: [b.root], cross: [] });
    await new StepCaIssuer(started.parts).renew(
      { key: awake.own.key, chainPem: renewed.chainPem },
      signal,
    );
    const old = await failureOf(new StepCaIssuer(started.parts).renew(awake.own, signal));
    assert.deepEqual([old.reason, old.permanent], ["needs-enrolment", true]);
    const expired = await failureOf(
      new StepCaIssuer(started.parts).renew(expiredFor(ca, awake.own, 1), signal),
    );
    assert.deepEqual([expired.reason, expired.permanent], ["needs-enrolment", true]);
  });

  test("who renews learns what is announced, and goes on when it is not told", async () => {
    const b = await stepAuthorities("Next");
    await using ca = await startStepCa();
    const { rig, issuer, own } = await enrolled(ca, "a");
    const listening = withAnnouncedRoots(issuer);
    await ca.restart({ roots: [ca.root, b.root] });
    await listening.renew(own, signal);
    assert.deepEqual(rig.asked, ["GET /1.0/roots", "POST /1.0/renew +cert"]);
    assert.equal(rig.roots.certificates.length, 2);
    await ca.restart({ intermediate: b.intermediate });
    const { rootPem } = await listening.renew(own, signal);
    assert.equal(rootPem.trim(), b.root.certificatePem.trim());
    const deaf = withAnnouncedRoots({
      kind: "step-ca",
      enroll: (...args) => issuer.enroll(...args),
      renew: (...args) => issuer.renew(...args),
      rekey: (...args) => issuer.rekey(...args),
      trustBundle: async () => {
        throw new IssuerError("ERR_ISSUER_BUSY", { reason: "busy", words: "later" });
      },
    });
    await deaf.renew(own, signal);
    await ca.stop();
    rig.asked.length = 0;
    assert.equal((await failureOf(listening.renew(own, signal))).reason, "unreachable");
    assert.deepEqual(rig.asked, ["GET /1.0/roots"]);
    await ca.start();
  });

  test("another intermediate under the same root needs nothing of the device", async () => {
    await using ca = await startStepCa({ claims: { allowRenewalAfterExpiry: true } });
    const { issuer, own } = await enrolled(ca, "a");
    const nowMs = Date.now();
    const intermediate = await createAuthority({
      ...{ cn: "Second Intermediate", parent: ca.root, days: 30, nowMs, random: systemRandom },
      notBefore: nowMs - 365 * DAY_MS,
    });
    await ca.restart({ intermediate });
    const { chainPem } = await issuer.renew(own, signal);
    assert.equal(parseCertificate(chainPem).summary.issuer, "CN=Second Intermediate");
    await issuer.renew(expiredFor(ca, own, 1), signal);
    const [leafOnly = ""] = certificatesOf(own.chainPem);
    const error = await failureOf(
      issuer.renew({ key: openKey(own.key.tlsKey as string), chainPem: leafOnly }, signal),
    );
    assert.equal(error.reason, "needs-enrolment");
  });
});
