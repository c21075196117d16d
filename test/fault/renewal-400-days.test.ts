/**
 * Four hundred days: a device with the real store, queue, trusted time, policy and rotator, in a world of
 * outages up to 60 days, an authority that breaks off in the middle of an answer, two changes of roots while
 * it is away, clocks lost at boot and power cuts at any step of the disk. TEST_FULL=1 lives many lives.
 *
 * A certificate may end only when the authority was out of reach until then; then the device is back within
 * an hour, unaided. No intent ever asks for two keys. Attempts and bytes are bounded, and reported.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateLife } from "../fakes/sim-run.ts";

const DAY_MS = 86_400_000;
const FULL = process.env["TEST_FULL"] === "1";

interface Life {
  readonly name: string;
  readonly lifetimeMs: number;
  readonly days: number;
  readonly seeds: readonly number[];
  readonly fullSeeds: number;
  /** So many renewals at least, or nothing was tried. */
  readonly renewals: number;
  /** Attempts in the worst day: of back-off with a cap of 30 minutes about 96, and of short lives the renewals. */
  readonly mostAttempts: number;
}

const LIVES: readonly Life[] = [
  {
    ...{ name: "an hour", lifetimeMs: DAY_MS / 24, days: 6, seeds: [2], fullSeeds: 12 },
    ...{ renewals: 30, mostAttempts: 260 },
  },
  {
    ...{ name: "30 days", lifetimeMs: 30 * DAY_MS, days: 400, seeds: [1], fullSeeds: 20 },
    ...{ renewals: 10, mostAttempts: 160 },
  },
  {
    ...{ name: "90 days", lifetimeMs: 90 * DAY_MS, days: 400, seeds: [1], fullSeeds: 20 },
    ...{ renewals: 3, mostAttempts: 160 },
  },
  {
    ...{ name: "365 days", lifetimeMs: 365 * DAY_MS, days: 400, seeds: [1], fullSeeds: 20 },
    ...{ renewals: 1, mostAttempts: 160 },
  },
];

for (const { name, lifetimeMs, days, seeds, fullSeeds, renewals, mostAttempts } of LIVES) {
  const all = FULL ? Array.from({ length: fullSeeds }, (_, index) => index + 1) : seeds;
  for (const seed of all) {
    const title = `${days} days with certificates of ${name}, life ${seed}`;
    test(title, { timeout: 600_000 }, async (context) => {
      const report = await simulateLife({ seed, lifetimeMs, days: FULL ? 400 : days }, 590_000);
      const { violations, ...figures } = report;
      context.diagnostic(JSON.stringify(figures));
      assert.deepEqual(violations, []);
      assert.ok(report.renewals >= renewals, `${report.renewals} renewals`);
      assert.ok(report.powerCuts > 0 && report.outageDays > 0, "weather");
      assert.ok(report.mostAttemptsInADay <= mostAttempts, `${report.mostAttemptsInADay}`);
    });
  }
}

test("a device that never renews is noticed", { timeout: 60_000 }, async () => {
  const report = await simulateLife(
    { seed: 3, lifetimeMs: 20 * DAY_MS, days: 40, idle: true },
    55_000,
  );
  assert.ok(report.violations.some((words) => words.includes("with an authority")));
  assert.ok(report.violations.some((words) => words.includes("an hour after")));
});
