/** Trust updates that OpenSSL signed by the description in docs/rotation.md: read, verified, made again. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { openFleetKey } from "#src/identity/fleet-signing-key.ts";
import { parseFleetKey } from "#src/identity/time/time-statement.ts";
import {
  bundleDigest,
  formatTrustUpdate,
  parseTrustUpdates,
  signTrustUpdate,
  trustUpdateBytes,
  verifyTrustUpdate,
} from "#src/rotation/trust-update.ts";
import { run } from "../../fakes/child.ts";

interface Vectors {
  readonly privateKey: string;
  readonly key: string;
  readonly keyId: string;
  readonly from: string;
  readonly fromDigest: string;
  readonly updates: readonly { readonly signed: string; readonly travels: string }[];
}

const vectors: Vectors = JSON.parse(readFileSync("test/vectors/trust/updates.json", "utf8"));

suite("trust updates, by the vectors", () => {
  test("the key, and the digest of a bundle", async () => {
    const signer = await openFleetKey(vectors.privateKey, undefined);
    assert.equal(signer.text, vectors.key);
    assert.equal(signer.key.id, vectors.keyId);
    assert.equal(bundleDigest(vectors.from), vectors.fromDigest);
  });

  for (const [at, { signed, travels }] of vectors.updates.entries()) {
    test(`update ${at + 1} says what was signed, and verifies`, () => {
      const [update] = parseTrustUpdates(travels);
      assert.ok(update !== undefined);
      assert.equal(new TextDecoder().decode(trustUpdateBytes(update)), signed);
      const keys = [parseFleetKey(vectors.key)];
      assert.equal(verifyTrustUpdate(update, keys), "good");
      for (const changed of [
        { ...update, sequence: update.sequence + 1 },
        { ...update, device: "spiffe://fleet.example/device/other" },
        { ...update, notAfter: update.notAfter + 1 },
        { ...update, previous: "0".repeat(64) },
        { ...update, bundle: vectors.from },
      ]) {
        assert.equal(verifyTrustUpdate(changed, keys), "bad-signature");
      }
    });

    test(`update ${at + 1} signed here is the same to the byte`, async () => {
      const [update] = parseTrustUpdates(travels);
      assert.ok(update !== undefined);
      const { key, signature, ...unsigned } = update;
      const again = signTrustUpdate(unsigned, await openFleetKey(vectors.privateKey, undefined));
      assert.deepEqual(Buffer.from(again.signature), Buffer.from(signature));
      assert.equal(again.key, key);
      assert.equal(formatTrustUpdate(again), travels);
    });
  }
});

suite("trust updates that no device could keep", () => {
  test("a bundle of more bytes than a note of the store takes is refused before anything is done", () => {
    const travels = JSON.parse(vectors.updates[0]?.travels ?? "") as { bundle: string };
    // What stands around the certificates is not signed: whoever carries the file may add to it.
    const bundle = `${travels.bundle}${"# padding\n".repeat(6_000)}`;
    assert.throws(() => parseTrustUpdates(JSON.stringify({ ...travels, bundle })), {
      code: "ERR_TRUST_UPDATE",
      message: /line 1: "bundle" has \d+ bytes; a device takes 61440/,
    });
  });

  test("a megabyte of short lines fits into the heap of a small device, and is refused", async () => {
    const { code, stderr } = await run([
      process.execPath,
      ...["--max-old-space-size=24", "--input-type=module", "--eval"],
      `import { parseTrustUpdates } from "#src/rotation/trust-update.ts";
       for (const line of ["{}\\n", "\\n", " \\n"]) {
         try {
           parseTrustUpdates(line.repeat(1048576 / line.length | 0));
         } catch (error) {
           if (error.code !== "ERR_TRUST_UPDATE") throw error;
         }
       }`,
    ]);
    assert.equal(code, 0, stderr.slice(0, 400));
  });
});
