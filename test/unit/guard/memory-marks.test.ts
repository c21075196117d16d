import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type MemoryLevel, MemoryPressure, marksFor } from "#src/guard/memory-marks.ts";

const MIB = 1024 * 1024;
const pressure = (): MemoryPressure => new MemoryPressure(marksFor(64 * MIB));

suite("water marks on anonymous memory", () => {
  test("stand at what the program's pages leave of the limit", () => {
    assert.deepEqual(marksFor(64 * MIB), {
      refuse: 44 * MIB,
      shed: 47 * MIB,
      close: 49 * MIB,
      brink: 56 * MIB,
    });
    assert.deepEqual(marksFor(96 * MIB), {
      refuse: 76 * MIB,
      shed: 79 * MIB,
      close: 81 * MIB,
      brink: 88 * MIB,
    });
  });

  test("a limit that is too small leaves marks above an agent at rest, in their order", () => {
    assert.deepEqual(marksFor(32 * MIB), {
      refuse: 24 * MIB,
      shed: 27 * MIB,
      close: 29 * MIB,
      brink: 32 * MIB,
    });
  });

  const STEPS: readonly { why: string; mib: readonly number[]; level: MemoryLevel }[] = [
    { why: "far below", mib: [30], level: "calm" },
    { why: "at a mark is not above it", mib: [44], level: "calm" },
    { why: "above the first", mib: [44.1], level: "refusing" },
    { why: "above the second", mib: [47.1], level: "shedding" },
    { why: "above the third, at once", mib: [60], level: "closing" },
    { why: "just below a mark the level stays", mib: [44.1, 43.5], level: "refusing" },
    { why: "a MiB below it ends", mib: [44.1, 42.9], level: "calm" },
    { why: "falls by more than one at once", mib: [60, 30], level: "calm" },
    { why: "falls to the level whose slack it is in", mib: [60, 46.5], level: "shedding" },
    { why: "slack never raises a level", mib: [43.5, 43.9], level: "calm" },
  ];
  for (const { why, mib, level } of STEPS) {
    test(why, () => {
      const marks = pressure();
      for (const at of mib) marks.measured(at * MIB, true);
      assert.equal(marks.level, level);
    });
  }

  test("without page faults a high level of memory harms nobody, up to the brink", () => {
    const marks = pressure();
    for (const [mib, level] of [
      [55, "calm"],
      [56.1, "closing"],
      [55, "calm"],
    ] as const) {
      marks.measured(mib * MIB, false);
      assert.equal(marks.level, level, `${mib}`);
    }
  });

  test("a change is told once", () => {
    const marks = pressure();
    assert.deepEqual(
      [30, 45, 45, 48, 30].map((mib) => marks.measured(mib * MIB, true)),
      [false, true, false, true, true],
    );
  });

  test("few connections are not what takes the memory: they are neither refused nor closed", () => {
    const marks = pressure();
    marks.measured(60 * MIB, true);
    assert.deepEqual(
      [31, 32, 33].map((open) => marks.refusesConnection(open)),
      [false, true, true],
    );
    assert.deepEqual(
      [31, 32, 33, 200].map((open) => marks.surplus(open, 8)),
      [0, 0, 1, 8],
    );
  });

  test("idle connections are closed on the last level only", () => {
    const marks = pressure();
    marks.measured(48 * MIB, true);
    assert.equal(marks.surplus(200, 8), 0);
  });

  const read = { endpoint: "Greeter.Hello", kind: "read" } as const;
  const write = { endpoint: "Greeter.Set", kind: "write" } as const;
  const admin = { endpoint: "Greeter.Stop", kind: "admin" } as const;
  const health = { endpoint: "Debug.Health", kind: "read" } as const;
  const SHED: readonly { mib: number; refused: readonly object[] }[] = [
    { mib: 30, refused: [] },
    { mib: 45, refused: [] },
    { mib: 48, refused: [read] },
    { mib: 60, refused: [read, write] },
  ];
  for (const { mib, refused } of SHED) {
    test(`at ${mib} MiB ${refused.length} of four kinds of calls are shed`, () => {
      const marks = pressure();
      marks.measured(mib * MIB, true);
      const no = [read, write, admin, health].filter((call) => marks.obstacle(call) !== undefined);
      assert.deepEqual(no, refused);
      assert.equal(marks.shed, refused.length);
    });
  }

  test("a call that is shed may be made again, and is told when", () => {
    const marks = pressure();
    marks.measured(60 * MIB, true);
    const error = marks.obstacle(read);
    assert.equal(error?.status, 503);
    assert.equal(error?.retry, true);
    assert.equal(error?.fields["retry_after_ms"], 2000);
  });

  test("without a limit nothing is refused, however much there is", () => {
    const marks = new MemoryPressure(undefined);
    marks.measured(10_000 * MIB, true);
    assert.equal(marks.refusesConnection(1000), false);
    assert.equal(marks.obstacle(read), undefined);
    assert.equal(marks.surplus(1000, 8), 0);
  });
});
