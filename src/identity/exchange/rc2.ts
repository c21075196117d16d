/**
 * RC2 in CBC mode, decryption only (RFC 2268). Old Java and `openssl pkcs12 -legacy` encrypt the
 * certificates, which are public, with its 40-bit form; OpenSSL without its legacy provider, as Node
 * has it, can't read them. Nothing here ever encrypts. Pure.
 */

/** RFC 2268 section 2: a permutation of the octets, from the digits of pi. */
const PI_TABLE = Buffer.from(
  "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2" +
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82" +
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7" +
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec" +
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9" +
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad",
  "hex",
);
const BLOCK = 8;
const ROTATIONS = [1, 2, 3, 5] as const;

/**
 * @param effectiveBytes the key's effective length; PKCS#12 knows whole octets only (5 and 16).
 * @throws RangeError when the ciphertext or its padding can't be right.
 */
export function decryptRc2Cbc(
  key: Uint8Array,
  effectiveBytes: number,
  iv: Uint8Array,
  ciphertext: Uint8Array,
): Buffer {
  if (ciphertext.length === 0 || ciphertext.length % BLOCK !== 0) {
    throw new RangeError("the ciphertext is not a whole number of blocks");
  }
  const words = expandKey(key, effectiveBytes);
  const plain = Buffer.alloc(ciphertext.length);
  let before = iv;
  for (let at = 0; at < ciphertext.length; at += BLOCK) {
    const block = ciphertext.subarray(at, at + BLOCK);
    const clear = decryptBlock(words, block);
    for (let index = 0; index < BLOCK; index++) {
      plain[at + index] = (clear[index] ?? 0) ^ (before[index] ?? 0);
    }
    before = block;
  }
  return withoutPadding(plain);
}

/** RFC 2268 section 2. */
function expandKey(key: Uint8Array, effective: number): Uint16Array {
  const table = (index: number): number => PI_TABLE[index & 0xff] ?? 0;
  const octets = new Uint8Array(128);
  octets.set(key);
  const at = (index: number): number => octets[index] ?? 0;
  for (let index = key.length; index < 128; index++) {
    octets[index] = table(at(index - 1) + at(index - key.length));
  }
  octets[128 - effective] = table(at(128 - effective));
  for (let index = 127 - effective; index >= 0; index--) {
    octets[index] = table(at(index + 1) ^ at(index + effective));
  }
  return Uint16Array.from({ length: 64 }, (_, index) => at(2 * index) | (at(2 * index + 1) << 8));
}

/** RFC 2268 section 4: 5 mixing rounds, a mash, 6 mixing, a mash, 5 mixing; here in reverse. */
function decryptBlock(words: Uint16Array, block: Uint8Array): Buffer {
  const input = Buffer.from(block);
  const r = [0, 2, 4, 6].map((at) => input.readUInt16LE(at));
  const get = (index: number): number => r[index & 3] ?? 0;
  const word = (index: number): number => words[index] ?? 0;
  let next = 63;
  const mix = (rounds: number): void => {
    for (let round = 0; round < rounds; round++) {
      for (let index = 3; index >= 0; index--) {
        const turns = ROTATIONS[index] ?? 0;
        const turned = ((get(index) >>> turns) | (get(index) << (16 - turns))) & 0xffff;
        const mixed =
          word(next--) + (get(index + 3) & get(index + 2)) + (~get(index + 3) & get(index + 1));
        r[index] = (turned - mixed) & 0xffff;
      }
    }
  };
  const mash = (): void => {
    for (let index = 3; index >= 0; index--) {
      r[index] = (get(index) - word(get(index + 3) & 63)) & 0xffff;
    }
  };
  mix(5);
  mash();
  mix(6);
  mash();
  mix(5);
  const output = Buffer.alloc(BLOCK);
  for (const [index, value] of r.entries()) output.writeUInt16LE(value, 2 * index);
  return output;
}

/** RFC 8018 section 6.1.1: every octet of the padding says how long it is. */
function withoutPadding(plain: Buffer): Buffer {
  const count = plain.at(-1) ?? 0;
  const padding = plain.subarray(plain.length - count);
  if (count < 1 || count > BLOCK || padding.some((octet) => octet !== count)) {
    throw new RangeError("the padding is wrong");
  }
  return plain.subarray(0, plain.length - count);
}
