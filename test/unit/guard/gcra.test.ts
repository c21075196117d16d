import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { afterOne, paceOf, type Rate, untilFit, withinLimit } from "#src/guard/gcra.ts";

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** One bucket over its life. */
class Bucket {
  readonly #pace;
  #fullAt = 0;

  constructor(rate: Rate) {
    this.#pace = paceOf(rate);
  }

  /** What a call is told: 0 if it may go on. */
  take(nowMs: number): number {
    this.#fullAt = withinLimit(this.#fullAt, this.#pace, nowMs);
    const wait = untilFit(this.#fullAt, this.#pace, nowMs);
    if (wait === 0) this.#fullAt = afterOne(this.#fullAt, this.#pace, nowMs);
    return wait;
  }
}

suite("GCRA, 10 a second, burst 3", () => {
  // Each row is one call, in order.
  const calls = [
    { at: 0, wait: 0, why: "starts full" },
    { at: 0, wait: 0, why: "the burst may be spent at once" },
    { at: 0, wait: 0, why: "all of it" },
    { at: 0, wait: 100, why: "empty: one call is 100 ms away" },
    { at: 50, wait: 50, why: "fills continuously, and a refused call costs nothing" },
    { at: 100, wait: 0, why: "exactly filled" },
    { at: 100, wait: 100, why: "by one" },
    { at: 60_000, wait: 0, why: "never holds" },
    { at: 60_000, wait: 0, why: "more than" },
    { at: 60_000, wait: 0, why: "the burst" },
    { at: 60_000, wait: 100, why: "so it is spent now" },
    { at: 30_000, wait: 100, why: "a clock that stepped back adds nothing" },
    { at: 30_100, wait: 0, why: "and shuts nobody out until it has caught up" },
  ];

  test("calls in order", async (t) => {
    const bucket = new Bucket({ rate: 10, burst: 3, waitMs: 0 });
    for (const { at, wait, why } of calls) {
      await t.test(`t=${at}: ${why}`, () => assert.equal(bucket.take(at), wait));
    }
  });
});

/**
 * The same bucket in whole numbers: time in microseconds times the rate, so that one call is exactly a
 * million units and nothing is ever rounded.
 */
class ExactBucket {
  readonly #rate: bigint;
  readonly #burst: bigint;
  #fullAt = 0n;

  constructor(rate: number, burst: number) {
    this.#rate = BigInt(rate);
    this.#burst = BigInt(burst) * 1_000_000n;
  }

  /** Units until a call fits; 0 or less: it fits. */
  excess(nowUs: bigint): bigint {
    const ahead = this.#fullAt - nowUs * this.#rate;
    return (ahead > 0n ? ahead : 0n) + 1_000_000n - this.#burst;
  }

  spend(nowUs: bigint): void {
    const now = nowUs * this.#rate;
    if (this.#fullAt < now) this.#fullAt = now;
    this.#fullAt += 1_000_000n;
  }
}

suite("GCRA against exact arithmetic", () => {
  const starts = [
    { startMs: 0, toleranceUs: 1.1, why: "a young process" },
    { startMs: TEN_YEARS_MS, toleranceUs: 10, why: "ten years of uptime" },
  ];
  for (const { startMs, toleranceUs, why } of starts) {
    test(`${why}: every decision and every wait is right to ${toleranceUs} µs`, () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 10_000 }),
          fc.integer({ min: 1, max: 50 }),
          fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 }),
          (rate, burst, gaps) => {
            const bucket = new Bucket({ rate, burst, waitMs: 0 });
            const exact = new ExactBucket(rate, burst);
            let nowUs = BigInt(startMs) * 1000n;
            for (const gap of gaps) {
              nowUs += BigInt(gap * 1_000_000) / BigInt(rate) / 100n;
              const excessUs = Number(exact.excess(nowUs)) / rate;
              const wait = bucket.take(Number(nowUs) / 1000);
              // within the tolerance of the boundary either decision is right
              if (Math.abs(excessUs) > toleranceUs) assert.equal(wait === 0, excessUs <= 0);
              if (wait > 0) assert.ok(Math.abs(wait * 1000 - excessUs) < toleranceUs);
              else exact.spend(nowUs);
            }
          },
        ),
        { numRuns: 300, seed: 11 },
      );
    });
  }

  const floods = [
    { rate: 20, burst: 40, startMs: 0 },
    { rate: 3, burst: 1, startMs: 0 },
    { rate: 0.5, burst: 5, startMs: 0 },
    { rate: 997, burst: 100, startMs: TEN_YEARS_MS },
    { rate: 100_000, burst: 1000, startMs: TEN_YEARS_MS },
  ];
  for (const { rate, burst, startMs } of floods) {
    test(`10 s of flood at ${rate}/s, burst ${burst}, from ${startMs} ms: burst + 10 s of rate`, () => {
      const bucket = new Bucket({ rate, burst, waitMs: 0 });
      let allowed = 0;
      const steps = Math.ceil(rate * 40);
      for (let step = 0; step < steps; step++) {
        if (bucket.take(startMs + (step * 10_000) / steps) === 0) allowed++;
      }
      // the last of them is earned at the end of the ten seconds, and the highest rate is rounded
      const due = burst + rate * 10;
      assert.ok(Math.abs(allowed - due) <= 1 + due * 0.007, `${allowed} of ${due}`);
    });
  }
});

suite("withinLimit", () => {
  const pace = paceOf({ rate: 10, burst: 3, waitMs: 500 });
  const rows = [
    { fullAt: 0, kept: 0, why: "a full bucket is what it is" },
    { fullAt: 1250, kept: 1250, why: "so is one in use" },
    { fullAt: 1800, kept: 1800, why: "or one that calls wait for, up to the wait that is allowed" },
    { fullAt: 1801, kept: 1300, why: "further than the limit allows: empty, and fills from now" },
  ];
  for (const { fullAt, kept, why } of rows) {
    test(why, () => assert.equal(withinLimit(fullAt, pace, 1000), kept));
  }
});
