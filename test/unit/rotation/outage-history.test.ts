import assert from "node:assert/strict";
import { test } from "node:test";
import { formatNote } from "#src/identity/store/json-note.ts";
import {
  longestOutageMs,
  NO_OUTAGES,
  openOutageHistory,
  parseOutages,
} from "#src/rotation/outage-history.ts";
import { MemoryStore } from "../../fakes/memory-store.ts";

const HOUR_MS = 3_600_000;
const T0 = Date.UTC(2026, 5, 1);

async function history(store = new MemoryStore()) {
  const state = { nowMs: T0, faults: 0 };
  const opened = await openOutageHistory({
    ...{ store, nowMs: () => state.nowMs, onFault: () => (state.faults += 1) },
  });
  return { store, state, opened };
}

test("minutes of outage are not written and do not count", async () => {
  const { store, state, opened } = await history();
  await opened.failed();
  state.nowMs += HOUR_MS / 2;
  await opened.reached();
  assert.equal(opened.longestMs, 0);
  assert.deepEqual(store.writes, []);
});

test("an outage that goes on counts for as long as it has lasted, also over a restart", async () => {
  const { store, state, opened } = await history();
  await opened.failed();
  state.nowMs += 2 * HOUR_MS;
  await opened.failed();
  await opened.failed();
  assert.equal(store.writes.length, 1);
  const next = await history(store);
  next.state.nowMs = T0 + 5 * HOUR_MS;
  assert.equal(next.opened.longestMs, 5 * HOUR_MS);
  await next.opened.reached();
  assert.equal(store.writes.length, 2);
  assert.deepEqual(next.opened.record.past, [{ endedAt: T0 + 5 * HOUR_MS, lengthMs: 5 * HOUR_MS }]);
});

test("a clock that was set makes no outage", async () => {
  const { state, opened } = await history();
  await opened.failed();
  state.nowMs += 3650 * 24 * HOUR_MS;
  await opened.reached();
  assert.equal(opened.longestMs, 0);
  await opened.failed();
  state.nowMs -= 20 * 24 * HOUR_MS;
  assert.equal(opened.longestMs, 0);
  await opened.failed();
  state.nowMs += 2 * HOUR_MS;
  await opened.reached();
  assert.equal(opened.longestMs, 2 * HOUR_MS);
});

test("sixteen are kept, the oldest goes", async () => {
  const { state, opened } = await history();
  for (let hours = 20; hours > 0; hours--) {
    await opened.failed();
    state.nowMs += (hours + 1) * HOUR_MS;
    await opened.reached();
  }
  assert.equal(opened.record.past.length, 16);
  assert.equal(opened.longestMs, 17 * HOUR_MS);
});

test("a note that can't be written is told, and the history goes on in memory", async () => {
  const { store, state, opened } = await history();
  store.writeNote = async () => {
    throw new Error("no space");
  };
  await opened.failed();
  state.nowMs += 2 * HOUR_MS;
  await opened.reached();
  assert.equal(state.faults, 1);
  assert.equal(opened.longestMs, 2 * HOUR_MS);
});

test("a note comes back as it was written, and one that is none is no history", () => {
  const record = { past: [{ endedAt: T0, lengthMs: HOUR_MS }], since: T0 };
  assert.deepEqual(parseOutages(formatNote(record)), record);
  assert.equal(longestOutageMs(record, T0), HOUR_MS);
  for (const text of ["", "{", "null", "[]", '{"version":2,"past":[]}', '{"version":1,"past":1}']) {
    assert.deepEqual(parseOutages(Buffer.from(text)), NO_OUTAGES, text);
  }
  const hostile =
    '{"version":1,"past":[{"endedAt":1,"lengthMs":1e300},{"endedAt":"x"},5],"since":-1}';
  assert.deepEqual(parseOutages(Buffer.from(hostile)), NO_OUTAGES);
});

const DAY_MS = 24 * HOUR_MS;
type Tell = "ca failed" | "ca reached" | "cut off" | "reached";

for (const { steps, longest, writes, why } of [
  {
    steps: [
      [0, "cut off"],
      [DAY_MS, "cut off"],
      [2 * DAY_MS, "reached"],
    ],
    longest: 2 * DAY_MS,
    writes: 2,
    why: "a device that reaches nobody does not reach its authority either, though it never asked it",
  },
  {
    steps: [
      [0, "ca failed"],
      [DAY_MS, "reached"],
      [2 * DAY_MS, "ca failed"],
      [3 * DAY_MS, "ca reached"],
    ],
    longest: 3 * DAY_MS,
    writes: 2,
    why: "a peer that is reached ends no outage of the authority",
  },
  {
    steps: [
      [0, "cut off"],
      [5 * DAY_MS, "ca failed"],
      [6 * DAY_MS, "reached"],
      [7 * DAY_MS, "ca reached"],
    ],
    longest: 7 * DAY_MS,
    writes: 1,
    why: "one that began as an outage of everything and goes on as that of the authority is one",
  },
  {
    steps: [
      [0, "cut off"],
      [HOUR_MS / 2, "reached"],
      [HOUR_MS, "cut off"],
      [1.5 * HOUR_MS, "reached"],
    ],
    longest: 0,
    writes: 0,
    why: "minutes are neither counted nor written, however many",
  },
  {
    steps: [
      [0, "cut off"],
      [2 * DAY_MS, "cut off"],
      [3 * DAY_MS, "ca reached"],
    ],
    longest: 3 * DAY_MS,
    writes: 2,
    why: "the authority's answer ends everything",
  },
] as const satisfies readonly {
  steps: readonly (readonly [number, Tell])[];
  longest: number;
  writes: number;
  why: string;
}[]) {
  test(why, async () => {
    const { store, state, opened } = await history();
    const told: Record<Tell, () => Promise<void>> = {
      "ca failed": () => opened.failed(),
      "ca reached": () => opened.reached(),
      "cut off": () => opened.cutOff(0),
      reached: () => opened.networkReached(),
    };
    for (const [atMs, what] of steps) {
      state.nowMs = T0 + atMs;
      await told[what]();
    }
    assert.equal(opened.longestMs, longest);
    assert.equal(opened.record.since ?? opened.record.networkSince, undefined);
    assert.equal(store.writes.length, writes);
  });
}

test("a span in which nobody is reached outlives a restart", async () => {
  const { store, state, opened } = await history();
  await opened.cutOff(0);
  state.nowMs += 2 * HOUR_MS;
  await opened.cutOff(2 * HOUR_MS);
  const next = await history(store);
  next.state.nowMs = T0 + 10 * HOUR_MS;
  await next.opened.cutOff(60_000);
  assert.equal(next.opened.longestMs, 10 * HOUR_MS);
  await next.opened.networkReached();
  assert.deepEqual(next.opened.record.past, [
    { endedAt: T0 + 10 * HOUR_MS, lengthMs: 10 * HOUR_MS },
  ]);
});
