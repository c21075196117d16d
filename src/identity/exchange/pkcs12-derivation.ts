/**
 * The key derivation of PKCS#12 (RFC 7292, appendix B.2), which nothing in Node offers. Also used by
 * the old password-based encryptions of appendix C.
 */
import { hash } from "node:crypto";
import type { DerivationBudget } from "./import-limits.ts";

/** What the derived octets are for (appendix B.3). */
export const PURPOSE = { key: 1, iv: 2, mac: 3 } as const;

/** Digests by name: octets of their output (u) and of their block (v). */
const SIZES = {
  sha1: { output: 20, block: 64 },
  sha224: { output: 28, block: 64 },
  sha256: { output: 32, block: 64 },
  sha384: { output: 48, block: 128 },
  sha512: { output: 64, block: 128 },
} as const;
export type DerivationDigest = keyof typeof SIZES;

export interface Derivation {
  readonly digest: DerivationDigest;
  readonly purpose: (typeof PURPOSE)[keyof typeof PURPOSE];
  /** As {@link bmpPassword} makes it. */
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** Octets wanted. */
  readonly length: number;
}

export interface DerivationCosts {
  readonly budget: DerivationBudget;
  /** Lets other work run; called now and then, because this derivation runs on the event loop. */
  readonly breathe?: () => Promise<void>;
}

/** Hash rounds between two breaths: about 10 ms on a slow ARM core. */
const ROUNDS_PER_BREATH = 4_000;

/** UTF-16, most significant octet first, with two zero octets at the end (appendix B.1). */
export function bmpPassword(password: string): Buffer {
  return Buffer.from(`${password}\0`, "utf16le").swap16();
}

/** @throws AgentError `ERR_IMPORT_INVALID` when the iterations exceed the budget. */
export async function derivePkcs12(input: Derivation, costs: DerivationCosts): Promise<Buffer> {
  const { output, block } = SIZES[input.digest];
  const blocks = Math.ceil(input.length / output);
  costs.budget.spend(input.iterations * blocks);
  const diversifier = Buffer.alloc(block, input.purpose);
  const state = Buffer.concat([filled(input.salt, block), filled(input.password, block)]);
  const results: Buffer[] = [];
  for (let index = 0; index < blocks; index++) {
    let round = hash(input.digest, Buffer.concat([diversifier, state]), "buffer");
    for (let count = 1; count < input.iterations; count++) {
      round = hash(input.digest, round, "buffer");
      if (count % ROUNDS_PER_BREATH === 0) await costs.breathe?.();
    }
    results.push(round);
    addToEachBlock(state, filled(round, block), block);
  }
  state.fill(0);
  return Buffer.concat(results).subarray(0, input.length);
}

/** `bytes` repeated to the next multiple of `block`; nothing stays nothing. */
function filled(bytes: Uint8Array, block: number): Buffer {
  const length = block * Math.ceil(bytes.length / block);
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, bytes);
}

/** Each block of `state` becomes its sum with `addend` and 1, modulo 2^(8 * block). */
function addToEachBlock(state: Buffer, addend: Buffer, block: number): void {
  for (let start = 0; start < state.length; start += block) {
    let carry = 1;
    for (let at = block - 1; at >= 0; at--) {
      const sum = (state[start + at] ?? 0) + (addend[at] ?? 0) + carry;
      state[start + at] = sum & 0xff;
      carry = sum >> 8;
    }
  }
}
