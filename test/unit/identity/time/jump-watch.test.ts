import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type ClockJump, JumpWatch } from "#src/identity/time/jump-watch.ts";
import { FakeClock } from "../../../fakes/fake-clock.ts";
import { RecordingLog } from "../../../fakes/recording-log.ts";

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

/** A machine that can sleep: boot time goes on, monotonic time does not. */
function machine(tellsBootTime = true) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  let suspendedMs = 0;
  // Rounded as /proc/uptime is.
  const bootTimeMs = (): number => Math.round((5000 + clock.monotonicMs() + suspendedMs) / 10) * 10;
  const jumps = new JumpWatch({ clock, log, ...(tellsBootTime ? { bootTimeMs } : {}) });
  const seen: ClockJump[] = [];
  jumps.onJump((jump) => seen.push(jump));
  jumps.start();
  const sleep = (ms: number): void => {
    suspendedMs += ms;
    clock.jump(ms);
  };
  return { clock, log, jumps, seen, sleep };
}

suite("jumps of the clock", () => {
  const rows = [
    { why: "to the truth, from 1970", ms: 56 * YEAR, found: true },
    { why: "ten years ahead", ms: 10 * YEAR, found: true },
    { why: "back to 2015", ms: -11 * YEAR, found: true },
    { why: "a day back", ms: -24 * HOUR, found: true },
    { why: "five seconds", ms: 5000, found: true },
    { why: "just under five seconds is a correction", ms: -4999, found: false },
  ];
  for (const { why, ms, found } of rows) {
    test(`${found ? "seen" : "left alone"}: ${why}`, async () => {
      const { clock, log, seen } = machine();
      await clock.advance(10_000);
      const before = clock.now();
      clock.jump(ms);
      await clock.advance(20_000);
      assert.deepEqual(
        seen,
        found
          ? [{ kind: "jump", fromMs: before + 20_000, toMs: before + 20_000 + ms, sizeMs: ms }]
          : [],
      );
      assert.deepEqual(
        log.of("time.jumped").map((fields) => [fields["jump_ms"], fields["direction"]]),
        found ? [[ms, ms > 0 ? "forwards" : "backwards"]] : [],
      );
    });
  }

  test("a quiet day is quiet, also while the loop is late", async () => {
    const { clock, seen } = machine();
    await clock.advance(24 * HOUR);
    clock.skip(3 * HOUR);
    await clock.advance(HOUR);
    assert.deepEqual(seen, []);
  });

  test("a machine that slept is no jump, and its sleep counts as time", async () => {
    const { clock, log, jumps, seen, sleep } = machine();
    const before = jumps.steadyMs();
    sleep(8 * HOUR);
    assert.equal(jumps.steadyMs() - before, 8 * HOUR);
    await clock.advance(30_000);
    assert.deepEqual(
      seen.map(({ kind, sizeMs }) => [kind, sizeMs]),
      [["suspend", 8 * HOUR]],
    );
    assert.equal(log.of("time.jumped").length, 0);
  });

  test("slept, and woke with a wrong clock: both are said", async () => {
    const { clock, seen, sleep } = machine();
    sleep(8 * HOUR);
    clock.jump(-YEAR);
    await clock.advance(30_000);
    assert.deepEqual(
      seen.map(({ kind, sizeMs }) => [kind, sizeMs]),
      [
        ["suspend", 8 * HOUR],
        ["jump", -YEAR],
      ],
    );
  });

  test("without boot time, sleep looks like a jump, and the log says that it may be one", async () => {
    const { clock, log, seen, sleep } = machine(false);
    sleep(8 * HOUR);
    await clock.advance(30_000);
    assert.equal(seen[0]?.kind, "jump");
    assert.equal(log.of("time.jumped")[0]?.["maybe_suspended"], true);
  });

  test("ends with its owner", () => {
    const { clock, jumps } = machine();
    jumps[Symbol.dispose]();
    assert.equal(clock.timers, 0);
  });
});
