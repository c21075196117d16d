import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RecordWatch } from "#src/transport/record-watch.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const KIB = 1024;

const CASES = [
  { why: "silence", raw: 0, held: 0, wasted: false },
  { why: "key updates", raw: 300 * KIB, held: 0, wasted: true },
  { why: "a few key updates, as long connections send", raw: 200 * KIB, held: 0, wasted: false },
  { why: "records of one byte", raw: 460 * KIB, held: 20 * KIB, wasted: true },
  { why: "small requests in a hurry", raw: 1200 * KIB, held: 1000 * KIB, wasted: false },
];

suite("records that carry nothing", () => {
  for (const { why, raw, held, wasted } of CASES) {
    test(`${why}: ${wasted ? "told, once" : "fine"}`, async () => {
      const clock = new FakeClock();
      const told: unknown[] = [];
      const watch = new RecordWatch(clock, (peer) => told.push(peer));
      const before = { raw: { bytesRead: 10_000_000 }, socket: { bytesRead: 1 } };
      watch.watch(before);
      before.raw.bytesRead += raw;
      before.socket.bytesRead += held;
      await clock.advance(5_000);
      assert.deepEqual(told, wasted ? [before] : []);
      before.raw.bytesRead += raw;
      before.socket.bytesRead += held;
      await clock.advance(5_000);
      assert.deepEqual(told, wasted ? [before] : [], "each span counts for itself");
      watch[Symbol.dispose]();
    });
  }

  test("who has gone is not looked at, and nobody keeps a timer", async () => {
    const clock = new FakeClock();
    const watch = new RecordWatch(clock, () => assert.fail("told"));
    const peer = { raw: { bytesRead: 0 }, socket: { bytesRead: 0 } };
    watch.watch(peer);
    watch.forget(peer);
    peer.raw.bytesRead = 1_000_000;
    await clock.advance(60_000);
  });
});
