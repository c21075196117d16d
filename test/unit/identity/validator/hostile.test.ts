/**
 * Candidates that nobody should send: oversized, endless, woven into webs, or mutated at random. There is
 * always an answer, it is a reason, and it costs a bounded number of steps.
 */
import assert from "node:assert/strict";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { systemRandom } from "#src/host/random.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import type { HandshakeTrial } from "#src/identity/validator/candidate-report.ts";
import { findPaths, Issuers } from "#src/identity/validator/issuer-paths.ts";
import { timeTwin } from "#src/identity/validator/time-twin.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import {
  buildCertificate,
  certificatePem,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import { type Authority, createAuthority } from "#src/identity/x509/issue.ts";
import { testPki } from "../../../fakes/certificates.ts";
import { candidateOf, codes, DAY, judge, trial } from "./candidate-rig.ts";

const now = Date.now();
const pki = await testPki();
const good = await pki.issue("good");
const candidate = candidateOf(good, pki.caPem);

/** Nobody may ask OpenSSL about what is over the bounds. */
const noTrial: HandshakeTrial = {
  run: async () => assert.fail("a handshake was tried"),
};

suite("over the bounds: refused before anything is decoded", () => {
  const noise = (label: string, length: number): string =>
    `-----BEGIN ${label}-----\n${"A".repeat(length)}\n-----END ${label}-----\n`;
  const rows = [
    { why: "13 certificates", change: { chainPem: good.certificatePem.repeat(13) } },
    { why: "a chain of 64 KiB and more", change: { chainPem: "#".repeat(64 * 1024 + 1) } },
    { why: "one huge certificate", change: { chainPem: noise("CERTIFICATE", 30_000) } },
    { why: "257 authorities", change: { trustBundlePem: pki.caPem.repeat(257) } },
    { why: "a bundle of 512 KiB and more", change: { trustBundlePem: "#".repeat(512 * 1024 + 1) } },
  ];
  for (const { why, change } of rows) {
    test(why, async () => {
      const report = await judge({ ...candidate, ...change }, {}, noTrial);
      assert.deepEqual(codes(report), ["too-large"]);
      assert.equal(report.leaf, undefined);
    });
  }
  test("12 certificates and 256 authorities are not", async () => {
    const full = {
      ...candidate,
      chainPem: good.certificatePem.repeat(12),
      trustBundlePem: pki.caPem.repeat(256),
    };
    assert.deepEqual(codes(await judge(full)), []);
  });
  test("blocks that begin and never end cost one look each", async () => {
    const endless = Array.from({ length: 256 }, (_, n) =>
      `-----BEGIN A${n}-----\n`.padEnd(2040, "x"),
    );
    const report = await judge({ ...candidate, trustBundlePem: endless.join("") }, {}, noTrial);
    assert.deepEqual(codes(report), ["malformed"]);
    assert.match(report.reasons[0]?.words ?? "", /the trust bundle is cut off/);
  });
});

suite("keys that cost too much to compute with", () => {
  const rows = [
    { why: "RSA of 8200 bits", type: "long" },
    { why: "RSA with an exponent of 48 bits", type: "exponent" },
    { why: "DSA", type: "dsa" },
  ] as const;
  /** A real certificate with another key written into it; its signature is then nobody's. */
  const withKey = (der: Buffer, spki: Buffer): string => {
    const old = createPublicKey(good.keyPem).export({ type: "spki", format: "der" });
    const at = der.indexOf(old);
    assert.ok(at > 0);
    const inner = Buffer.concat([der.subarray(0, at), spki, der.subarray(at + old.length)]);
    // outer SEQUENCE and TBSCertificate, both with lengths of two octets
    const growth = spki.length - old.length;
    assert.deepEqual([inner[1], inner[5]], [0x82, 0x82]);
    inner.writeUInt16BE(inner.readUInt16BE(2) + growth, 2);
    inner.writeUInt16BE(inner.readUInt16BE(6) + growth, 6);
    return certificatePem(inner);
  };
  const rsa = (bytes: number, exponent: bigint) => {
    const n = Buffer.alloc(bytes, 0xa7).toString("base64url");
    const e = Buffer.from(exponent.toString(16).padStart(12, "0"), "hex").toString("base64url");
    return createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
  };
  const keys = {
    long: rsa(1025, 65537n),
    exponent: rsa(256, (1n << 47n) + 1n),
    dsa: generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }).publicKey,
  };
  for (const { why, type } of rows) {
    test(why, async () => {
      const spki = keys[type].export({ type: "spki", format: "der" });
      const pem = withKey(new X509Certificate(good.certificatePem).raw, spki);
      const chain = await judge({ ...candidate, chainPem: pem }, {}, noTrial);
      assert.deepEqual(codes(chain), ["weak-key"]);
      const bundle = await judge({ ...candidate, trustBundlePem: pki.caPem + pem }, {}, noTrial);
      assert.deepEqual(codes(bundle), ["weak-key"]);
    });
  }
});

