import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  ATTEMPT_POLICY,
  AttemptBudget,
  type AttemptBudgetOptions,
  pauseAfter,
} from "#src/queue/attempt-budget.ts";
import { leftMs, MAX_WAIT_MS, type SavedAttempts, toldAt } from "#src/queue/saved-attempts.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";

const MINUTE = 60_000;
const YEAR = 365 * 24 * 60 * MINUTE;
/** Draws the largest pause there is, so that sums are plain. */
const LARGEST = { draw: () => 0.999_999_999, bytes: (n: number) => new Uint8Array(n) };

function budgetOf(clock: FakeClock, options: Partial<AttemptBudgetOptions> = {}): AttemptBudget {
  return new AttemptBudget({
    ...{ clock, random: LARGEST, device: "device-7" },
    sinceBootMs: MINUTE,
    ...options,
  });
}

function fail(
  budget: AttemptBudget,
  work: "renewal" | "other" = "other",
  afterMs?: number,
): number {
  const attempt = budget.take(work);
  assert.ok(attempt, "an attempt is free");
  return attempt.failed(afterMs);
}

suite("the pause after failures", () => {
  const policy = { baseMs: 1000, capMs: MAX_WAIT_MS };
  const rows = [
    {
      failures: 1,
      draw: 0.5,
      after: undefined,
      pause: 500,
      why: "full jitter: half of the first bound",
    },
    { failures: 3, draw: 0.5, after: undefined, pause: 2000, why: "the bound doubles" },
    { failures: 60, draw: 0.5, after: undefined, pause: MAX_WAIT_MS / 2, why: "and is capped" },
    { failures: 1, draw: 0.5, after: 30_000, pause: 30_000, why: "Retry-After is honoured" },
    { failures: 1, draw: 0.5, after: 86_400_000, pause: MAX_WAIT_MS, why: "up to the cap" },
    { failures: 9, draw: 0.99, after: 1, pause: 253_440, why: "it never shortens our own" },
    { failures: 1, draw: 0.5, after: Number.NaN, pause: 500, why: "no number, no pause" },
    { failures: 1, draw: 0.5, after: -5, pause: 500, why: "nor a negative one" },
    {
      failures: 1,
      draw: 0.5,
      after: Number.POSITIVE_INFINITY,
      pause: MAX_WAIT_MS,
      why: "for ever is the cap",
    },
  ];
  for (const { failures, draw, after, pause, why } of rows) {
    test(why, () => assert.equal(pauseAfter(policy, failures, draw, after), pause));
  }
});

suite("a moment that was written down", () => {
  const rows = [
    { at: 10 * MINUTE, left: 10 * MINUTE, told: 10 * MINUTE, why: "still ahead" },
    { at: -1, left: 0, told: -1, why: "over" },
    { at: MAX_WAIT_MS, left: MAX_WAIT_MS, told: MAX_WAIT_MS, why: "as far as any of ours" },
    { at: MAX_WAIT_MS + 1, left: 0, told: 0, why: "further away than any: the clock jumped back" },
    { at: 10 * YEAR, left: 0, told: 0, why: "ten years away: due" },
    { at: -10 * YEAR, left: 0, told: -10 * YEAR, why: "ten years over: due" },
  ];
  const now = Date.UTC(2026, 5, 1);
  for (const { at, left, told, why } of rows) {
    test(why, () => {
      assert.equal(leftMs(now + at, now), left);
      assert.equal(toldAt(now + at, now), now + told);
    });
  }
});

