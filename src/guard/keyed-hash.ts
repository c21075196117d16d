/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) of a text, under a key drawn at start: who can choose the
 * texts still can't choose which of them collide. Pure; 32-bit arithmetic, because JavaScript has no
 * fast 64-bit one.
 */
import type { Random } from "../host/random.ts";

const KEY_BYTES = 16;
/** Longer texts are rare: names of peers with long issuers. */
const SCRATCH_BYTES = 1024;
/** UTF-8 of one UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;
/** Rounds per block of 8 bytes, and at the end. */
const BLOCK_ROUNDS = 2;
const FINAL_ROUNDS = 4;

/** 64 bits as two signed 32-bit halves: they stay small integers for the engine. */
export interface TextHash {
  readonly high: number;
  readonly low: number;
}

export class KeyedHash {
  readonly #key: readonly [number, number, number, number];
  /** Where texts become bytes: a buffer for each would cost more than the hash. */
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES + 8);
  readonly #words = new Int32Array(
    this.#scratch.buffer,
    this.#scratch.byteOffset,
    SCRATCH_BYTES / 4 + 2,
  );

  /** @param key 16 secret bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
    const words = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
    this.#key = [
      words.getInt32(0, true),
      words.getInt32(4, true),
      words.getInt32(8, true),
      words.getInt32(12, true),
    ];
  }

  static random(random: Random): KeyedHash {
    return new KeyedHash(random.bytes(KEY_BYTES));
  }

  /** Hash of the UTF-8 bytes of `text`. */
  of(text: string): TextHash {
    if (text.length * MAX_BYTES_PER_UNIT > SCRATCH_BYTES) {
      // padded, so that whole words can be read to the end
      const bytes = Buffer.from(`${text}\0\0\0\0\0\0\0`, "utf8");
      const aligned = new Uint8Array(bytes);
      const words = new Int32Array(aligned.buffer, 0, bytes.length >> 2);
      return this.#ofWords(words, bytes.length - 7);
    }
    return this.#ofWords(this.#words, this.#scratch.write(text, "utf8"));
  }

  /** @param length In bytes; what lies behind them in the last two words is left out. */
  #ofWords(words: Int32Array, length: number): TextHash {
    const [k0l, k0h, k1l, k1h] = this.#key;
    let v0h = k0h ^ 0x736f6d65;
    let v0l = k0l ^ 0x70736575;
    let v1h = k1h ^ 0x646f7261;
    let v1l = k1l ^ 0x6e646f6d;
    let v2h = k0h ^ 0x6c796765;
    let v2l = k0l ^ 0x6e657261;
    let v3h = k1h ^ 0x74656462;
    let v3l = k1l ^ 0x79746573;
    const blocks = length >> 3;
    const rest = length & 7;
    for (let block = 0; ; block++) {
      const final = block > blocks;
      let mh = 0;
      let ml = 0;
      if (block <= blocks) {
        ml = words[block * 2] as number;
        mh = words[block * 2 + 1] as number;
      }
      if (block === blocks) {
        ml &= lowBytes(rest);
        mh = (mh & lowBytes(rest - 4)) | (length << 24);
      }
      if (final) v2l ^= 0xff;
      v3h ^= mh;
      v3l ^= ml;
      for (let round = final ? FINAL_ROUNDS : BLOCK_ROUNDS; round > 0; round--) {
        // v0 += v1; v1 <<<= 13; v1 ^= v0; v0 <<<= 32
        let sum = (v0l + v1l) | 0;
        v0h = (v0h + v1h + carry(sum, v0l)) | 0;
        let high = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
        v1l = ((v1l << 13) | (v1h >>> 19)) ^ sum;
        v1h = high;
        v0l = v0h;
        v0h = sum;
        // v2 += v3; v3 <<<= 16; v3 ^= v2
        sum = (v2l + v3l) | 0;
        v2h = (v2h + v3h + carry(sum, v2l)) | 0;
        v2l = sum;
        high = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
        v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
        v3h = high;
        // v0 += v3; v3 <<<= 21; v3 ^= v0
        sum = (v0l + v3l) | 0;
        v0h = (v0h + v3h + carry(sum, v0l)) | 0;
        v0l = sum;
        high = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
        v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
        v3h = high;
        // v2 += v1; v1 <<<= 17; v1 ^= v2; v2 <<<= 32
        sum = (v2l + v1l) | 0;
        v2h = (v2h + v1h + carry(sum, v2l)) | 0;
        high = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
        v1l = ((v1l << 17) | (v1h >>> 15)) ^ sum;
        v1h = high;
        v2l = v2h;
        v2h = sum;
      }
      v0h ^= mh;
      v0l ^= ml;
      if (final) return { high: v0h ^ v1h ^ v2h ^ v3h, low: v0l ^ v1l ^ v2l ^ v3l };
    }
  }
}

/** Keeps the first `count` bytes of a word; all from 4, none up to 0. */
function lowBytes(count: number): number {
  if (count >= 4) return -1;
  return count <= 0 ? 0 : (1 << (count * 8)) - 1;
}

/** Whether a 32-bit sum wrapped: it is then less than what was added to. */
function carry(sum: number, term: number): number {
  return sum >>> 0 < term >>> 0 ? 1 : 0;
}
