import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateFleet } from "../fakes/sim-run.ts";

const DAY_MS = 86_400_000;

const DEVICES = 100;

test("a fleet whose authority returns after a day is back within the hour, and without a rush", {
  timeout: 300_000,
}, async (context) => {
  const report = await simulateFleet({ devices: DEVICES, outageMs: DAY_MS, seed: 1 }, 290_000);
  const { perMinute, returnMinute, recoveryMinutes, waiting, certificates } = report;
  const { averagePerMinute, peakPerMinute } = report;
  const recovery = perMinute.slice(returnMinute, returnMinute + recoveryMinutes);
  context.diagnostic(`${peakPerMinute} a minute at the peak, ${averagePerMinute} on average`);
  assert.equal(waiting, DEVICES);
  assert.ok(recoveryMinutes <= 60, `${recoveryMinutes} minutes`);
  // One for each, or two where the old one had ended: first for the old key, then for a new one. Nobody
  // who has them comes again.
  assert.ok(certificates >= waiting && certificates <= 2 * waiting, `${certificates} certificates`);
  assert.ok(sum(recovery) <= 3 * waiting, `${sum(recovery)} requests`);
  assert.ok(peakPerMinute <= 3 * averagePerMinute, `${peakPerMinute}, ${averagePerMinute}`);
  // and while it was away nobody hammered: with a cap of 30 minutes about 4 in an hour and device
  const before = perMinute.slice(returnMinute - 60, returnMinute);
  assert.ok(sum(before) <= 5.5 * waiting && sum(before) >= waiting, `${sum(before)} in an hour`);
});

function sum(values: readonly number[]): number {
  return values.reduce((all, each) => all + each, 0);
}
