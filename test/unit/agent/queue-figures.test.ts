import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { countByKind, oldestWaitingMs } from "#src/agent/queue-figures.ts";
import type { Intent, IntentKind, IntentState } from "#src/queue/intent.ts";

const NOW = Date.UTC(2026, 5, 1);

function intent(kind: IntentKind, state: IntentState, createdAt = NOW): Intent {
  return {
    ...{ id: `${kind}-1`, kind, state, createdAt, epoch: "0", generation: 1, attempts: 0 },
    ...{ step: undefined, object: undefined, lastError: undefined, nextAttemptAt: NOW },
  };
}

suite("what the queue holds", () => {
  test("by kind and state, and nothing of what there is none of", () => {
    const held = [
      intent("report", "waiting"),
      intent("renew", "running"),
      intent("report", "waiting"),
      intent("report", "failed"),
    ];
    assert.deepEqual(countByKind(held), [
      { kind: "report", state: "waiting", count: 2 },
      { kind: "renew", state: "running", count: 1 },
      { kind: "report", state: "failed", count: 1 },
    ]);
    assert.deepEqual(countByKind([]), []);
  });

  const rows = [
    { held: [], ms: null, why: "nothing is there" },
    { held: [intent("renew", "running", 0)], ms: null, why: "what runs does not wait" },
    { held: [intent("renew", "failed", 0)], ms: null, why: "what is given up neither" },
    {
      held: [intent("report", "waiting", NOW - 5), intent("renew", "waiting", NOW - 90_000)],
      ms: 90_000,
      why: "the oldest counts",
    },
    { held: [intent("renew", "waiting", NOW + 5_000)], ms: 0, why: "the clock went back" },
  ];
  for (const { held, ms, why } of rows) {
    test(`oldest: ${why}`, () => assert.equal(oldestWaitingMs(held, NOW), ms));
  }
});
