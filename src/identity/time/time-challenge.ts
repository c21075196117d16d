/**
 * The challenges that a time statement may answer: random, drawn since the agent started, good once and
 * for ten minutes. Bounded: a new one pushes out the oldest.
 */
import type { Random } from "../../host/random.ts";

/** What the fleet is asked to sign, with the time. */
export interface TimeChallenge {
  readonly device: string;
  readonly epoch: string;
  /** 64 hexadecimal digits. */
  readonly nonce: string;
  /** How long an answer is waited for, milliseconds. */
  readonly forMs: number;
}

/** What is known of a nonce; `drawnAt` is steady time, ms. */
export type NonceState =
  | { readonly kind: "open"; readonly drawnAt: number }
  | { readonly kind: "old" }
  | { readonly kind: "used" }
  | { readonly kind: "unknown" };

export const CHALLENGE_MS = 600_000;
const NONCE_BYTES = 32;
/** An operator and a fleet may ask at once; more is no use. */
const MAX_NONCES = 8;

export class Nonces {
  readonly #random: Random;
  readonly #drawn = new Map<string, { readonly drawnAt: number; used: boolean }>();

  constructor(random: Random) {
    this.#random = random;
  }

  draw(steadyMs: number): string {
    const nonce = Buffer.from(this.#random.bytes(NONCE_BYTES)).toString("hex");
    this.#drawn.set(nonce, { drawnAt: steadyMs, used: false });
    const [oldest] = this.#drawn.keys();
    if (this.#drawn.size > MAX_NONCES && oldest !== undefined) this.#drawn.delete(oldest);
    return nonce;
  }

  state(nonce: string, steadyMs: number): NonceState {
    const found = this.#drawn.get(nonce);
    if (found === undefined) return { kind: "unknown" };
    if (found.used) return { kind: "used" };
    if (steadyMs - found.drawnAt > CHALLENGE_MS) return { kind: "old" };
    return { kind: "open", drawnAt: found.drawnAt };
  }

  use(nonce: string): void {
    const found = this.#drawn.get(nonce);
    if (found !== undefined) found.used = true;
  }
}
