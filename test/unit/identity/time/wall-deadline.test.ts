import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { MAX_TIMER_MS } from "#src/host/clock.ts";
import { WallDeadline } from "#src/identity/time/wall-deadline.ts";
import { FakeClock, settle } from "../../../fakes/fake-clock.ts";
import { timeRig } from "../../../fakes/trusted-time.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 5, 1);

async function waiting(options: { clockMs?: number; synchronised?: boolean; boot?: boolean } = {}) {
  const clock = new FakeClock(options.clockMs ?? NOW);
  const state = { synchronised: options.synchronised ?? false, suspendedMs: 0 };
  const bootTimeMs = (): number => clock.monotonicMs() + state.suspendedMs + 1000;
  const rig = await timeRig({
    clock,
    ...(options.boot === false ? {} : { bootTimeMs }),
    timeSync: async () => ({ synchronised: state.synchronised, words: "-" }),
  });
  rig.jumps.start();
  const written = { atMs: (NOW + 40 * DAY) as number | undefined };
  const runs: number[] = [];
  const deadline = new WallDeadline({
    name: "test",
    readMs: () => written.atMs,
    run: () => {
      runs.push(clock.now());
      written.atMs = undefined;
    },
    ...rig,
  });
  await deadline.look();
  return { ...rig, state, written, runs, deadline };
}

suite("deadlines of the wall clock", () => {
  test("forty days, which no timer of Node's can wait, are waited for by timers of an hour", async () => {
    const { clock, runs } = await waiting({ synchronised: true });
    let longest = 0;
    for (let hour = 0; hour < 40 * 24; hour++) {
      longest = Math.max(longest, clock.nextInMs ?? 0);
      await clock.advance(HOUR);
      if (hour < 40 * 24 - 1) assert.deepEqual(runs, []);
    }
    assert.ok(longest <= MAX_TIMER_MS);
    assert.deepEqual(runs, [NOW + 40 * DAY]);
  });

  test("one that is written anew takes effect within an hour, at once when told", async () => {
    const { clock, runs, written, deadline } = await waiting({ synchronised: true });
    written.atMs = NOW + 30 * 60_000;
    await clock.advance(HOUR);
    assert.deepEqual(runs, [NOW + HOUR]);
    written.atMs = clock.now() + 5000;
    await deadline.look();
    await clock.advance(5000);
    assert.equal(runs.length, 2);
  });

  test("a machine that slept over it runs it when it wakes", async () => {
    const { clock, runs, state } = await waiting();
    state.suspendedMs = 41 * DAY;
    clock.jump(41 * DAY);
    await clock.advance(30_000);
    assert.equal(runs.length, 1);
  });

  test("a jump alone makes nothing due; a time service that vouches for it does", async () => {
    const { clock, runs, state, log } = await waiting();
    clock.jump(3650 * DAY);
    await clock.advance(3 * DAY);
    assert.deepEqual(runs, []);
    assert.equal(log.of("time.deadline.held").length, 1, "said once");
    state.synchronised = true;
    await clock.advance(2 * HOUR);
    assert.equal(runs.length, 1);
  });

  test("ten years ahead and back again: nothing ran, and it runs when it is time", async () => {
    const { clock, runs } = await waiting();
    clock.jump(3650 * DAY);
    await clock.advance(DAY);
    clock.jump(-3650 * DAY);
    await clock.advance(38 * DAY);
    assert.deepEqual(runs, []);
    await clock.advance(DAY + HOUR);
    assert.equal(runs.length, 1);
  });

  for (const year of [1970, 2015]) {
    test(`a clock that says ${year}: what the build date proves to be over is over`, async () => {
      const { runs, written, deadline, clock } = await waiting({ clockMs: Date.UTC(year, 0, 1) });
      assert.deepEqual(runs, []);
      written.atMs = Date.UTC(2025, 11, 1);
      await deadline.look();
      assert.equal(runs.length, 1);
      written.atMs = Date.UTC(2026, 0, 3);
      await deadline.look();
      await clock.advance(DAY);
      assert.equal(runs.length, 1, "the proven time goes on by steady time");
      await clock.advance(DAY + HOUR);
      assert.equal(runs.length, 2);
    });
  }

  test("what fails is said, and tried again an hour later", async () => {
    const rig = await timeRig({ clock: new FakeClock(NOW) });
    let tries = 0;
    const deadline = new WallDeadline({
      name: "renewal",
      readMs: () => NOW,
      run: () => {
        tries += 1;
        throw new Error("no network");
      },
      ...rig,
    });
    await deadline.look();
    await rig.clock.advance(2 * HOUR);
    assert.equal(tries, 3);
    assert.deepEqual(rig.log.of("time.deadline.failed")[0], {
      name: "renewal",
      reason: "no network",
    });
  });

  test("one that stays over does not spin, and looks asked for meanwhile are not lost", async () => {
    const rig = await timeRig({ clock: new FakeClock(NOW) });
    const gate = Promise.withResolvers<void>();
    let reads = 0;
    let runs = 0;
    const deadline = new WallDeadline({
      name: "test",
      readMs: () => {
        reads += 1;
        return NOW;
      },
      run: async () => {
        runs += 1;
        if (runs === 1) await gate.promise;
      },
      ...rig,
    });
    void deadline.look();
    await settle();
    const second = deadline.look();
    gate.resolve();
    await second;
    assert.deepEqual([runs, reads], [2, 4]);
    await rig.clock.advance(HOUR - 1);
    assert.equal(runs, 2);
    await deadline[Symbol.asyncDispose]();
    await rig.time[Symbol.asyncDispose]();
    assert.equal(rig.clock.timers, 0);
  });
});
