import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import type { AgentError } from "#src/base/errors.ts";
import { systemRandom } from "#src/host/random.ts";
import { sealKey, unsealKey } from "#src/identity/keys/sealed-envelope.ts";

const sealingKey = systemRandom.bytes(32);
const pkcs8 = systemRandom.bytes(138);
const spkiSha256 = createHash("sha256").update("one").digest("hex");
const other = createHash("sha256").update("other").digest("hex");
const sealed = sealKey({ pkcs8, spkiSha256 }, sealingKey, systemRandom);

function codeOf(bytes: Uint8Array, digest = spkiSha256, key = sealingKey): [string, string] {
  try {
    unsealKey(bytes, digest, key);
    return ["opened", ""];
  } catch (thrown) {
    const { code, message } = thrown as AgentError;
    return [code, message];
  }
}

/** With the checksum made good again, as a forger would. */
function rechecked(bytes: Uint8Array): Uint8Array {
  const body = bytes.subarray(0, -8);
  return Buffer.concat([body, createHash("sha256").update(body).digest().subarray(0, 8)]);
}

suite("sealed envelope", () => {
  test("what was sealed opens, and is not in the sealed form", () => {
    assert.deepEqual(unsealKey(sealed, spkiSha256, sealingKey), Buffer.from(pkcs8));
    assert.equal(Buffer.from(sealed).includes(Buffer.from(pkcs8.subarray(0, 16))), false);
  });

  test("the same key is sealed differently each time", () =>
    assert.notDeepEqual(sealKey({ pkcs8, spkiSha256 }, sealingKey, systemRandom), sealed));

  test("one flipped bit, anywhere, is damage", () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Uint8Array.from(sealed);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(codeOf(flipped)[0], "ERR_KEY_DAMAGED", `bit ${bit}`);
    }
  });

  test("cut off anywhere, or longer, is damage", () => {
    for (let length = 0; length < sealed.length; length++) {
      assert.equal(codeOf(sealed.subarray(0, length))[0], "ERR_KEY_DAMAGED", `${length} bytes`);
    }
    assert.equal(codeOf(Buffer.concat([sealed, Buffer.of(0)]))[0], "ERR_KEY_DAMAGED");
    assert.equal(codeOf(Buffer.alloc(100_000))[0], "ERR_KEY_DAMAGED");
  });

  test("a forged octet with a good checksum is told from wear", () => {
    for (let at = 9; at < sealed.length - 8; at++) {
      const forged = Uint8Array.from(sealed);
      forged[at] = (forged[at] ?? 0) ^ 0x40;
      const [code, message] = codeOf(rechecked(forged));
      assert.equal(code, "ERR_KEY_DAMAGED", `octet ${at}`);
      assert.match(message, /forged/);
    }
  });

  const rows: readonly [
    why: string,
    bytes: Uint8Array,
    digest: string,
    key: Uint8Array,
    code: string,
    words: RegExp,
  ][] = [
    [
      "another sealing key",
      sealed,
      spkiSha256,
      systemRandom.bytes(32),
      "ERR_KEY_SEALING_WRONG",
      /another sealing key/,
    ],
    [
      "under another key's reference",
      sealed,
      other,
      sealingKey,
      "ERR_KEY_DAMAGED",
      /another public key/,
    ],
    [
      "a later version",
      rechecked(Buffer.concat([Buffer.of(2), sealed.subarray(1)])),
      spkiSha256,
      sealingKey,
      "ERR_KEY_DAMAGED",
      /version 2/,
    ],
  ];
  for (const [why, bytes, digest, key, code, words] of rows) {
    test(why, () => {
      const [found, message] = codeOf(bytes, digest, key);
      assert.equal(found, code);
      assert.match(message, words);
    });
  }
});
