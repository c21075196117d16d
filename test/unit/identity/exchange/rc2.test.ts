import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decryptRc2Cbc } from "#src/identity/exchange/rc2.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");

/** RFC 2268 section 5, single blocks with whole octets of effective key; the last octet of a padded text would have to be 1 to 8. */
const VECTORS: readonly [key: string, bits: number, plain: string, cipher: string][] = [
  ["ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"],
  ["3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"],
  ["88", 64, "0000000000000000", "61a8a244adacccf0"],
  ["88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"],
  ["88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"],
  ["88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"],
];

suite("RC2 (RFC 2268 section 5)", () => {
  for (const [key, bits, plain, cipher] of VECTORS) {
    test(`${key}, ${bits} bits`, () => {
      // An IV that turns the block's plaintext into seven octets and a padding of one.
      const iv = hex(plain);
      iv[7] = (iv[7] ?? 0) ^ 1;
      assert.deepEqual(decryptRc2Cbc(hex(key), bits / 8, iv, hex(cipher)), Buffer.alloc(7));
    });
  }
  for (const [why, cipher] of [
    ["nothing", ""],
    ["half a block", "ebb773f9"],
    ["a padding that can't be", "ebb773f993278eff"],
  ] as const) {
    test(`refuses ${why}`, () =>
      assert.throws(
        () => decryptRc2Cbc(hex("0000000000000000"), 8, hex("0000000000000000"), hex(cipher)),
        RangeError,
      ));
  }
});
