import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Due, DueTimer } from "#src/rpc/server/due-timer.ts";
import { FakeClock } from "../../../fakes/fake-clock.ts";

class Watched implements Due {
  dueAt: number;
  readonly fired: number[] = [];
  readonly #next: (nowMs: number) => number;

  constructor(dueAt: number, next: (nowMs: number) => number = () => Number.POSITIVE_INFINITY) {
    this.dueAt = dueAt;
    this.#next = next;
  }

  onDue(nowMs: number): void {
    this.fired.push(nowMs);
    this.dueAt = this.#next(nowMs);
  }
}

suite("DueTimer", () => {
  test("fires each at its moment, with one timer", async () => {
    const clock = new FakeClock();
    const timer = new DueTimer(clock);
    const [late, soon] = [new Watched(500), new Watched(100)];
    timer.watch(late);
    timer.watch(soon);
    assert.equal(clock.timers, 1);
    await clock.advance(1000);
    assert.deepEqual([soon.fired, late.fired], [[100], [500]]);
    assert.equal(clock.timers, 0, "nothing is watched for: no timer");
  });

  test("a moment that moved away costs one early look, one that came nearer is kept", async () => {
    const clock = new FakeClock();
    const timer = new DueTimer(clock);
    const item = new Watched(100, (now) => (now < 700 ? 700 : Number.POSITIVE_INFINITY));
    timer.watch(item);
    item.dueAt = 600;
    await clock.advance(200);
    assert.deepEqual(item.fired, []);
    item.dueAt = 300;
    timer.noticeEarlier(300);
    await clock.advance(1000);
    assert.deepEqual(item.fired, [300, 700]);
  });

  test("more than the longest timer is waited for in steps", async () => {
    const clock = new FakeClock();
    const timer = new DueTimer(clock);
    const item = new Watched(10_000_000);
    timer.watch(item);
    await clock.advance(9_999_999);
    assert.deepEqual(item.fired, []);
    await clock.advance(1);
    assert.deepEqual(item.fired, [10_000_000]);
  });

  test("an item that states a moment in the past does not spin", async () => {
    const clock = new FakeClock();
    const timer = new DueTimer(clock);
    const item = new Watched(10, () => 0);
    timer.watch(item);
    await clock.advance(20);
    assert.ok(item.fired.length <= 11, `${item.fired.length} times in 10 ms`);
    timer.forget(item);
    assert.equal(clock.timers, 0);
  });
});
