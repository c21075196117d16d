import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { BOOTS, CREDIT_NOTE, Credit, hastyInARow, isHeld } from "#src/rotation/hasty-renewals.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { MemoryStore } from "../../fakes/memory-store.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";
import { DAY_MS, RenewalRig } from "../../fakes/renewal-rig.ts";

const HOUR_MS = 3_600_000;
const LEAF = { notBefore: 100 * DAY_MS, notAfter: 130 * DAY_MS };

const ROWS: readonly {
  readonly why: string;
  readonly passedDays: number | undefined;
  readonly before: number;
  readonly hasty: number;
}[] = [
  { why: "at two thirds", passedDays: 20, before: 1, hasty: 0 },
  { why: "after outages, at a quarter", passedDays: 7.5, before: 1, hasty: 0 },
  { why: "a minute later", passedDays: 0.001, before: 0, hasty: 1 },
  { why: "and once more", passedDays: 0.001, before: 1, hasty: 2 },
  { why: "it is counted no further", passedDays: 0.001, before: 2, hasty: 2 },
  { why: "begins earlier than the one before", passedDays: -400, before: 0, hasty: 1 },
  { why: "nobody knows when the one before began", passedDays: undefined, before: 2, hasty: 0 },
];
for (const { why, passedDays, before, hasty } of ROWS) {
  test(`a renewal that came too early: ${why}`, () => {
    const beforeMs = passedDays === undefined ? undefined : LEAF.notBefore - passedDays * DAY_MS;
    assert.equal(hastyInARow(LEAF, beforeMs, before), hasty);
    assert.equal(isHeld(hasty), hasty === 2);
  });
}

function creditRig() {
  const clock = new FakeClock();
  const store = new MemoryStore();
  const log = new RecordingLog();
  return { clock, store, log, credit: () => new Credit({ store, clock, log }) };
}

test("time under power counts over restarts, and starts count", async () => {
  const { clock, credit } = creditRig();
  let one = credit();
  assert.equal(await one.isEnough("a", DAY_MS), false);
  await clock.advance(12 * HOUR_MS);
  assert.equal(await one.isEnough("a", DAY_MS), false);
  one = credit();
  await clock.advance(10 * HOUR_MS);
  // an hour for each of two starts, and twelve before; what was before the first look is not known
  assert.equal(await one.isEnough("a", DAY_MS), false);
  await clock.advance(9 * HOUR_MS);
  assert.equal(await one.isEnough("a", DAY_MS), false);
  await clock.advance(HOUR_MS);
  assert.equal(await one.isEnough("a", DAY_MS), true);
});

test("a device that does nothing but restart waits no longer than a number of starts", async () => {
  const { credit } = creditRig();
  const answers: boolean[] = [];
  for (let boot = 0; boot < BOOTS; boot++) answers.push(await credit().isEnough("a", DAY_MS));
  assert.deepEqual(answers.indexOf(true), BOOTS - 1);
});

for (const [why, text] of [
  ["not JSON", "{"],
  ["of another certificate", JSON.stringify({ version: 1, leaf: "b", ms: DAY_MS })],
  ["of a later version", JSON.stringify({ version: 2, leaf: "a", ms: DAY_MS })],
] as const) {
  test(`a note that is ${why} counts as nothing`, async () => {
    const { store, credit } = creditRig();
    await store.writeNote(CREDIT_NOTE, Buffer.from(text));
    assert.equal(await credit().isEnough("a", DAY_MS), false);
  });
}

test("a disk that takes no note is said, and time goes on to count in the next look that can be written", async () => {
  const { store, credit, log } = creditRig();
  store.failing.set("writeNote", new AgentError("ERR_STORE_IO", "EIO"));
  assert.equal(await credit().isEnough("a", DAY_MS), false);
  assert.equal(log.of("renewal.unwritten")[0]?.["note"], CREDIT_NOTE);
});

/** A device whose clock says anything after each start, and whose authority has no certificate of its own to betray that. */
async function daysOfRandomClocks(days: number, bootsPerDay: number, vouched: boolean) {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const random = new FakeRandom(7);
  let offsetMs = 0;
  const realMs = (): number => clock.now() - offsetMs;
  rig.issuer.now = realMs;
  rig.rotation.timeState = vouched ? "network" : "unknown";
  const perDay: number[] = [];
  for (let day = 0; day < days; day++) {
    const before = rig.issuer.signed.length;
    for (let boot = 0; boot < bootsPerDay; boot++) {
      const nextMs = vouched ? 0 : Math.round((random.draw() - 0.3) * 1_000 * DAY_MS);
      clock.jump(nextMs - offsetMs);
      offsetMs = nextMs;
      const agent = await rig.process();
      const stepMs = 10 * 60_000;
      for (let passed = 0; passed < DAY_MS / bootsPerDay; passed += stepMs) {
        await clock.advance(stepMs);
        await agent.watch.settled();
        const [intent] = agent.queue.due(clock.now());
        if (intent !== undefined) await agent.attempt(intent);
        await agent.watch.settled();
      }
      await agent.watch[Symbol.asyncDispose]();
      await agent.queue[Symbol.asyncDispose]();
      await agent.rotator[Symbol.asyncDispose]();
    }
    perDay.push(rig.issuer.signed.length - before);
  }
  return perDay;
}

/** 30 days of life, so a spacing of a day. */
const BOUND = (bootsPerDay: number): number => 1 + Math.ceil(bootsPerDay / BOOTS);

for (const bootsPerDay of [4, 48]) {
  test(`${bootsPerDay} starts a day, each with another clock that nobody vouches for: certificates a day are bounded`, async (context) => {
    const perDay = await daysOfRandomClocks(6, bootsPerDay, false);
    context.diagnostic(`certificates on each day: ${perDay}; bound ${BOUND(bootsPerDay)}`);
    const [first = 0, ...later] = perDay;
    assert.ok(first <= BOUND(bootsPerDay) + 2, `${perDay}`);
    assert.ok(
      later.every((each) => each <= BOUND(bootsPerDay)),
      `${perDay}`,
    );
    // and it goes on to renew
    assert.ok(later.some((each) => each > 0));
  });
}

test("a clock that somebody vouches for is not held up, and renews when it is due", async () => {
  const perDay = await daysOfRandomClocks(26, 2, true);
  assert.equal(
    perDay.reduce((sum, each) => sum + each, 0),
    1,
    `${perDay}`,
  );
});
