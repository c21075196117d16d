/**
 * Candidates that nobody should send: oversized, endless, woven into webs, or mutated at random. There is
 * always an answer, it is a reason, and it costs a bounded number of steps.
 */
import assert from "node:assert/strict";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  X509Certificate,
} from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { systemRandom } from "#src/host/random.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import type { CandidateReport, HandshakeTrial } from "#src/identity/validator/candidate-report.ts";
import { findPaths, Issuers } from "#src/identity/validator/issuer-paths.ts";
import { timeTwin } from "#src/identity/validator/time-twin.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import {
  buildCertificate,
  certificatePem,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import { readElements, readOne } from "#src/identity/x509/der.ts";
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

test("a date that is none makes a certificate that is none: it would never be over", async () => {
  const der = Buffer.from(new X509Certificate(good.certificatePem).raw);
  const dates = der.indexOf(Buffer.from("301e170d", "hex"));
  assert.ok(dates > 0);
  der.write("99", dates + 6, "latin1"); // the month
  const pem = certificatePem(der);
  assert.throws(() => parseCertificate(pem), /its dates can't be read/);
  for (const change of [{ chainPem: pem }, { trustBundlePem: pki.caPem + pem }]) {
    const report = await judge({ ...candidate, ...change }, {}, noTrial);
    assert.match(report.reasons[0]?.words ?? "", /can't be read: .*its dates/);
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

interface Mutation {
  readonly at: number;
  readonly kind: "flip" | "set" | "cut" | "drop" | "double";
  readonly value: number;
}

const mutations = (kinds: readonly Mutation["kind"][]) =>
  fc.array(
    fc.record({
      at: fc.nat(),
      kind: fc.constantFrom(...kinds),
      value: fc.integer({ min: 0, max: 255 }),
    }),
    { minLength: 1, maxLength: 4 },
  );

function mutate(bytes: Uint8Array, list: readonly Mutation[]): Buffer {
  let mutated = Buffer.from(bytes);
  for (const { at, kind, value } of list) {
    const position = at % Math.max(1, mutated.length);
    const [before, after] = [mutated.subarray(0, position), mutated.subarray(position)];
    if (kind === "flip") mutated[position] = (mutated[position] ?? 0) ^ (1 << (value & 7));
    else if (kind === "set") mutated[position] = value;
    else if (kind === "cut") mutated = Buffer.from(before);
    else if (kind === "drop") mutated = Buffer.concat([before, after.subarray(1 + (value & 7))]);
    else mutated = Buffer.concat([before, after.subarray(0, value), after]);
  }
  return mutated;
}

suite("certificates mutated at random: never anything but a reason", () => {
  const der = new X509Certificate(good.certificatePem).raw;
  const root = new X509Certificate(pki.caPem).raw;

  test("broken anywhere: one of the leaf never passes", async () => {
    const tally = { accepted: 0, refused: 0 };
    const list = mutations(["flip", "set", "cut", "drop", "double"]);
    const property = fc.asyncProperty(list, fc.boolean(), async (changes, hitRoot) => {
      const original = hitRoot ? root : der;
      const changed = mutate(original, changes);
      const pem = certificatePem(changed);
      const report = await judge({
        ...candidate,
        ...(hitRoot ? { trustBundlePem: pem } : { chainPem: pem }),
      });
      if (report.reasons.length === 0) tally.accepted += 1;
      else tally.refused += 1;
      // A root's signature is not used, so a change there may pass.
      if (!hitRoot && !changed.equals(original)) assert.notDeepEqual(report.reasons, []);
      assertReasons(report);
    });
    await fc.assert(property, { numRuns: 600 });
    assert.ok(tally.refused > 300, `${tally.refused} refused`);
  });

  test("broken in an extension, and signed again by the authority: what only our rules read", async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(
      fc.constantFrom(...Object.values(EXTENSIONS)),
      fc.boolean(),
      mutations(["flip", "set"]),
      async ({ oid, value, hits }, critical, changes) => {
        const authority = hits === "authority";
        const extension = { oid, critical, value: mutate(value, changes) };
        const issuing = authority ? resign(root, extension) : root;
        const leaf = authority ? der : resign(der, extension);
        const report = await judge({
          ...candidate,
          chainPem: certificatePem(leaf),
          trustBundlePem: certificatePem(issuing),
        });
        for (const code of codes(report)) seen.add(code);
        assertReasons(report);
      },
    );
    await fc.assert(property, { numRuns: 400 });
    for (const code of ["malformed", "authority-malformed", "criticality"]) {
      assert.ok(seen.has(code), `${code} among ${[...seen].join(", ")}`);
    }
  });
});

function assertReasons({ reasons }: CandidateReport): void {
  assert.ok(reasons.every(({ code, words, fix }) => code !== "" && words !== "" && fix !== ""));
}

/** Values that are good, of the extensions that our rules read themselves. */
const EXTENSIONS = {
  constraints: {
    oid: "0603551d1e",
    value: Buffer.from("3011a00f300d820b6578616d706c652e636f6d", "hex"),
    hits: "authority",
  },
  leafAccess: {
    oid: "06082b06010505070101",
    value: Buffer.from("3013301106082b060105050730018605613a2f2f62", "hex"),
    hits: "leaf",
  },
  authorityAccess: {
    oid: "06082b06010505070101",
    value: Buffer.from("3013301106082b060105050730018605613a2f2f62", "hex"),
    hits: "authority",
  },
} as const;

interface OddExtension {
  /** DER, hexadecimal. */
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** The certificate with one more extension, signed again with the key of the test authority. */
function resign(der: Uint8Array, { oid, critical, value }: OddExtension): Buffer {
  const [tbs, algorithm] = readElements(readOne(der, 0x30));
  assert.ok(tbs !== undefined && algorithm !== undefined);
  const fields = readElements(tbs.content).map(({ tag, content }) => {
    if (tag !== 0xa3) return element(tag, content);
    const extra = element(
      0x30,
      Buffer.from(oid, "hex"),
      ...(critical ? [Buffer.from("0101ff", "hex")] : []),
      element(0x04, value),
    );
    return element(tag, element(0x30, readOne(content, 0x30), extra));
  });
  const inner = element(0x30, ...fields);
  const signature = sign("sha256", inner, createPrivateKey(pki.authority.keyPem));
  return element(
    0x30,
    inner,
    element(0x30, algorithm.content),
    element(0x03, Uint8Array.of(0), signature),
  );
}

function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.set([tag, 0x82]);
  if (content.length < 0x80) return Buffer.concat([Uint8Array.of(tag, content.length), content]);
  if (content.length < 0x100) {
    return Buffer.concat([Uint8Array.of(tag, 0x81, content.length), content]);
  }
  length.writeUInt16BE(content.length, 2);
  return Buffer.concat([length, content]);
}