suite("webs of authorities", () => {
  /** Each of `count` authorities is certified by each: ways without end. */
  async function web(count: number): Promise<string[]> {
    const random = systemRandom;
    const authorities: Authority[] = [];
    for (let n = 0; n < count; n++) {
      authorities.push(await createAuthority({ cn: `Web ${n}`, days: 9, nowMs: now, random }));
    }
    const crossed: string[] = [];
    for (const [n, subject] of authorities.entries()) {
      for (const [m, issuer] of authorities.entries()) {
        if (n === m) continue;
        const der = await buildCertificate({
          subjectCn: `Web ${n}`,
          serial: Uint8Array.of(1, n, m),
          notBefore: now - DAY,
          notAfter: now + DAY,
          publicKey: createPublicKey(subject.keyPem),
          signingKey: createPrivateKey(issuer.keyPem),
          issuerNameDer: await subjectNameDer(new X509Certificate(issuer.certificatePem).raw),
          basicConstraints: { ca: true },
          keyUsageBits: [5],
        });
        crossed.push(certificatePem(der));
      }
    }
    const leaf = await pki.issue("in the web", { authority: authorities[0] ?? pki.authority });
    return [leaf.certificatePem, ...crossed, leaf.keyPem];
  }

  test("the search ends, and the answer is that there is no way out", async () => {
    const [leaf = "", ...rest] = await web(4);
    const keyPem = rest.pop() ?? "";
    const report = await judge(
      candidateOf({ certificatePem: leaf, keyPem }, pki.caPem, rest.slice(0, 11)),
    );
    assert.ok(codes(report).includes("unknown-authority"), codes(report).join());
    const pool = [leaf, ...rest].map((pem) => parseCertificate(pem));
    const [first] = pool;
    assert.ok(first !== undefined);
    assert.deepEqual(findPaths(first, parseTrustBundle(pki.caPem), new Issuers(pool)), []);
  });
});

suite("twins", () => {
  const leaf = parseCertificate(good.certificatePem);
  const bundle = parseTrustBundle(pki.caPem);
  const issuers = new Issuers([leaf, ...bundle]);

  test("are the original but for dates, keys and signatures", () => {
    const { chainPem } = timeTwin({ sent: [leaf], bundle, issuers, at: "any" });
    const twin = parseCertificate(chainPem);
    assert.deepEqual(twin.names, leaf.names);
    assert.deepEqual(twin.extendedKeyUsages, leaf.extendedKeyUsages);
    assert.equal(twin.summary.serial, leaf.summary.serial);
    assert.equal(twin.summary.issuer, leaf.summary.issuer);
    assert.notEqual(twin.summary.fingerprint, leaf.summary.fingerprint);
    assert.equal(twin.publicKey.equals(leaf.publicKey), false);
  });
  const rows = [
    { why: "any", at: "any", verdict: undefined },
    { why: "now", at: now, verdict: undefined },
    { why: "before", at: now - DAY, verdict: "CERT_NOT_YET_VALID" },
    { why: "after", at: now + 40 * DAY, verdict: "CERT_HAS_EXPIRED" },
  ] as const;
  for (const { why, at, verdict } of rows) {
    test(`are judged at the moment that was chosen: ${why}`, async () => {
      const outcome = await trial.run(timeTwin({ sent: [leaf], bundle, issuers, at }));
      assert.deepEqual(outcome, { kind: "done", server: verdict, client: verdict });
    });
  }
  test("of a signature that nobody here made are signed by nobody", async () => {
    const stranger = parseCertificate((await (await testPki()).issue("x")).certificatePem);
    const issuers = new Issuers([stranger, ...bundle]);
    const outcome = await trial.run(timeTwin({ sent: [stranger], bundle, issuers, at: "any" }));
    assert.ok(outcome.kind === "done" && outcome.server !== undefined, JSON.stringify(outcome));
  });
});

test("certificates mutated at random: never anything but a reason, or the very same certificate", async () => {
  const der = new X509Certificate(good.certificatePem).raw;
  const root = new X509Certificate(pki.caPem).raw;
  const tally = { accepted: 0, refused: 0 };
  const mutation = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("flip", "set", "cut", "drop", "double"),
    value: fc.integer({ min: 0, max: 255 }),
  });
  const mutate = (bytes: Buffer, list: readonly { at: number; kind: string; value: number }[]) => {
    let mutated = Buffer.from(bytes);
    for (const { at, kind, value } of list) {
      const position = at % Math.max(1, mutated.length);
      const [head, tail] = [mutated.subarray(0, position), mutated.subarray(position)];
      if (kind === "flip") mutated[position] = (mutated[position] ?? 0) ^ (1 << (value & 7));
      else if (kind === "set") mutated[position] = value;
      else if (kind === "cut") mutated = Buffer.from(head);
      else if (kind === "drop") mutated = Buffer.concat([head, tail.subarray(1 + (value & 7))]);
      else mutated = Buffer.concat([head, tail.subarray(0, value), tail]);
    }
    return mutated;
  };
  const property = fc.asyncProperty(
    fc.array(mutation, { minLength: 1, maxLength: 4 }),
    fc.boolean(),
    async (list, hitRoot) => {
      const changed = mutate(hitRoot ? root : der, list);
      const report = await judge({
        ...candidate,
        ...(hitRoot
          ? { trustBundlePem: certificatePem(changed) }
          : { chainPem: certificatePem(changed) }),
      });
      const same = changed.equals(hitRoot ? root : der);
      if (report.reasons.length === 0) tally.accepted += 1;
      else tally.refused += 1;
      // A root's signature is not used, so a change there may pass; one of the leaf never does.
      if (!hitRoot && !same) assert.notDeepEqual(report.reasons, []);
      assert.ok(
        report.reasons.every(({ code, words, fix }) => code !== "" && words !== "" && fix !== ""),
      );
    },
  );
  await fc.assert(property, { numRuns: 600 });
  assert.ok(tally.refused > 300, `${tally.refused} refused`);
});
