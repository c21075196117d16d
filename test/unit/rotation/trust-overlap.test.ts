import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { TimeState } from "#src/identity/time/time-view.ts";
import {
  corrected,
  droppedFrom,
  formatOverlap,
  hasSameAuthorities,
  isOver,
  type OverlapAnchor,
  overlapOf,
  parseOverlap,
  remainder,
  watch,
} from "#src/rotation/trust-overlap.ts";
import { testPki } from "../../fakes/certificates.ts";

const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 5, 1);
const [a, b, c] = (
  await Promise.all(["A", "B", "C"].map((name) => testPki(`Root ${name}`, T0)))
).map(({ caPem }) => caPem) as [string, string, string];

const view = (hours: number, state: TimeState = "network", clockWrong = false) => ({
  state,
  nowMs: T0 + hours * HOUR,
  floorMs: 0,
  clockWrong,
  words: undefined,
});

suite("when a window of ten hours is over", () => {
  const { overlap } = overlapOf(a, b, T0, 10 * HOUR);
  /** Each row: readings in order [hours of the wall clock, hours this process has run, state]. */
  type Reading = readonly [wall: number, ran: number, state?: TimeState, wrong?: boolean];
  const rows: readonly { why: string; readings: readonly Reading[]; over: boolean }[] = [
    {
      why: "not yet",
      readings: [
        [0, 0],
        [9.9, 9.9],
      ],
      over: false,
    },
    {
      why: "in time",
      readings: [
        [0, 0],
        [10, 10],
      ],
      over: true,
    },
    { why: "the process started after the end", readings: [[11, 0]], over: true },
    {
      why: "the clock jumps ten years ahead",
      readings: [
        [0, 0],
        [87_600, 1],
      ],
      over: false,
    },
    {
      why: "the clock jumps ahead, and an authority vouches for it",
      readings: [
        [0, 0],
        [87_600, 1, "authenticated"],
      ],
      over: true,
    },
    {
      why: "the clock is past the end, but known to be wrong",
      readings: [[11, 0, "network", true]],
      over: false,
    },
    { why: "nobody knows the time", readings: [[11, 0, "unknown"]], over: false },
    {
      why: "nobody knows the time, and the process has run for the whole window",
      readings: [
        [-400_000, 0, "unknown"],
        [-399_990, 10, "unknown"],
      ],
      over: true,
    },
    {
      why: "the clock stands at 1970",
      readings: [
        [-490_000, 0, "floor"],
        [-490_000, 1, "floor"],
      ],
      over: false,
    },
    {
      why: "the clock is set right after a start in 1970, past the end",
      readings: [
        [-490_000, 0, "floor"],
        [12, 1],
      ],
      over: true,
    },
    {
      why: "the clock is set right after a start in 1970, before the end",
      readings: [
        [-490_000, 0, "floor"],
        [2, 1],
      ],
      over: false,
    },
    {
      why: "the clock goes back: longer, never shorter",
      readings: [
        [5, 0],
        [1, 6],
      ],
      over: false,
    },
  ];
  for (const { why, readings, over } of rows) {
    test(`${why}: ${over ? "over" : "not over"}`, () => {
      let anchor: OverlapAnchor | undefined;
      let said = false;
      for (const [wall, ran, state, wrong] of readings) {
        anchor = watch(anchor, view(wall, state, wrong), ran * HOUR);
        said = isOver(overlap, view(wall, state, wrong), anchor, ran * HOUR);
      }
      assert.equal(said, over);
    });
  }
});

suite("bundles", () => {
  test("both as one, new first, nothing twice; and back to the new alone", () => {
    const { bundlePem, overlap } = overlapOf(a + c, b + c, T0, HOUR);
    assert.equal(bundlePem, b + c + a);
    assert.equal(remainder(bundlePem, overlap), b + c);
    assert.deepEqual(droppedFrom(bundlePem, b + c), overlap.leaving);
  });

  const { overlap } = overlapOf(a, b, T0, HOUR);
  for (const { bundle, why } of [
    { bundle: b, why: "what should leave has left" },
    { bundle: a, why: "the old bundle is in force again: nothing would remain" },
    { bundle: a + c, why: "somebody decided anew" },
  ]) {
    test(`the note is void when ${why}`, () => assert.equal(remainder(bundle, overlap), undefined));
  }

  test("the order of authorities is no difference", () => {
    assert.equal(hasSameAuthorities(a + b, b + a), true);
    assert.equal(hasSameAuthorities(a + b, a), false);
    assert.equal(hasSameAuthorities(a, a + b), false);
  });
});

suite("the note", () => {
  const { overlap } = overlapOf(a, b, T0, HOUR);
  test("comes back as it was written", () =>
    assert.deepEqual(parseOverlap(formatOverlap(overlap)), overlap));
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    JSON.stringify({ ...overlap, version: 2 }),
    JSON.stringify({ ...overlap, version: 1, until: "soon" }),
    JSON.stringify({ ...overlap, version: 1, leaving: [1] }),
  ]) {
    test(`${text.slice(0, 40)} is none`, () =>
      assert.equal(parseOverlap(new TextEncoder().encode(text)), undefined));
  }
});

suite("a window of ten hours that a wrong clock began", () => {
  const { overlap } = overlapOf(a, b, T0, 10 * HOUR);
  const rows: readonly {
    readonly why: string;
    /** Hours of the clock when it began, and now. */
    readonly began: number;
    readonly now: number;
    readonly state?: TimeState;
    readonly leastHours?: number;
    /** Its end, hours. */
    readonly ends: number;
  }[] = [
    { why: "it was right", began: 0, now: 5, ends: 10 },
    { why: "it is over: nothing to correct", began: 0, now: 50, ends: 10 },
    {
      why: "decades ahead: the end is no later than ten hours from now",
      began: 9e5,
      now: 0,
      ends: 10,
    },
    { why: "ahead, and nobody knows better", began: 9e5, now: 0, state: "unknown", ends: 9e5 + 10 },
    { why: "set back a little: no reason to write", began: 0.5, now: 0, ends: 10.5 },
    { why: "years behind: ten hours from now", began: -9e4, now: 0, leastHours: 10, ends: 10 },
    { why: "behind, and longer than it must be", began: -1, now: 0, leastHours: 2, ends: 9 },
    {
      why: "behind, and nobody knows better",
      began: -9e4,
      now: 0,
      leastHours: 10,
      state: "floor",
      ends: -9e4 + 10,
    },
  ];
  for (const { why, began, now, state, leastHours, ends } of rows) {
    test(why, () => {
      const least = leastHours === undefined ? {} : { leastMs: leastHours * HOUR };
      const kept = parseOverlap(
        formatOverlap({ ...overlap, until: T0 + (began + 10) * HOUR, ...least }),
      );
      assert.ok(kept !== undefined);
      const right = corrected(kept, view(now, state));
      assert.equal((right.until - T0) / HOUR, ends);
      assert.equal(corrected(right, view(now, state)), right, "corrected once");
    });
  }
});
