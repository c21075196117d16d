import assert from "node:assert/strict";
import { test } from "node:test";
import {
  leastWaitMs,
  longestWaitMs,
  MAX_RETRY_MS,
  type RenewalFacts,
  renewalDue,
  spacingMs,
} from "#src/rotation/renewal-policy.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T0 = Date.UTC(2026, 5, 1);

function facts(changes: Partial<RenewalFacts> & { readonly lifeMs?: number }): RenewalFacts {
  const { lifeMs = 30 * DAY, ...rest } = changes;
  return {
    ...{ notBefore: T0, notAfter: T0 + lifeMs, draw: 0.5 },
    ...{ inForceSince: undefined, longestOutageMs: 0, ...rest },
  };
}

const CASES: readonly {
  readonly why: string;
  readonly facts: RenewalFacts;
  /** Days after T0. */
  readonly days: number;
  readonly reason: string;
  readonly at?: number;
}[] = [
  { why: "the middle draw moves nothing", facts: facts({}), days: 19.8, reason: "share" },
  {
    why: "the least draw: a tenth earlier",
    facts: facts({ draw: 0 }),
    days: 17.82,
    reason: "share",
  },
  {
    why: "the greatest: a tenth later",
    facts: facts({ draw: 1 - 2 ** -32 }),
    ...{ days: 21.78, reason: "share" },
  },
  {
    why: "ten years",
    facts: facts({ lifeMs: 3650 * DAY }),
    ...{ days: 2409, reason: "share" },
  },
  {
    why: "one hour",
    facts: facts({ lifeMs: HOUR }),
    ...{ days: 0.66 / 24, reason: "share" },
  },
  {
    why: "a share near the end is not moved beyond it",
    facts: facts({ draw: 0.9 }),
    ...{ at: 0.94, days: 28.5, reason: "share" },
  },
  {
    why: "five days of outage want fifteen and a bit of margin",
    facts: facts({ longestOutageMs: 5 * DAY }),
    ...{ days: 30 - 15.75, reason: "outages" },
  },
  {
    why: "one day of outage wants less margin than the share leaves",
    facts: facts({ longestOutageMs: DAY }),
    ...{ days: 19.8, reason: "share" },
  },
  {
    why: "60 days of outage: not before a quarter, or it renews for ever",
    facts: facts({ longestOutageMs: 60 * DAY }),
    ...{ days: 30 * 0.25 * 1.05, reason: "outages" },
  },
  {
    why: "it came in force when most of its life was over: spaced, for there may be a loop",
    facts: facts({ inForceSince: T0 + 25 * DAY }),
    ...{ days: 26, reason: "spacing" },
  },
  {
    why: "it came in force with an hour left: not spaced beyond the middle of it",
    facts: facts({ inForceSince: T0 + 30 * DAY - HOUR }),
    ...{ days: 30 - 0.5 / 24, reason: "spacing" },
  },
  {
    why: "it had ended when it came in force",
    facts: facts({ inForceSince: T0 + 40 * DAY }),
    ...{ days: 41, reason: "spacing" },
  },
  {
    why: "it ends before it begins: replaced, a minute apart",
    facts: facts({ lifeMs: -DAY, inForceSince: T0 }),
    ...{ days: 1 / 1440, reason: "dates" },
  },
  {
    why: "a life of no length",
    facts: facts({ lifeMs: 0, inForceSince: T0 }),
    ...{ days: 1 / 1440, reason: "dates" },
  },
  {
    why: "a life shorter than the spacing: a minute apart and no loop",
    facts: facts({ lifeMs: 10_000, inForceSince: T0 }),
    ...{ days: 1 / 1440, reason: "spacing" },
  },
];

for (const { why, facts, days, reason, at = 0.66 } of CASES) {
  test(`renewal is due: ${why}`, () => {
    const due = renewalDue({ at }, facts);
    assert.equal(due.reason, reason);
    assert.ok(Math.abs(due.dueAt - (T0 + days * DAY)) < 2, `${(due.dueAt - T0) / DAY} days`);
  });
}

test("a fleet that was made at one moment does not renew at one moment", () => {
  const moments = Array.from({ length: 1000 }, (_, index) =>
    renewalDue({ at: 0.66 }, facts({ draw: index / 1000 })),
  ).map(({ dueAt }) => dueAt);
  const spread = Math.max(...moments) - Math.min(...moments);
  assert.ok(spread > 0.13 * 30 * DAY, `${spread / DAY} days`);
});

test("least spacing is never below a minute and never above a day", () => {
  assert.equal(spacingMs(1), 60_000);
  assert.equal(spacingMs(-1), 60_000);
  assert.equal(spacingMs(HOUR), 360_000);
  assert.equal(spacingMs(3650 * DAY), DAY);
});

test("the longest wait shrinks towards the end of a life, and is the cap after it", () => {
  const rows: readonly [leftMs: number, lifeMs: number, ms: number][] = [
    [10 * DAY, 30 * DAY, MAX_RETRY_MS],
    [HOUR, 30 * DAY, HOUR / 4],
    [60_000, 30 * DAY, 300_000],
    [20 * 60_000, HOUR, 300_000],
    [30_000, HOUR, 30_000],
    [0, HOUR, MAX_RETRY_MS],
    [-DAY, HOUR, MAX_RETRY_MS],
  ];
  for (const [left, life, ms] of rows) assert.equal(longestWaitMs(left, life), ms);
});

test("what an answer asks for counts, spread and up to the cap", () => {
  assert.equal(leastWaitMs(undefined, false, 0.5), undefined);
  assert.equal(leastWaitMs(60_000, false, 0.5), 120_000);
  assert.equal(leastWaitMs(DAY, false, 0.5), MAX_RETRY_MS);
  assert.equal(leastWaitMs(-5, false, 0), 0);
  assert.equal(leastWaitMs(undefined, true, 0), MAX_RETRY_MS / 2);
});