suite("the attempt budget", () => {
  test("after a failure nothing of that lane is tried until the pause is over", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    const pause = fail(budget);
    assert.equal(budget.waitMs("other"), pause);
    assert.equal(budget.take("other"), undefined);
    await clock.advance(pause);
    assert.ok(budget.take("other"));
  });

  test("what fails for weeks does not hold renewal up", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    for (let count = 0; count < 20; count++) await clock.advance(fail(budget));
    fail(budget);
    assert.ok(budget.waitMs("other") > 29 * MINUTE);
    assert.equal(budget.waitMs("renewal"), 0);
  });

  test("the last attempts are for renewal alone, however many others come", () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    let others = 0;
    while (budget.take("other") !== undefined) others += 1;
    assert.equal(others, ATTEMPT_POLICY.burst - ATTEMPT_POLICY.reserved);
    let renewals = 0;
    while (budget.take("renewal") !== undefined) renewals += 1;
    assert.equal(renewals, ATTEMPT_POLICY.reserved);
    assert.ok(budget.waitMs("renewal") > 0);
  });

  test("others that take whatever they get, for an hour, leave renewal its attempts", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    let others = 0;
    for (let second = 0; second < 3600; second++) {
      while (budget.take("other") !== undefined) others += 1;
      assert.equal(budget.waitMs("renewal"), 0);
      await clock.advance(1000);
    }
    const most = ATTEMPT_POLICY.burst + 3_600_000 / ATTEMPT_POLICY.refillMs;
    assert.ok(others <= most, `${others} attempts in an hour`);
  });

  test("what a caller waits for counts, is never refused, and leaves renewal its own", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    for (let call = 0; call < 1000; call++) budget.spend();
    assert.equal(budget.spent, 1000);
    assert.ok(budget.take("other"), "what can wait is not starved by an app in a loop");
    assert.equal(budget.take("other"), undefined, "but waits");
    assert.equal(budget.waitMs("renewal"), 0);
    await clock.advance(ATTEMPT_POLICY.refillMs);
    budget.spend();
    assert.ok(budget.take("other"), "one at a time");
    assert.equal(budget.take("other"), undefined);
  });

  test("when the network is back what can wait may be tried at once; the next failure rests as long", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    for (let count = 0; count < 11; count++) await clock.advance(fail(budget));
    fail(budget);
    budget.comeBack();
    assert.equal(budget.waitMs("other"), 0);
    assert.ok(fail(budget) > 20 * MINUTE);
    for (let count = 0; count < 11; count++) await clock.advance(fail(budget, "renewal"));
    fail(budget, "renewal");
    budget.comeBack();
    assert.ok(budget.waitMs("renewal") > 20 * MINUTE, "the authority is not stormed");
  });

  test("somebody who asks for other work now leaves renewal its own as well", () => {
    const budget = budgetOf(new FakeClock());
    const taken = Array.from({ length: 40 }, () => budget.take("other", true));
    const { burst, reserved } = ATTEMPT_POLICY;
    assert.equal(taken.filter((each) => each !== undefined).length, burst - reserved);
    assert.ok(budget.take("renewal", true));
  });

  test("a success ends the back-off only when a minute has gone well", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    for (let count = 0; count < 6; count++) await clock.advance(fail(budget));
    budget.take("other")?.succeeded();
    await clock.advance(59_000);
    assert.ok(fail(budget) > 60_000, "thrown out after 59 s: the seventh in a row");
    await clock.advance(30 * MINUTE);
    budget.take("other")?.succeeded();
    await clock.advance(60_000);
    assert.ok(fail(budget) <= 1000, "thrown out after a minute: the first");
  });

  test("a success on demand in the middle of a pause ends that, too, when a minute has gone well", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    for (let count = 0; count < 11; count++) budget.take("renewal", true)?.failed();
    assert.ok(budget.waitMs("renewal") > 2 * MINUTE);
    budget.take("renewal", true)?.succeeded();
    await clock.advance(59_000);
    assert.ok(budget.waitMs("renewal") > 0);
    await clock.advance(1000);
    assert.equal(budget.waitMs("renewal"), 0);
    assert.equal(budget.save().renewal.failures, 0);
  });

  test("a quiet hour without any success is no reason to begin anew", async () => {
    const clock = new FakeClock();
    const budget = budgetOf(clock);
    for (let count = 0; count < 6; count++) await clock.advance(fail(budget));
    await clock.advance(60 * MINUTE);
    assert.ok(fail(budget) > 60_000);
  });

  test("asked for by a person, it needs no more than a token", () => {
    const budget = budgetOf(new FakeClock());
    fail(budget, "renewal");
    assert.equal(budget.take("renewal"), undefined);
    assert.ok(budget.take("renewal", true));
    while (budget.take("renewal", true) !== undefined);
    assert.equal(budget.take("renewal", true), undefined, "but that it needs");
  });

  test("after power-up each device begins in its own second of the first minute", () => {
    const waits = Array.from({ length: 1000 }, (_, number) =>
      budgetOf(new FakeClock(), { device: `device-${number}`, sinceBootMs: 0 }).waitMs("renewal"),
    );
    assert.ok(Math.max(...waits) < 60_000);
    for (let from = 0; from < 60_000; from += 10_000) {
      const share = waits.filter((wait) => wait >= from && wait < from + 10_000).length;
      assert.ok(
        share > 110 && share < 230,
        `${share} of 1000 between ${from} and ${from + 10_000}`,
      );
    }
    const [first] = waits;
    assert.equal(
      budgetOf(new FakeClock(), { device: "device-0", sinceBootMs: 0 }).waitMs("renewal"),
      first,
      "the same at every start",
    );
    const late = budgetOf(new FakeClock(), { device: "device-0", sinceBootMs: 60_000 });
    assert.equal(late.waitMs("renewal"), 0, "a restart long after the boot waits for nobody");
  });
});

