import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyAlgorithm } from "#src/identity/keys/key-provider.ts";
import { unmet, type WantedAttributes, wantedAttributes } from "#src/issuers/csr-attributes.ts";

const base64 = (hex: string): Buffer =>
  Buffer.from(Buffer.from(hex.replaceAll(" ", ""), "hex").toString("base64"));
const CHALLENGE = "06092a864886f70d010907";
const EC = "06072a8648ce3d0201";
const P256 = "06082a8648ce3d030107";
const P521 = "06052b81040023";
const RSA = "06092a864886f70d010101";

const READ: readonly {
  readonly why: string;
  readonly der: string;
  readonly found: WantedAttributes | undefined;
}[] = [
  { why: "nothing", der: "3000", found: { challengePassword: false, keys: [] } },
  {
    why: "a challenge password",
    der: `300b ${CHALLENGE}`,
    found: { challengePassword: true, keys: [] },
  },
  {
    why: "P-256",
    der: `3017 3015 ${EC} 310a ${P256}`,
    found: { challengePassword: false, keys: ["ecdsa-p256"] },
  },
  {
    why: "a curve that we have not",
    der: `3014 3012 ${EC} 3107 ${P521}`,
    found: { challengePassword: false, keys: ["other"] },
  },
  {
    why: "any curve",
    der: `3009 ${EC}`,
    found: { challengePassword: false, keys: ["ecdsa-p256", "ecdsa-p384"] },
  },
  {
    why: "RSA of 4096 bits",
    der: `3013 3011 ${RSA} 3104 02021000`,
    found: { challengePassword: false, keys: ["rsa"] },
  },
  {
    why: "what nobody knows is ignored",
    der: "3005 06032a0304",
    found: { challengePassword: false, keys: [] },
  },
  { why: "cut off", der: "3009 0607 2a86", found: undefined },
  { why: "no list", der: "0500", found: undefined },
  { why: "nothing at all", der: "", found: undefined },
];
for (const { why, der, found } of READ) {
  test(`wanted attributes: ${why}`, () => assert.deepEqual(wantedAttributes(base64(der)), found));
}

const JUDGED: readonly {
  readonly why: string;
  readonly wants: WantedAttributes;
  readonly own: KeyAlgorithm;
  readonly says: RegExp | undefined;
}[] = [
  {
    why: "any key will do",
    wants: { challengePassword: false, keys: [] },
    own: "ed25519",
    says: undefined,
  },
  {
    why: "ours is among them",
    wants: { challengePassword: false, keys: ["rsa", "ecdsa-p256"] },
    own: "ecdsa-p256",
    says: undefined,
  },
  {
    why: "another can be made",
    wants: { challengePassword: true, keys: ["ecdsa-p384"] },
    own: "ecdsa-p256",
    says: /--algorithm ecdsa-p384/,
  },
  {
    why: "none can be made",
    wants: { challengePassword: false, keys: ["rsa", "other"] },
    own: "ecdsa-p256",
    says: /no such key can be made/,
  },
  {
    why: "a challenge password",
    wants: { challengePassword: true, keys: [] },
    own: "ecdsa-p256",
    says: /do without/,
  },
];
for (const { why, wants, own, says } of JUDGED) {
  test(`what is missing: ${why}`, () => {
    const found = unmet(wants, own);
    if (says === undefined) assert.equal(found, undefined);
    else assert.match(found?.fix ?? "", says);
  });
}
