import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatOutages,
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
  assert.deepEqual(parseOutages(formatOutages(record)), record);
  assert.equal(longestOutageMs(record, T0), HOUR_MS);
  for (const text of ["", "{", "null", "[]", '{"version":2,"past":[]}', '{"version":1,"past":1}']) {
    assert.deepEqual(parseOutages(Buffer.from(text)), NO_OUTAGES, text);
  }
  const hostile =
    '{"version":1,"past":[{"endedAt":1,"lengthMs":1e300},{"endedAt":"x"},5],"since":-1}';
  assert.deepEqual(parseOutages(Buffer.from(hostile)), NO_OUTAGES);
});
