/**
 * Files that were made to hurt: derivations that would run for hours, nesting without end, endless lists.
 * Each is refused with a code before the work is done; how long that takes is bounded by the work that
 * was counted, not by a clock.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { withDefiniteLengths } from "#src/identity/exchange/definite-lengths.ts";
import {
  element,
  explicit,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
} from "#src/identity/exchange/der-writer.ts";
import { importIdentity } from "#src/identity/exchange/identity-import.ts";
import { DerivationBudget } from "#src/identity/exchange/import-limits.ts";
import { pemOf } from "#src/identity/exchange/key-export.ts";
import { FULL } from "../fakes/needs.ts";
import { sealedKeys } from "../fakes/sealing-key.ts";

const PBES2 = oid("1.2.840.113549.1.5.13");
const AES = sequence(oid("2.16.840.1.101.3.4.1.42"), octetString(Buffer.alloc(16)));
const pbkdf2 = (iterations: Buffer): Buffer =>
  sequence(
    PBES2,
    sequence(
      sequence(
        oid("1.2.840.113549.1.5.12"),
        sequence(
          octetString(Buffer.alloc(8)),
          iterations,
          sequence(oid("1.2.840.113549.2.9"), nothing()),
        ),
      ),
      AES,
    ),
  );
const scrypt = (N: number, r: number, p: number): Buffer =>
  sequence(
    PBES2,
    sequence(
      sequence(
        oid("1.3.6.1.4.1.11591.4.11"),
        sequence(octetString(Buffer.alloc(8)), integer(N), integer(r), integer(p)),
      ),
      AES,
    ),
  );
const old = (id: string, iterations: number): Buffer =>
  sequence(
    oid(`1.2.840.113549.1.12.1.${id}`),
    sequence(octetString(Buffer.alloc(8)), integer(iterations)),
  );
const key = (algorithm: Buffer): Buffer => sequence(algorithm, octetString(Buffer.alloc(160)));
const DATA = oid("1.2.840.113549.1.7.1");
const data = (content: Buffer): Buffer => sequence(DATA, explicit(0, octetString(content)));
const shrouded = (algorithm: Buffer): Buffer =>
  sequence(oid("1.2.840.113549.1.12.10.1.2"), explicit(0, key(algorithm)));
const mac = (iterations: number): Buffer =>
  sequence(
    sequence(sequence(oid("2.16.840.1.101.3.4.2.1"), nothing()), octetString(Buffer.alloc(32))),
    octetString(Buffer.alloc(8)),
    integer(iterations),
  );
const pfx = (bags: readonly Buffer[], ...macs: Buffer[]): Buffer =>
  sequence(integer(3), data(sequence(data(sequence(...bags)))), ...macs);
const times = (count: number, bag: Buffer): Buffer[] => Array.from({ length: count }, () => bag);
const nestedBag = (depth: number): Buffer =>
  depth === 0
    ? shrouded(pbkdf2(integer(1)))
    : sequence(oid("1.2.840.113549.1.12.10.1.6"), explicit(0, sequence(nestedBag(depth - 1))));

const take = (bytes: Uint8Array) => importIdentity([{ name: "f", bytes }], { passphrase: "x" });

suite("hostile PKCS#12", () => {
  const rows: readonly [why: string, bytes: () => Buffer, words: RegExp][] = [
    ["a MAC of 2^31 iterations", () => pfx([], mac(2 ** 31)), /2147483648 iterations/],
    ["a MAC of 2^47 iterations", () => pfx([], mac(2 ** 47)), /iterations/],
    ["a MAC of no iterations", () => pfx([], mac(0)), /0 iterations/],
    [
      "a key of 2^31 iterations",
      () => pfx([shrouded(pbkdf2(integer(2 ** 31)))]),
      /2147483648 iterations/,
    ],
    ["negative iterations", () => pfx([shrouded(pbkdf2(element(2, Buffer.of(0x80))))]), /negative/],
    [
      "iterations of 100 octets",
      () => pfx([shrouded(pbkdf2(element(2, Buffer.alloc(100, 1))))]),
      /enormous/,
    ],
    ["an old key of 2^31 iterations", () => pfx([shrouded(old("3", 2 ** 31))]), /iterations/],
    ["RC2 of 2^31 iterations", () => pfx([shrouded(old("6", 2 ** 31))]), /iterations/],
    [
      "many parts that are dear together",
      () => {
        const safe = data(sequence(shrouded(pbkdf2(integer(900_000)))));
        return sequence(integer(3), data(sequence(...times(16, safe))));
      },
      /900000 iterations/,
    ],
    ["scrypt with 1 GiB", () => pfx([shrouded(scrypt(2 ** 20, 8, 1))]), /scrypt.*32 MiB/],
    ["scrypt with p of a million", () => pfx([shrouded(scrypt(16_384, 8, 1_000_000))]), /scrypt/],
    [
      "scrypt with N that is no power of two",
      () => pfx([shrouded(scrypt(16_383, 8, 1))]),
      /scrypt/,
    ],
    ["scrypt with N of 1", () => pfx([shrouded(scrypt(1, 8, 1))]), /scrypt/],
    ["scrypt with r of nothing", () => pfx([shrouded(scrypt(16_384, 0, 1))]), /scrypt/],
    [
      "ten thousand entries",
      () => pfx(times(10_000, sequence(oid("1.2.3"), explicit(0, nothing())))),
      /200 entries/,
    ],
    ["safes in safes", () => pfx([nestedBag(30)]), /nested too deep/],
    [
      "nesting without end",
      () =>
        Array.from({ length: 1000 }).reduce<Buffer>(
          (inner) => sequence(inner),
          sequence(integer(3)),
        ),
      /no private key/,
    ],
    [
      "an IV of the wrong length",
      () =>
        pfx([
          shrouded(
            sequence(
              PBES2,
              sequence(
                sequence(
                  oid("1.2.840.113549.1.5.12"),
                  sequence(octetString(Buffer.alloc(8)), integer(1)),
                ),
                sequence(oid("2.16.840.1.101.3.4.1.42"), octetString(Buffer.alloc(3))),
              ),
            ),
          ),
        ]),
      /IV/,
    ],
    [
      "a cipher that nobody knows",
      () => pfx([shrouded(sequence(oid("1.2.3.4"), nothing()))]),
      /1\.2\.3\.4.*convert/,
    ],
    [
      "RC4",
      () => pfx([shrouded(old("1", 1))]),
      /convert a PKCS#12 file with openssl pkcs12 -legacy/,
    ],
    [
      "a signed one",
      () => sequence(integer(3), sequence(oid("1.2.840.113549.1.7.2"), explicit(0, sequence()))),
      /signed by a certificate/,
    ],
    [
      "version 2^40",
      () => Buffer.concat([Buffer.of(0x30, 0x80 + 1, 0x03), integer(3).subarray(0, 3)]),
      /PKCS#12|missing/,
    ],
  ];
  for (const [why, bytes, words] of rows) {
    test(why, () =>
      assert.rejects(take(bytes()), (error) => {
        assert.ok(error instanceof AgentError, String(error));
        assert.match(error.code, /^ERR_(?:IMPORT|KEY|CERT)_/);
        assert.match(error.message, words);
        return true;
      }),
    );
  }

  test("the budget holds over the whole file, not for each part", () => {
    const budget = new DerivationBudget();
    budget.spend(1_999_999);
    budget.spend(1);
    assert.throws(
      () => budget.spend(1),
      (error) => isAgentError(error, "ERR_IMPORT_INVALID"),
    );
  });
});

suite("hostile encrypted PEM", () => {
  for (const [why, algorithm, words] of [
    ["2^31 iterations", pbkdf2(integer(2 ** 31)), /2147483648 iterations/],
    ["scrypt with 1 GiB", scrypt(2 ** 20, 8, 1), /scrypt/],
    ["2^31 iterations of old", old("3", 2 ** 31), /iterations/],
  ] as const) {
    test(why, () =>
      assert.rejects(
        sealedKeys().import(pemOf("ENCRYPTED PRIVATE KEY", key(algorithm)), "x"),
        (error) => {
          assert.ok(isAgentError(error, "ERR_IMPORT_INVALID"), String(error));
          assert.match(error.message, words);
          return true;
        },
      ),
    );
  }
});

suite("BER", () => {
  const open = (tag: number, ...parts: Buffer[]): Buffer =>
    Buffer.concat([Buffer.of(tag, 0x80), ...parts, Buffer.of(0, 0)]);
  test("DER comes back as it is", () => {
    const der = pfx([shrouded(pbkdf2(integer(1)))], mac(1));
    assert.equal(withDefiniteLengths(der), der);
  });
  test("open lengths are closed, pieces joined", () => {
    const ber = open(0x30, open(0x24, octetString(Buffer.of(1)), octetString(Buffer.of(2, 3))));
    assert.deepEqual(withDefiniteLengths(ber), sequence(octetString(Buffer.of(1, 2, 3))));
  });
  for (const [why, bytes] of [
    ["without an end", Buffer.of(0x30, 0x80, 0x04, 0x00)],
    ["that is simple", Buffer.of(0x04, 0x80, 0x00, 0x00)],
    ["nested 100,000 times", Buffer.alloc(200_000, Buffer.of(0x30, 0x80))],
    ["with something behind", Buffer.concat([open(0x30), Buffer.of(0)])],
    ["of 2^32", Buffer.of(0x30, 0x85, 1, 0, 0, 0, 0)],
  ] as const) {
    test(`an open length ${why} is refused`, () =>
      assert.throws(
        () => withDefiniteLengths(bytes),
        (error) => isAgentError(error, "ERR_IMPORT_INVALID"),
      ));
  }
});

test("any octets give an identity or an error with a code", () =>
  fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, asPfx) => {
      const file = asPfx ? sequence(integer(3), bytes) : bytes;
      await take(file).catch((error: unknown) =>
        assert.ok(error instanceof AgentError, String(error)),
      );
    }),
    { numRuns: FULL ? 20_000 : 1_000 },
  ));
