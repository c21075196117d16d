import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { backoffMs } from "#src/base/backoff.ts";

suite("full-jitter back-off, base 1 s, cap 30 s", () => {
  const policy = { baseMs: 1_000, capMs: 30_000 };
  const rows = [
    { attempt: 1, draw: 0, waitMs: 0, why: "jitter begins at nothing" },
    { attempt: 1, draw: 0.5, waitMs: 500, why: "first bound is the base" },
    { attempt: 2, draw: 0.5, waitMs: 1_000, why: "the bound doubles" },
    { attempt: 5, draw: 0.999, waitMs: 15_984, why: "and doubles" },
    { attempt: 6, draw: 0.5, waitMs: 15_000, why: "until the cap" },
    { attempt: 1_000_000, draw: 0.5, waitMs: 15_000, why: "and never overflows" },
  ];
  for (const { attempt, draw, waitMs, why } of rows) {
    test(`attempt ${attempt}, draw ${draw}: ${why}`, () =>
      assert.equal(backoffMs(policy, attempt, draw), waitMs));
  }
});
