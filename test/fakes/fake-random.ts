/** Randomness that repeats: a small linear generator for draws, zeros-and-up for bytes. */
import type { Random } from "#src/host/random.ts";

export class FakeRandom implements Random {
  #state: number;

  constructor(seed = 1) {
    this.#state = seed >>> 0;
  }

  draw(): number {
    // Numerical Recipes' constants; good enough to be fair over thousands of draws.
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.draw() * 256));
  }
}
