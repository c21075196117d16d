/**
 * Verified OCSP answers by certificate, bounded. An answer never gives way to an older one, and one that
 * says "revoked" never gives way for want of room.
 */
import type { OcspAnswer } from "./ocsp-response.ts";
import { refuse } from "./refusal.ts";

export interface KeptAnswer extends OcspAnswer {
  /** Responder, or `staple`. */
  readonly source: string;
  /** Steady milliseconds until which it is fresh whatever the clock says; `undefined`: its dates count. */
  readonly freshUntil?: number | undefined;
}

/** Some 200 bytes each. */
export const MAX_ANSWERS = 1_024;

export class OcspAnswers {
  /** Last taken at the end. */
  readonly #answers = new Map<string, KeptAnswer>();

  get size(): number {
    return this.#answers.size;
  }

  /** @param fingerprint Of the certificate. */
  get(fingerprint: string): KeptAnswer | undefined {
    return this.#answers.get(fingerprint);
  }

  /** @throws AgentError `ERR_REVOCATION_SOURCE` for an answer older than the one that is kept, or no room. */
  put(fingerprint: string, answer: KeptAnswer): void {
    const old = this.#answers.get(fingerprint);
    if (old !== undefined && answer.thisUpdate < old.thisUpdate) {
      throw refuse("went-back", "the answer is older than the last one");
    }
    this.#answers.delete(fingerprint);
    if (this.#answers.size >= MAX_ANSWERS) this.#makeRoom(answer);
    this.#answers.set(fingerprint, answer);
  }

  clear(): void {
    this.#answers.clear();
  }

  #makeRoom({ status }: KeptAnswer): void {
    for (const [fingerprint, kept] of this.#answers) {
      if (kept.status === "revoked") continue;
      this.#answers.delete(fingerprint);
      return;
    }
    const words = `${MAX_ANSWERS} revoked certificates are remembered; there is no room for one more (${status})`;
    throw refuse("too-large", words);
  }
}
