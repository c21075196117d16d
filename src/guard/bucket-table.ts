/**
 * Token buckets for many clients in a fixed piece of memory: 12 bytes a slot, {@link BYTES_PER_CLIENT}
 * for each client of the stated capacity, and nothing for the garbage collector.
 *
 * A client's hash names two sets of eight slots, and a 32-bit tag by which it is told from others in
 * them. It takes a slot in the emptier of the two: choosing between two keeps sets so even that at the
 * stated capacity next to nobody finds both full (`docs/limits.md` has the figures).
 *
 * A bucket that is in use is never given to somebody else: whoever was thrown out would come back with
 * a fresh burst, and a flood of new names would set everybody free. So a newcomer that finds no place
 * shares the one overflow bucket with all others in its position; it is as strict as the bucket of one
 * client. A bucket that is full again is free: forgetting it changes nothing.
 */
import { Buckets } from "./buckets.ts";

const WAYS = 8;
/** Share of the slots that the stated capacity fills; measured, see `test/unit/guard`. */
const LOAD = 2 / 3;
const SLOT_BYTES = 12;
export const BYTES_PER_CLIENT = SLOT_BYTES / LOAD;
export const MAX_CAPACITY = 262_144;

const TWO_TO_32 = 2 ** 32;

/** Where a client's bucket may lie; keep it with what stands for the client, and it is found at once. */
export class BucketKey {
  readonly tag: number;
  readonly place: number;
  /** Where it lay last. Not to be trusted without a look at the tag. */
  slot = 0;

  /** Halves of a keyed hash, as signed 32-bit numbers. */
  constructor(hash: { readonly high: number; readonly low: number }) {
    this.tag = hash.high;
    this.place = hash.low;
  }
}

export class BucketTable extends Buckets {
  /** Clients for which there is room, as configured. */
  readonly capacity: number;
  /** Takes of clients that found no place and share the overflow bucket. */
  evictions = 0;
  readonly #sets: number;
  readonly #tags: Int32Array;
  /** Index of the bucket that is shared by those who found no place. */
  readonly #overflow: number;

  /** @param capacity 1 to {@link MAX_CAPACITY} clients. */
  constructor(capacity: number) {
    const sets = Math.ceil(capacity / LOAD / WAYS);
    super(sets * WAYS + 1);
    this.capacity = capacity;
    this.#sets = sets;
    this.#overflow = sets * WAYS;
    this.#tags = new Int32Array(this.#overflow + 1);
  }

  override get bytes(): number {
    return super.bytes + this.#tags.byteLength;
  }

  /** The slot of a client whose key was kept. */
  find(key: BucketKey, nowMs: number): number {
    const { tag, slot } = key;
    if (this.#tags[slot] === tag) return slot;
    // the overflow bucket has no client's tag: whoever was sent there looks for a place the next time
    key.slot = this.locate(tag, key.place, nowMs);
    return key.slot;
  }

  /** The slot of a client, a free one, or the overflow bucket. Changes no bucket. */
  locate(tag: number, place: number, nowMs: number): number {
    const tags = this.#tags;
    const first = this.#setOf(place);
    for (let slot = first; slot < first + WAYS; slot++) if (tags[slot] === tag) return slot;
    const second = this.#setOf(remixed(place));
    for (let slot = second; slot < second + WAYS; slot++) if (tags[slot] === tag) return slot;
    return this.#settle(tag, first, second, nowMs);
  }

  #setOf(place: number): number {
    return ((((place >>> 0) * this.#sets) / TWO_TO_32) >>> 0) * WAYS;
  }

  #settle(tag: number, first: number, second: number, nowMs: number): number {
    const one = this.#roomIn(first, nowMs);
    const two = this.#roomIn(second, nowMs);
    if (one === 0 && two === 0) {
      this.evictions++;
      return this.#overflow;
    }
    const slot = this.#longestFull(one >= two ? first : second);
    this.#tags[slot] = tag;
    return slot;
  }

  /**
   * How good a set is to settle in; 0: nothing is free. Slots that nobody ever used count before those
   * that somebody has left full: whoever comes back finds his own again.
   */
  #roomIn(set: number, nowMs: number): number {
    let room = 0;
    for (let slot = set; slot < set + WAYS; slot++) {
      const fullAt = this.fullAt[slot] as number;
      if (fullAt === 0) room += WAYS + 1;
      else if (fullAt <= nowMs) room += 1;
    }
    return room;
  }

  #longestFull(set: number): number {
    let longest = set;
    for (let slot = set + 1; slot < set + WAYS; slot++) {
      if ((this.fullAt[slot] as number) < (this.fullAt[longest] as number)) longest = slot;
    }
    return longest;
  }
}

/** Another number from the same 32 bits, every bit depending on all (the finisher of MurmurHash3). */
function remixed(place: number): number {
  let mixed = Math.imul(place ^ (place >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
