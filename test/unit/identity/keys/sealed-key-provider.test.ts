import assert from "node:assert/strict";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  verify,
} from "node:crypto";
import { before, suite, test } from "node:test";
import { createSecureContext } from "node:tls";
import { isAgentError } from "#src/base/errors.ts";
import { systemRandom } from "#src/host/random.ts";
import type { CreatableAlgorithm } from "#src/identity/keys/key-provider.ts";
import { SealedKeyProvider, spkiSha256 } from "#src/identity/keys/sealed-key-provider.ts";
import { FixedSealingKey, sealedKeys } from "../../../fakes/sealing-key.ts";

const pem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();
const ec = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).privateKey;
const rsa = (bits: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync("rsa", { modulusLength: bits, publicExponent }).privateKey;
const sample = Buffer.from("what is signed");

suite("sealed keys", () => {
  for (const [algorithm, digest] of [
    ["ecdsa-p256", "sha256"],
    ["ecdsa-p384", "sha384"],
    ["ed25519", null],
  ] as const) {
    test(`${algorithm}: created, opened again, signs, and serves TLS`, async () => {
      const keys = sealedKeys();
      const reference = await keys.create(algorithm);
      assert.equal(reference.provider, "sealed");
      assert.equal(reference.algorithm, algorithm);
      const key = await keys.open(JSON.parse(JSON.stringify(reference)));
      assert.equal(spkiSha256(key.publicKey), reference.spkiSha256);
      assert.ok(verify(digest, sample, key.publicKey, await key.sign(sample)));
      createSecureContext({ key: key.tlsKey as string });
    });
  }

  test("RSA is not created", () =>
    assert.rejects(
      sealedKeys().create("rsa" as CreatableAlgorithm),
      (error) => isAgentError(error, "ERR_KEY_WEAK") && /imported, not created/.test(error.message),
    ));

  test("the sealing key is overwritten after each use", async () => {
    const source = new FixedSealingKey();
    const keys = sealedKeys(source);
    await keys.open(await keys.create("ecdsa-p256"));
    assert.equal(source.given.length, 2);
    for (const bytes of source.given) assert.deepEqual(bytes, new Uint8Array(32));
  });

  test("a sealing key is made only while there is nothing sealed", async () => {
    const source = new FixedSealingKey();
    const fresh = sealedKeys(source);
    await fresh.create("ed25519");
    await fresh.open(await fresh.create("ed25519"));
    const options = { sealingKey: source, random: systemRandom, hasSealedKeys: () => true };
    await new SealedKeyProvider(options).create("ed25519");
    assert.deepEqual(source.reads, [true, false, false, false]);
  });

  test("destroying the sealing key shreds every key", async () => {
    const source = new FixedSealingKey();
    const keys = sealedKeys(source);
    const reference = await keys.create("ecdsa-p256");
    await source.destroy();
    await assert.rejects(keys.open(reference), (e) => isAgentError(e, "ERR_KEY_SEALING_WRONG"));
  });

  suite("opening refuses", () => {
    const keys = sealedKeys();
    const rows = [
      ["a key of another provider", { provider: "pkcs11" }, "ERR_KEY_INVALID"],
      ["what is not base64", { locator: "**" }, "ERR_KEY_DAMAGED"],
      ["an enormous locator", { locator: "A".repeat(1_000_000) }, "ERR_KEY_DAMAGED"],
      ["nothing", { locator: "" }, "ERR_KEY_DAMAGED"],
      ["another algorithm than it says", { algorithm: "ed25519" }, "ERR_KEY_DAMAGED"],
    ] as const;
    for (const [why, change, code] of rows) {
      test(why, async () => {
        const reference = { ...(await keys.create("ecdsa-p256")), ...change };
        await assert.rejects(keys.open(reference), (error) => isAgentError(error, code));
      });
    }
    test("one key's sealed form under another's name", async () => {
      const [one, two] = [await keys.create("ecdsa-p256"), await keys.create("ecdsa-p256")];
      const swapped = { ...one, locator: two.locator };
      await assert.rejects(keys.open(swapped), (error) => isAgentError(error, "ERR_KEY_DAMAGED"));
    });
  });
});

/** The form in which some cards and old programs write keys: no name, but all numbers of the curve. */
function explicitP256(): string {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    paramEncoding: "explicit",
  });
  return pem(privateKey);
}

