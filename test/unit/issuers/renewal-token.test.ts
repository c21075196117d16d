import assert from "node:assert/strict";
import { verify } from "node:crypto";
import { suite, test } from "node:test";
import { element, integer, sequence } from "#src/identity/exchange/der-writer.ts";
import type { TimeState } from "#src/identity/time/time-view.ts";
import { joseSignature, makeRenewalToken } from "#src/issuers/renewal-token.ts";
import { testPki } from "../../fakes/certificates.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { failureOf, openKey, trustedView } from "../../fakes/issuer-rig.ts";

const url = new URL("https://ca.test:9000");

suite("the token of a renewal after expiry", () => {
  const STATES: readonly { state: TimeState; dated: boolean }[] = [
    { state: "unknown", dated: false },
    { state: "floor", dated: false },
    { state: "network", dated: true },
    { state: "authenticated", dated: true },
  ];
  for (const { state, dated } of STATES) {
    test(`time ${state}: ${dated ? "short-lived" : "without dates, which would only make it fail"}`, async () => {
      const pki = await testPki();
      const { certificatePem, keyPem } = await pki.issue("roof-7");
      const key = openKey(keyPem);
      const time = { ...trustedView(1_795_000_000_000), state };
      const parts = { url, random: new FakeRandom(1), time };
      const token = await makeRenewalToken({ key, chainPem: certificatePem + pki.caPem }, parts);
      const [head = "", body = "", signature = ""] = token.split(".");
      const header = JSON.parse(Buffer.from(head, "base64url").toString());
      const claims = JSON.parse(Buffer.from(body, "base64url").toString());
      assert.equal(header.alg, "ES256");
      assert.equal(header.x5cInsecure.length, 2);
      assert.deepEqual(
        [claims.iss, claims.aud, claims.sub],
        ["step-ca-client/1.0", "https://ca.test/1.0/renew", "roof-7"],
      );
      assert.match(claims.jti, /^[0-9a-f]{32}$/);
      assert.deepEqual(
        [claims.iat, claims.exp],
        dated ? [1_795_000_000, 1_795_000_300] : [undefined, undefined],
      );
      const raw = { key: key.publicKey, dsaEncoding: "ieee-p1363" } as const;
      assert.ok(
        verify("sha256", Buffer.from(`${head}.${body}`), raw, Buffer.from(signature, "base64url")),
      );
      assert.notEqual(await makeRenewalToken({ key, chainPem: certificatePem }, parts), token);
    });
  }

  test("no common name, no token", async () => {
    const pki = await testPki();
    const { certificatePem, keyPem } = await pki.odd("", { sans: { dns: ["x.test"] } });
    const parts = { url, random: new FakeRandom(1), time: trustedView() };
    const attempt = makeRenewalToken({ key: openKey(keyPem), chainPem: certificatePem }, parts);
    assert.equal((await failureOf(attempt)).reason, "unsupported");
  });

  const ECDSA: readonly { why: string; r: number; first: number }[] = [
    { why: "a short number is filled up", r: 5, first: 0 },
    { why: "a long one keeps its place", r: 2 ** 40, first: 0 },
  ];
  for (const { why, r, first } of ECDSA) {
    test(`ECDSA signatures: ${why}`, () => {
      const raw = Buffer.from(joseSignature("ecdsa-p256", sequence(integer(r), integer(7))));
      assert.equal(raw.length, 64);
      assert.equal(raw[0], first);
      assert.equal(Number(raw.subarray(0, 32).readBigUInt64BE(24)), r);
      assert.equal(raw[63], 7);
    });
  }

  test("ECDSA signatures: a number with the top bit has a zero before it in DER, and none here", () => {
    const high = Buffer.alloc(33, 0xff);
    high[0] = 0;
    const raw = joseSignature("ecdsa-p256", sequence(element(0x02, high), integer(1)));
    assert.equal(raw.length, 64);
    assert.equal(raw[0], 0xff);
  });

  test("others go as they are", () => {
    const bytes = Buffer.alloc(64, 9);
    assert.equal(joseSignature("ed25519", bytes), bytes);
    assert.equal(joseSignature("rsa", bytes), bytes);
  });
});
