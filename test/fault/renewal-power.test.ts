import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateCuts } from "../fakes/sim-run.ts";

const FULL = process.env["TEST_FULL"] === "1";

test("the power goes at any step of a renewal: it goes on, one key and one certificate for the intent", {
  timeout: 300_000,
}, async (context) => {
  const worlds = FULL ? [0, 1, 2, 3, 4, 5, 6] : [0, 1, 5];
  const { steps, starts, violations } = await simulateCuts({ worlds }, 290_000);
  context.diagnostic(`${steps} steps, ${starts} starts`);
  assert.ok(steps >= 30, `${steps} steps`);
  assert.deepEqual(violations, []);
});

test("a device that keeps its new key in memory only is caught", { timeout: 300_000 }, async () => {
  const { violations } = await simulateCuts({ worlds: [0], naive: true }, 290_000);
  assert.ok(violations.some((words) => words.includes("2 certificates for one intent")));
});
