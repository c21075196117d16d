import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateFleet } from "../fakes/sim-run.ts";

const DAY_MS = 86_400_000;

test("a fleet whose authority returns after a day is back within the hour, and without a rush", {
  timeout: 120_000,
}, async (context) => {
  const report = await simulateFleet({ devices: 1000, outageMs: DAY_MS, seed: 1 }, 110_000);
  const { perMinute, returnMinute, recoveryMinutes, averagePerMinute, waiting } = report;
  const recovery = perMinute.slice(returnMinute, returnMinute + recoveryMinutes);
  const most = Math.max(...recovery);
  context.diagnostic(`${most} in a minute, ${averagePerMinute.toFixed(1)} on average`);
  assert.equal(waiting, 1000);
  assert.ok(recoveryMinutes <= 60, `${recoveryMinutes} minutes`);
  // every device asks once: nobody who has a certificate comes again
  assert.equal(
    recovery.reduce((sum, each) => sum + each, 0),
    waiting,
  );
  assert.ok(most <= 3 * averagePerMinute, `${most} a minute, ${averagePerMinute} on average`);
  // and while it was away nobody hammered: with a cap of 30 minutes about 4 in an hour and device
  const before = perMinute.slice(returnMinute - 60, returnMinute);
  assert.ok(before.reduce((sum, each) => sum + each, 0) <= 5.5 * waiting);
});