suite("importing a private key", () => {
  const p256 = ec("P-256");
  const rsa2048 = rsa(2048);
  const encrypted = p256.export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "geheim",
  });
  const oldEncrypted = p256.export({
    type: "sec1",
    format: "pem",
    cipher: "aes-128-cbc",
    passphrase: "geheim",
  });

  const good: readonly [why: string, pem: () => string, key: KeyObject, passphrase?: string][] = [
    ["PKCS#8", () => pem(p256), p256],
    ["SEC 1", () => String(p256.export({ type: "sec1", format: "pem" })), p256],
    [
      "SEC 1 after EC PARAMETERS, as openssl ecparam -genkey writes",
      () =>
        `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${p256.export({ type: "sec1", format: "pem" })}`,
      p256,
    ],
    ["PKCS#1", () => String(rsa2048.export({ type: "pkcs1", format: "pem" })), rsa2048],
    [
      "CRLF and text around",
      () => `Bag Attributes\r\n${pem(p256).replaceAll("\n", "\r\n")}the end`,
      p256,
    ],
    ["encrypted PKCS#8", () => String(encrypted), p256, "geheim"],
    ["encrypted as OpenSSL 0.9 did", () => String(oldEncrypted), p256, "geheim"],
    ["a passphrase that is not needed", () => pem(p256), p256, "geheim"],
  ];
  for (const [why, text, key, passphrase] of good) {
    test(`takes ${why}`, async () => {
      const keys = sealedKeys();
      const opened = await keys.open(await keys.import(text(), passphrase));
      assert.ok(opened.publicKey.equals(createPublicKey(key)));
      assert.ok(createPrivateKey(String(opened.tlsKey)).equals(key));
    });
  }

  let mismatched = "";
  before(() => {
    // The public half of one key in the file of another: at the end of PKCS#8 of EC keys.
    const mine = p256.export({ type: "pkcs8", format: "der" });
    const theirs = ec("P-256").export({ type: "pkcs8", format: "der" });
    const der = Buffer.concat([mine.subarray(0, -65), theirs.subarray(-65)]).toString("base64");
    mismatched = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
  });
  const publicPem = createPublicKey(p256).export({ type: "spki", format: "pem" }).toString();
  const refused: readonly [
    why: string,
    pem: () => string,
    code: string,
    words: RegExp,
    passphrase?: string,
  ][] = [
    ["P-521", () => pem(ec("P-521")), "ERR_KEY_WEAK", /secp521r1/],
    ["secp256k1", () => pem(ec("secp256k1")), "ERR_KEY_WEAK", /secp256k1/],
    ["P-192", () => pem(ec("prime192v1")), "ERR_KEY_WEAK", /prime192v1/],
    ["P-256 with its curve written out", explicitP256, "ERR_KEY_WEAK", /written out in full/],
    ["RSA 1024", () => pem(rsa(1024)), "ERR_KEY_WEAK", /1024 bits/],
    ["RSA with exponent 3", () => pem(rsa(2048, 3)), "ERR_KEY_WEAK", /exponent 3/],
    [
      "DSA",
      () => pem(generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }).privateKey),
      "ERR_KEY_WEAK",
      /kind dsa/,
    ],
    [
      "RSA-PSS",
      () => pem(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey),
      "ERR_KEY_WEAK",
      /rsa-pss/,
    ],
    ["X25519", () => pem(generateKeyPairSync("x25519").privateKey), "ERR_KEY_WEAK", /x25519/],
    ["Ed448", () => pem(generateKeyPairSync("ed448").privateKey), "ERR_KEY_WEAK", /ed448/],
    ["halves of two keys", () => mismatched, "ERR_KEY_INVALID", /don't belong together/],
    [
      "an encrypted key without passphrase",
      () => String(encrypted),
      "ERR_KEY_PASSPHRASE",
      /no passphrase was given/,
    ],
    [
      "an old encrypted one without",
      () => String(oldEncrypted),
      "ERR_KEY_PASSPHRASE",
      /no passphrase was given/,
    ],
    ["a wrong passphrase", () => String(encrypted), "ERR_KEY_PASSPHRASE", /wrong/, "falsch"],
    [
      "a wrong passphrase for an old one",
      () => String(oldEncrypted),
      "ERR_KEY_PASSPHRASE",
      /wrong/,
      "falsch",
    ],
    [
      "an endless passphrase",
      () => String(encrypted),
      "ERR_KEY_PASSPHRASE",
      /longer than/,
      "x".repeat(5000),
    ],
    ["a public key", () => publicPem, "ERR_KEY_INVALID", /public key/],
    ["two keys", () => pem(p256) + pem(ec("P-256")), "ERR_KEY_INVALID", /2 private keys/],
    ["a cut-off key", () => pem(p256).slice(0, 80), "ERR_KEY_INVALID", /cut off/],
    ["nothing", () => "", "ERR_KEY_INVALID", /no private key/],
    [
      "garbage in the frame",
      () => "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
      "ERR_KEY_INVALID",
      /damaged/,
    ],
    [
      "no base64 in the frame",
      () => "-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----\n",
      "ERR_KEY_INVALID",
      /base64/,
    ],
    [
      "OpenSSH's form",
      () => "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
      "ERR_KEY_INVALID",
      /ssh-keygen/,
    ],
    [
      "a key in a token",
      () => "-----BEGIN PKCS#11 PROVIDER URI-----\nAAAA\n-----END PKCS#11 PROVIDER URI-----\n",
      "ERR_KEY_INVALID",
      /token/,
    ],
    ["a megabyte", () => `${pem(p256)}${" ".repeat(1_000_000)}`, "ERR_KEY_INVALID", /larger than/],
  ];
  for (const [why, text, code, words, passphrase] of refused) {
    test(`refuses ${why}`, () =>
      assert.rejects(sealedKeys().import(text(), passphrase), (error) => {
        assert.ok(isAgentError(error), String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, words);
        return true;
      }));
  }
});