suite("the attempt budget over a restart", () => {
  async function worn(clock: FakeClock): Promise<SavedAttempts> {
    const budget = budgetOf(clock);
    for (let count = 0; count < 12; count++) await clock.advance(fail(budget));
    fail(budget);
    return budget.save();
  }

  test("a crash does not make it try sooner, nor forget the failures", async () => {
    const clock = new FakeClock();
    const saved = await worn(clock);
    await clock.advance(5 * MINUTE);
    const budget = budgetOf(clock, { saved });
    assert.ok(budget.waitMs("other") > 24 * MINUTE && budget.waitMs("other") <= 25 * MINUTE);
    await clock.advance(25 * MINUTE);
    assert.ok(fail(budget) > 29 * MINUTE);
  });

  for (const [name, jump] of [
    ["ten years back", -10 * YEAR],
    ["ten years on", 10 * YEAR],
    ["to 1970", -Date.UTC(2026, 5, 1)],
  ] as const) {
    test(`a clock that jumped ${name} parks nothing`, async () => {
      const clock = new FakeClock();
      const saved = await worn(clock);
      clock.jump(jump);
      assert.equal(budgetOf(clock, { saved }).waitMs("other"), 0);
    });
    test(`while it runs, a clock that jumps ${name} changes nothing`, () => {
      const clock = new FakeClock();
      const budget = budgetOf(clock);
      const pause = fail(budget);
      clock.jump(jump);
      assert.equal(budget.waitMs("other"), pause);
    });
  }

  test("pauses are spread evenly: a thousand devices fail together, and come back apart", () => {
    const pauses = Array.from({ length: 1000 }, (_, seed) => {
      const budget = budgetOf(new FakeClock(), {
        random: new FakeRandom(seed * 7919 + 1),
        saved: {
          renewal: { failures: 11, notBeforeAt: 0 },
          other: { failures: 0, notBeforeAt: 0 },
        },
      });
      return fail(budget, "renewal");
    });
    for (let share = 0; share < 10; share++) {
      const [from, to] = [(share * MAX_WAIT_MS) / 10, ((share + 1) * MAX_WAIT_MS) / 10];
      const count = pauses.filter((pause) => pause >= from && pause < to).length;
      assert.ok(count > 50 && count < 160, `${count} between ${from} and ${to}`);
    }
  });
});
