import assert from "node:assert/strict";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from "node:crypto";
import { suite, test } from "node:test";
import { systemRandom } from "#src/host/random.ts";
import { materialDigest } from "#src/identity/material-digest.ts";
import { splitPem } from "#src/identity/pem.ts";
import type { CandidateContext } from "#src/identity/validator/candidate-report.ts";
import {
  buildCertificate,
  certificatePem,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import { createAuthority, type Issued } from "#src/identity/x509/issue.ts";
import { type OddParts, testPki } from "../../../fakes/certificates.ts";
import { candidateOf, codes, DAY, judge, warnings } from "./candidate-rig.ts";

const now = Date.now();
const pki = await testPki();
const other = await testPki("Other CA");
const namesake = await testPki();
const good = await pki.issue("good");

const PAST = { notBefore: now - 9 * DAY, notAfter: now - 3 * DAY };
const TO_COME = { notBefore: now + 2 * DAY, notAfter: now + 9 * DAY };
const rsa1024 = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
const koblitz = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
const odd = (parts: OddParts): Promise<Issued> => pki.odd("odd", parts);
const serverOnly: Partial<CandidateContext> = { roles: ["server"] };

const REFUSED: readonly {
  why: string;
  leaf: Promise<Issued>;
  /** All of them, in order. */
  codes: readonly string[];
  words: RegExp;
  context?: Partial<CandidateContext>;
}[] = [
  {
    why: "expired",
    leaf: pki.issue("x", PAST),
    codes: ["expired"],
    words: /the certificate expired 3 days ago/,
  },
  {
    why: "not yet valid",
    leaf: pki.issue("x", TO_COME),
    codes: ["not-yet-valid"],
    words: /is not yet valid: it begins in \d/,
  },
  {
    why: "of another authority",
    leaf: other.issue("x"),
    codes: ["unknown-authority"],
    words: /unknown authority: "CN=Other CA" is not in the trust bundle/,
  },
  {
    why: "of an authority of the same name with another key",
    leaf: namesake.issue("x"),
    codes: ["unknown-authority"],
    words: /has another key \(mixed CAs\)/,
  },
  {
    why: "not yet valid and of another authority: OpenSSL says the date only",
    leaf: other.issue("x", TO_COME),
    codes: ["not-yet-valid", "unknown-authority"],
    words: /unknown authority/,
  },
  {
    why: "expired, for clients only, and of another authority, all at once",
    leaf: other.issue("x", { ...PAST, usages: ["client"] }),
    codes: ["expired", "wrong-purpose", "unknown-authority"],
    words: /lacks serverAuth/,
  },
  {
    why: "self-signed",
    leaf: odd({ selfSigned: true }),
    codes: ["unknown-authority"],
    words: /self-signed/,
  },
  {
    why: "for servers only: a device is both",
    leaf: pki.issue("x", { usages: ["server"] }),
    codes: ["wrong-purpose"],
    words: /lacks clientAuth/,
  },
  {
    why: "for clients only",
    leaf: pki.issue("x", { usages: ["client"] }),
    codes: ["wrong-purpose"],
    words: /lacks serverAuth/,
  },
  {
    why: "not for signing",
    leaf: odd({ keyUsageBits: [4] }),
    codes: ["wrong-purpose"],
    words: /lacks digitalSignature/,
  },
  {
    why: "for signing certificates, without being an authority",
    leaf: odd({ keyUsageBits: [0, 5] }),
    codes: ["malformed"],
    words: /keyCertSign/,
  },
  {
    why: "an authority's own",
    leaf: odd({ basicConstraints: { ca: true }, keyUsageBits: [0, 5] }),
    codes: ["is-authority"],
    words: /is an authority's/,
  },
  {
    why: "RSA of 1024 bits",
    leaf: odd({ key: rsa1024 }),
    codes: ["weak-key", "unusable"],
    words: /RSA key of 1024 bits/,
  },
  {
    why: "an unusual curve",
    leaf: odd({ key: koblitz }),
    codes: ["weak-key", "handshake"],
    words: /curve secp256k1/,
  },
  {
    why: "signed with SHA-1",
    leaf: odd({ digest: "sha1" }),
    codes: ["weak-signature", "chain"],
    words: /SHA-1/,
  },
  {
    why: "version 1: without extensions there are no names and no purposes",
    leaf: odd({ version: 1 }),
    codes: ["malformed"],
    words: /is X\.509 version 1, not 3/,
  },
  {
    why: "serial number 0",
    leaf: odd({ serial: Uint8Array.of(0) }),
    codes: ["serial"],
    words: /serial number 0/,
  },
  {
    why: "a negative serial number",
    leaf: odd({ serial: Uint8Array.of(0x80, 1) }),
    codes: ["serial"],
    words: /negative/,
  },
  {
    why: "a serial number of 21 octets",
    leaf: odd({ serial: new Uint8Array(21).fill(0x11) }),
    codes: ["serial"],
    words: /21 octets/,
  },
  {
    why: "a SPIFFE ID beside another URI",
    leaf: pki.issue("x", { sans: { uri: ["spiffe://a.example/x", "https://b.example"] } }),
    codes: ["spiffe-id"],
    words: /must be the only one/,
  },
  {
    why: "a SPIFFE ID that is none",
    leaf: pki.issue("x", { sans: { uri: ["spiffe://A.example/../x"] } }),
    codes: ["spiffe-id"],
    words: /ill-formed SPIFFE ID/,
  },
  {
    why: "an embedded wildcard",
    leaf: pki.issue("x", { sans: { dns: ["w*.example.com"] } }),
    codes: ["malformed"],
    words: /wildcard that names nobody \("w\*\.example\.com"\)/,
  },
  {
    why: "a wildcard for a whole top domain",
    leaf: pki.issue("x", { sans: { dns: ["*.com"] } }),
    codes: ["malformed"],
    words: /wildcard that names nobody/,
  },
  {
    why: "a common name with a NUL",
    leaf: pki.issue("admin\0.evil"),
    codes: ["malformed"],
    words: /control characters/,
  },
  {
    why: "the name of a host only as common name",
    leaf: pki.odd("gw.example", { sans: {} }),
    codes: ["name-mismatch"],
    words: /no DNS or IP SAN at all/,
    context: { expected: { hosts: ["gw.example"] } },
  },
  {
    why: "another host than expected",
    leaf: pki.issue("x"),
    codes: ["name-mismatch"],
    words: /does not name "10\.0\.0\.9"/,
    context: { expected: { hosts: ["localhost", "10.0.0.9"] } },
  },
  {
    why: "another SPIFFE ID than configured",
    leaf: pki.issue("x", { sans: { uri: ["spiffe://a.example/other"] } }),
    codes: ["other-identity"],
    words:
      /is for "spiffe:\/\/a\.example\/other", but this device is configured as "spiffe:\/\/a\.example\/me"/,
    context: { expected: { spiffeId: "spiffe://a.example/me" } },
  },
  {
    why: "no SPIFFE ID where one is configured",
    leaf: pki.issue("x"),
    codes: ["other-identity"],
    words: /is for no SPIFFE ID/,
    context: { expected: { spiffeId: "spiffe://a.example/me" } },
  },
];

suite("a candidate is refused", () => {
  for (const { why, leaf, codes: expected, words, context } of REFUSED) {
    test(why, async () => {
      const issued = await leaf;
      const report = await judge(candidateOf(issued, pki.caPem), context);
      assert.deepEqual(codes(report), expected);
      assert.match(report.reasons.map((reason) => reason.words).join("\n"), words);
      assert.ok(report.reasons.every(({ fix }) => fix !== ""));
      assert.equal(report.material, undefined);
      assert.equal(
        report.leaf?.x509.raw.equals(new X509Certificate(issued.certificatePem).raw),
        true,
      );
    });
  }
});

suite("a key that does not belong", () => {
  test("is named once, whoever notices", async () => {
    const { keyPem } = await pki.issue("somebody else");
    const report = await judge({ ...candidateOf(good, pki.caPem), tlsKey: keyPem });
    assert.deepEqual(codes(report), ["key-mismatch"]);
  });
  test("is noticed by the public key alone", async () => {
    const { publicKey } = candidateOf(await pki.issue("somebody else"), pki.caPem);
    const report = await judge({ ...candidateOf(good, pki.caPem), publicKey });
    assert.deepEqual(codes(report), ["key-mismatch"]);
  });
  test("hides nothing else", async () => {
    const candidate = candidateOf(await other.issue("x", PAST), pki.caPem);
    const report = await judge({ ...candidate, tlsKey: good.keyPem });
    assert.deepEqual(codes(report), ["expired", "unknown-authority", "key-mismatch"]);
  });
});

suite("chains", () => {
  const middle = pki.intermediate("Middle");
  const leaf = middle.then((authority) => pki.issue("x", { authority }));

  test("in any order, with root and strangers: put in order, the root stays at home", async () => {
    const { certificatePem: above } = await middle;
    const stranger = (await other.intermediate("Stranger")).certificatePem;
    const candidate = candidateOf(await leaf, pki.caPem);
    const shuffled = [pki.caPem, stranger, above, candidate.chainPem].join("# comment\n");
    const report = await judge({ ...candidate, chainPem: shuffled });
    assert.deepEqual(report.reasons, []);
    const sent = splitPem(report.material?.chainPem ?? "").map(
      ({ text }) => new X509Certificate(text),
    );
    assert.deepEqual(
      sent.map(({ subject }) => subject),
      ["CN=x", "CN=Middle"],
    );
    assert.equal(
      report.material?.digest,
      materialDigest(report.material ?? { chainPem: "", trustBundlePem: "" }),
    );
    assert.equal(report.material?.key, candidate.tlsKey);
    assert.deepEqual(warnings(report), ["chain-extra"]);
  });
  test("an intermediate that is also in the bundle is sent all the same", async () => {
    const { certificatePem: above } = await middle;
    const report = await judge(candidateOf(await leaf, pki.caPem + above, [above]));
    assert.equal(splitPem(report.material?.chainPem ?? "").length, 2);
  });
  test("an intermediate that is only in the bundle is not added to the chain", async () => {
    const { certificatePem: above } = await middle;
    const report = await judge(candidateOf(await leaf, pki.caPem + above));
    assert.deepEqual(report.reasons, []);
    assert.equal(splitPem(report.material?.chainPem ?? "").length, 1);
  });
  test("without the intermediate there is no way to a root", async () => {
    const report = await judge(candidateOf(await leaf, pki.caPem));
    assert.deepEqual(codes(report), ["unknown-authority"]);
    assert.match(report.reasons[0]?.words ?? "", /"CN=Middle" is not in the trust bundle/);
  });
  test("an authority that has expired is named, beside what the leaf lacks", async () => {
    const old = await createAuthority({
      cn: "Old",
      parent: pki.authority,
      days: 1,
      nowMs: now,
      random: systemRandom,
      ...PAST,
    });
    const issued = await pki.issue("x", { authority: old, usages: ["client"] });
    const report = await judge(candidateOf(issued, pki.caPem, [old.certificatePem]));
    assert.deepEqual(codes(report), ["wrong-purpose", "authority-expired"]);
    assert.match(report.reasons[1]?.words ?? "", /"CN=Old" in its chain expired 3 days ago/);
  });
  test("an issuer that is no authority is called that, not a stranger", async () => {
    const issuer = await pki.issue("no authority");
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const der = await buildCertificate({
      subjectCn: "forged",
      serial: Uint8Array.of(7),
      notBefore: now - DAY,
      notAfter: now + DAY,
      publicKey: createPublicKey(key),
      signingKey: createPrivateKey(issuer.keyPem),
      issuerNameDer: await subjectNameDer(new X509Certificate(issuer.certificatePem).raw),
      keyUsageBits: [0],
      sans: { dns: ["forged.example"] },
    });
    const forged = {
      certificatePem: certificatePem(der),
      keyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    };
    const report = await judge(candidateOf(forged, pki.caPem, [issuer.certificatePem]));
    assert.deepEqual(codes(report), ["authority-not-authority", "chain"]);
    assert.match(
      report.reasons[0]?.words ?? "",
      /"CN=no authority" in its chain is not an authority/,
    );
  });
  test("more authorities than allowed", async () => {
    const { certificatePem: above } = await middle;
    const candidate = candidateOf(await leaf, pki.caPem, [above]);
    assert.deepEqual(codes(await judge(candidate, { maxIntermediates: 0 })), ["chain-length"]);
    assert.deepEqual(codes(await judge(candidate, { maxIntermediates: 1 })), []);
  });
  test("a role that is not asked for does not count", async () => {
    const candidate = candidateOf(await pki.issue("x", { usages: ["server"] }), pki.caPem);
    assert.deepEqual(codes(await judge(candidate, serverOnly)), []);
  });
});

suite("texts that are none", () => {
  const candidate = candidateOf(good, pki.caPem);
  const rows = [
    { why: "no chain", change: { chainPem: "" }, codes: ["no-certificate"] },
    { why: "a key for a chain", change: { chainPem: good.keyPem }, codes: ["no-certificate"] },
    {
      why: "a chain that is cut off",
      change: { chainPem: good.certificatePem.slice(0, -40) },
      codes: ["malformed"],
    },
    {
      why: "a certificate of noise",
      change: { chainPem: good.certificatePem.replace(/\n[A-Za-z0-9+/]{64}\n/, "\nAAAA\n") },
      codes: ["malformed"],
    },
    { why: "no bundle", change: { trustBundlePem: "" }, codes: ["bundle-malformed"] },
    {
      why: "a bundle without an authority",
      change: { trustBundlePem: good.certificatePem },
      codes: ["bundle-malformed"],
    },
    {
      why: "both wrong: both are named",
      change: { chainPem: "", trustBundlePem: "" },
      codes: ["no-certificate", "bundle-malformed"],
    },
  ];
  for (const { why, change, codes: expected } of rows) {
    test(why, async () => {
      const report = await judge({ ...candidate, ...change });
      assert.deepEqual(codes(report), expected);
      assert.doesNotMatch(JSON.stringify(report.reasons), /PRIVATE KEY|MII/);
    });
  }
});
