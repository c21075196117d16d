import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { KeyedHash } from "#src/guard/keyed-hash.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";

const KEY = Uint8Array.from({ length: 16 }, (_, index) => index);

function hex(hash: { readonly high: number; readonly low: number }): string {
  return [hash.high, hash.low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

suite("KeyedHash is SipHash-2-4 of the UTF-8 bytes", () => {
  // The second row is the example of the SipHash paper, appendix A; the others were made by
  // `openssl mac -macopt hexkey:000102…0f -macopt size:8 SIPHASH` (OpenSSL 3.0).
  const vectors = [
    { text: "", hash: "726fdb47dd0e0e31", why: "no byte" },
    {
      text: String.fromCharCode(...KEY.subarray(0, 15)),
      hash: "a129ca6149be45e5",
      why: "the paper's example",
    },
    { text: "a", hash: "2ba3e8e9a71148ca", why: "one byte" },
    { text: "1234567", hash: "6ef942de1d1a4d4b", why: "one less than a block" },
    { text: "12345678", hash: "02130609caea37eb", why: "exactly a block" },
    { text: "123456789", hash: "ca60fc96020efefd", why: "one more than a block" },
    {
      text: "spiffe://fleet.example/gateway/berlin/0042",
      hash: "1fca947d6d3021fa",
      why: "a SPIFFE ID",
    },
    { text: "Gerät-7 – Dach", hash: "75fc989af6433b76", why: "not only ASCII" },
    { text: "x".repeat(255), hash: "f04f2551b6ad4f4e", why: "the length fills its byte" },
    { text: "y".repeat(300), hash: "f83a0d5432dae0c0", why: "the length overflows its byte" },
    {
      text: "é".repeat(341),
      hash: "63befe3872bf2d4c",
      why: "nearly too long for the room that is kept",
    },
    { text: "é".repeat(342), hash: "1e943e00fa2d2e82", why: "just too long for it" },
    {
      text: "z".repeat(1001),
      hash: "6ba92f882a3ba44f",
      why: "far too long, and a rest of one byte",
    },
    { text: "z".repeat(1007), hash: "6e701ee60130cd1f", why: "and of seven" },
    { text: "z".repeat(1008), hash: "65f56ad5c30168ef", why: "and of none" },
  ];
  for (const { text, hash, why } of vectors) {
    test(why, () => assert.equal(hex(new KeyedHash(KEY).of(text)), hash));
  }

  test("another key, another hash", () => {
    const random = new FakeRandom(7);
    const [one, two] = [KeyedHash.random(random), KeyedHash.random(random)];
    assert.notEqual(hex(one.of("10.0.0.1")), hex(two.of("10.0.0.1")));
    assert.equal(hex(one.of("10.0.0.1")), hex(one.of("10.0.0.1")));
  });

  test("100,000 names have 100,000 hashes", () => {
    const keyed = KeyedHash.random(new FakeRandom(3));
    const seen = new Set(Array.from({ length: 100_000 }, (_, index) => hex(keyed.of(`p${index}`))));
    assert.equal(seen.size, 100_000);
  });

  test("a key of another length is a bug of ours", () => {
    assert.throws(() => new KeyedHash(new Uint8Array(8)), RangeError);
  });
});
