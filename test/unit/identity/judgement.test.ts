import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { suite, test } from "node:test";
import { judgementWords, judgePeer, type PeerEvidence } from "#src/identity/judgement.ts";
import { principalOf } from "#src/identity/peer-principal.ts";
import { formatMoment, formatSpan } from "#src/identity/span-words.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { testPki } from "../../fakes/certificates.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
const pki = await testPki("Test CA", NOW);
const good = parseCertificate((await pki.issue("peer")).certificatePem);
const koblitz = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
const unusual = parseCertificate((await pki.odd("x", { key: koblitz })).certificatePem);
const evidence: PeerEvidence = {
  nowMs: NOW,
  role: "client",
  verdict: { good: true, code: undefined },
  certificate: good,
  sent: [],
  bundle: parseTrustBundle(pki.caPem),
};

suite("common names that pose as others", () => {
  const names = [
    { cn: "admin\0.evil", why: "a NUL" },
    { cn: "admin\n", why: "a line end" },
    { cn: "\u202enimda", why: "right-to-left writing" },
    { cn: "admin\u009b", why: "a C1 control character" },
  ];
  for (const { cn, why } of names) {
    test(`${why} is refused`, async () => {
      const certificate = parseCertificate((await pki.issue(cn)).certificatePem);
      const { accepted, problems } = judgePeer({ ...evidence, certificate });
      assert.equal(accepted, false);
      assert.deepEqual(
        problems.map(({ cause }) => cause),
        ["malformed"],
      );
    });
  }
  test("any script is fine", async () => {
    const certificate = parseCertificate((await pki.issue("Grüße, 世界 😀")).certificatePem);
    assert.equal(judgePeer({ ...evidence, certificate }).accepted, true);
  });
});

suite("judgePeer", () => {
  test("accepts when everything is good", () =>
    assert.deepEqual(judgePeer(evidence), { accepted: true, problems: [] }));

  const refused: readonly { why: string; change: Partial<PeerEvidence>; words: string | RegExp }[] =
    [
      {
        why: "no certificate, even with a good verdict: resumed sessions have that",
        change: { certificate: undefined },
        words:
          /^no client certificate was sent; Go's client keeps back one that does not chain to "CN=Test CA"$/,
      },
      {
        why: "a verdict that Node has no name for, such as a name constraint",
        change: { verdict: { good: false, code: "UNSPECIFIED" } },
        words: /^client certificate breaks a rule of its chain: a name constraint/,
      },
      {
        why: "a bad verdict of no known code: acceptance never rests on the absence of a code",
        change: { verdict: { good: false, code: undefined } },
        words: "client certificate was refused by OpenSSL (no code)",
      },
      {
        why: "a bad verdict that our checks can't explain",
        change: { verdict: { good: false, code: "CERT_REVOKED" } },
        words: "client certificate was revoked",
      },
      {
        why: "a bad verdict of an unknown authority, although the bundle seems to have it",
        change: { verdict: { good: false, code: "SELF_SIGNED_CERT_IN_CHAIN" } },
        words: "client certificate does not chain to the trust bundle",
      },
      {
        why: "a good verdict and a certificate that has just expired by our clock",
        change: { nowMs: NOW + 30 * DAY + 1000 },
        words: /^client certificate expired 1 second ago/,
      },
      {
        why: "one millisecond before its time",
        change: { nowMs: NOW - 300_001 },
        words: /^client certificate is not yet valid: it begins in less than a second/,
      },
      {
        why: "a curve that is not on our list",
        change: { certificate: unusual },
        words: /curve secp256k1/,
      },
    ];
  for (const { why, change, words } of refused) {
    test(`refuses: ${why}`, () => {
      const { accepted, problems } = judgePeer({ ...evidence, ...change });
      assert.equal(accepted, false);
      const text = judgementWords("client", problems);
      if (typeof words === "string") assert.equal(text, words);
      else assert.match(text, words);
      assert.ok(problems.every(({ fix }) => fix !== ""));
    });
  }
  test("is good at both ends of its validity, inclusive", () => {
    for (const nowMs of [NOW - 300_000, NOW + 30 * DAY]) {
      assert.equal(judgePeer({ ...evidence, nowMs }).accepted, true);
    }
  });
});

test("an unverified principal has the one role, a verified one none yet", () => {
  const facts = { certificate: good, remote: "10.0.0.1:5", refusal: undefined };
  assert.deepEqual(principalOf({ ...facts, verified: true }).roles, []);
  const unverified = principalOf({ ...facts, verified: false, refusal: "x" });
  assert.deepEqual(
    [unverified.roles, unverified.cn, unverified.verified],
    [["unverified"], "peer", false],
  );
});

suite("words for time", () => {
  for (const [ms, words] of [
    [0, "less than a second"],
    [1000, "1 second"],
    [119_999, "1 minute"],
    [7_200_000, "2 hours"],
    [DAY * 3.9, "3 days"],
  ] as const) {
    test(`${ms} ms: ${words}`, () => assert.equal(formatSpan(ms), words));
  }
  test("a moment", () => assert.equal(formatMoment(NOW), "2026-06-01T00:00:00Z"));
});
