/**
 * The only source of randomness in the agent, so that tests can fix it.
 */
import { randomBytes } from "node:crypto";

export interface Random {
  /** Uniform in [0, 1); for jitter and choices, not for secrets. */
  draw(): number;
  /** Cryptographically strong bytes. */
  bytes(length: number): Uint8Array;
}

export const systemRandom: Random = {
  draw: () => Math.random(),
  bytes: (length) => randomBytes(length),
};

/** A short identifier that a person can read out and search for: 16 hexadecimal digits. */
export function correlationId(random: Random): string {
  return Buffer.from(random.bytes(8)).toString("hex");
}
