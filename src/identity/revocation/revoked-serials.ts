/**
 * The serials of a CRL in typed arrays: serials of one width side by side, sorted by their last four
 * octets. An entry takes the width of the longest serial and 13 bytes; asking costs a binary search.
 */

/** CRLReason by number (RFC 5280 section 5.3.1). */
const REASONS: readonly string[] = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  "",
  "removeFromCRL",
  "privilegeWithdrawn",
  "aACompromise",
];

export interface RevokedEntry {
  /** Unix milliseconds. */
  readonly sinceMs: number;
  /** As RFC 5280 calls it. */
  readonly reason: string;
}

export function reasonName(code: number): string {
  return REASONS[code] || "unspecified";
}

/** Beside the index of an entry a sorted number holds 32 bits of its serial: 21 bits are left. */
const INDEX_RANGE = 2 ** 21;
/** Most entries of one CRL. At 16 octets a serial that is 3.8 MB in memory. */
export const MAX_ENTRIES = 131_072;

export class RevokedSerials {
  readonly count: number;
  readonly #width: number;
  readonly #serials: Uint8Array;
  readonly #since: Uint32Array;
  readonly #reasons: Uint8Array;
  readonly #order: Float64Array;
  #filled = 0;

  /** @param width Octets of the longest serial. */
  constructor(count: number, width: number) {
    this.count = count;
    this.#width = width;
    this.#serials = new Uint8Array(count * width);
    this.#since = new Uint32Array(count);
    this.#reasons = new Uint8Array(count);
    this.#order = new Float64Array(count);
  }

  /** What it holds in memory. */
  get bytes(): number {
    return this.count * (this.#width + 13);
  }

  /** @param serial Without leading zeros, at most `width` octets. */
  add(serial: Uint8Array, sinceMs: number, reason: number): void {
    const index = this.#filled++;
    this.#serials.set(serial, (index + 1) * this.#width - serial.length);
    this.#since[index] = Math.max(0, Math.floor(sinceMs / 1000));
    this.#reasons[index] = reason;
    this.#order[index] = tailOf(serial) * INDEX_RANGE + index;
  }

  /** Call once, when all are added. */
  seal(): void {
    this.#order.sort();
  }

  find(serial: Uint8Array): RevokedEntry | undefined {
    const tail = tailOf(serial);
    const order = this.#order;
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((order[middle] ?? 0) < tail * INDEX_RANGE) low = middle + 1;
      else high = middle;
    }
    for (; low < order.length; low++) {
      const key = order[low] ?? 0;
      if (Math.floor(key / INDEX_RANGE) !== tail) return undefined;
      const index = key % INDEX_RANGE;
      if (this.#isAt(index, serial)) {
        return {
          sinceMs: (this.#since[index] ?? 0) * 1000,
          reason: reasonName(this.#reasons[index] ?? 0),
        };
      }
    }
    return undefined;
  }

  #isAt(index: number, serial: Uint8Array): boolean {
    const [width, serials] = [this.#width, this.#serials];
    const start = index * width;
    const pad = width - serial.length;
    if (pad < 0) return false;
    for (let at = 0; at < width; at++) {
      if (serials[start + at] !== (at < pad ? 0 : serial[at - pad])) return false;
    }
    return true;
  }
}

function tailOf(serial: Uint8Array): number {
  let tail = 0;
  for (let at = Math.max(0, serial.length - 4); at < serial.length; at++) {
    tail = tail * 256 + (serial[at] ?? 0);
  }
  return tail;
}
