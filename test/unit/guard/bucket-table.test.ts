import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { BucketKey, BucketTable, BYTES_PER_CLIENT } from "#src/guard/bucket-table.ts";
import { type Pace, paceOf } from "#src/guard/gcra.ts";
import { KeyedHash } from "#src/guard/keyed-hash.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";

const PACE = paceOf({ rate: 1, burst: 5, waitMs: 0 });

/** A table and the keys of clients by number. */
class Rig {
  readonly table: BucketTable;
  readonly #hash: KeyedHash;
  readonly #pace: Pace;

  constructor(capacity: number, seed: number, pace = PACE) {
    this.table = new BucketTable(capacity);
    this.#hash = KeyedHash.random(new FakeRandom(seed));
    this.#pace = pace;
  }

  key(client: number): BucketKey {
    return new BucketKey(this.#hash.of(`client ${client}`));
  }

  /** Whether one call of a client that is hashed anew may go on. */
  take(client: number, nowMs: number): boolean {
    const { tag, place } = this.key(client);
    return this.#takeAt(this.table.locate(tag, place, nowMs), nowMs);
  }

  /** The same with a key that was kept. */
  takeKept(key: BucketKey, nowMs: number): boolean {
    return this.#takeAt(this.table.find(key, nowMs), nowMs);
  }

  #takeAt(slot: number, nowMs: number): boolean {
    if (this.table.untilFit(slot, this.#pace, nowMs) > 0) return false;
    this.table.spend(slot, this.#pace, nowMs);
    return true;
  }
}

suite("BucketTable at its stated capacity", () => {
  const sizes = [
    { capacity: 100_000, seeds: 3 },
    { capacity: 8192, seeds: 20 },
    { capacity: 1000, seeds: 100 },
    { capacity: 100, seeds: 500 },
  ];
  for (const { capacity, seeds } of sizes) {
    test(`${capacity} live clients, ${seeds} keys: at most 0.1 % are without a bucket`, () => {
      let without = 0;
      for (let seed = 1; seed <= seeds; seed++) {
        const rig = new Rig(capacity, seed);
        for (let client = 0; client < capacity; client++) rig.take(client, 1);
        assert.equal(
          rig.table.used(1),
          Math.min(capacity, capacity - rig.table.evictions + Math.sign(rig.table.evictions)),
        );
        without += rig.table.evictions;
      }
      const share = without / (capacity * seeds);
      assert.ok(share <= 0.001, `${share * 100} %`);
    });
  }

  for (const capacity of [1, 7, 1000, 100_000]) {
    test(`${capacity} clients take ${BYTES_PER_CLIENT} bytes each, and a set more at most`, () => {
      const { bytes } = new BucketTable(capacity);
      assert.ok(BYTES_PER_CLIENT <= 24);
      assert.ok(bytes >= capacity * BYTES_PER_CLIENT && bytes < capacity * BYTES_PER_CLIENT + 112);
    });
  }
});

suite("BucketTable in the long run", () => {
  test("30,000 clients come and go, 10,000 of them live: at most 0.1 % of takes find no place", () => {
    const rate = paceOf({ rate: 1, burst: 1_000_000, waitMs: 0 });
    const rig = new Rig(10_000, 8, rate);
    const random = new FakeRandom(21);
    const keys = Array.from({ length: 30_000 }, (_, client) => rig.key(client));
    let [now, live, looks, early] = [1, 0, 0, 0];
    for (let take = 0; take < 600_000; take++) {
      now += 0.1;
      const { tag, place } = keys[Math.floor(random.draw() * keys.length)] as BucketKey;
      rig.table.spend(rig.table.locate(tag, place, now), rate, now);
      if (take === 100_000) early = rig.table.evictions;
      if (take <= 100_000 || take % 10_000 > 0) continue;
      live += rig.table.used(now);
      looks++;
    }
    assert.ok(Math.abs(live / looks - 10_000) < 200, `${live / looks} live on average`);
    const share = (rig.table.evictions - early) / 500_000;
    assert.ok(share <= 0.001, `${share * 100} %`);
  });
});

suite("BucketTable beyond its capacity", () => {
  test("a flood of new names frees nobody and wins nothing", () => {
    const rig = new Rig(1000, 5);
    const spent = Array.from({ length: 1000 }, (_, client) => client);
    for (const client of spent) while (rig.take(client, 1));
    const evicted = rig.table.evictions;
    let allowed = 0;
    const names = 200_000;
    for (let client = 1000; client < 1000 + names; client++) {
      if (rig.take(client, 1)) allowed++;
    }
    // what the flood gets is the room that was left, and one bucket for all that found none
    const room = rig.table.bytes / 12 - 1000 + PACE.burstMs / PACE.intervalMs;
    assert.ok(
      allowed <= room,
      `${allowed} of ${names} calls were let in, there was room for ${room}`,
    );
    assert.ok(rig.table.evictions - evicted > names * 0.99);
    const freed = spent.filter((client) => rig.take(client, 1));
    assert.deepEqual(freed, []);
  });

  test("overflow fills like the bucket of one client", () => {
    const rig = new Rig(8, 1);
    for (let client = 0; client < 500; client++) rig.take(client, 1);
    const before = rig.table.evictions;
    let allowed = 0;
    // half a second later every place is still held, and half a call has come in
    for (let client = 500; client < 600; client++) if (rig.take(client, 501)) allowed++;
    assert.equal(rig.table.evictions, before + 100);
    assert.equal(allowed, 0);
    // a second after the first burst one place after the other is free again
    assert.ok(rig.take(700, 1002));
  });

  test("a bucket that is full again makes room", () => {
    const rig = new Rig(1000, 9);
    for (let round = 0; round < 50; round++) {
      const now = 1 + round * 1000;
      for (let client = 0; client < 700; client++) {
        assert.ok(rig.take(round * 1000 + client, now));
      }
    }
    assert.equal(rig.table.evictions, 0);
  });
});

suite("BucketTable is as good as a bucket of its own for everybody", () => {
  const steps = fc.array(fc.record({ client: fc.nat({ max: 60 }), gapMs: fc.nat({ max: 900 }) }), {
    minLength: 50,
    maxLength: 600,
  });
  test("any sequence of calls is decided as by one table of one client each", () => {
    fc.assert(
      fc.property(steps, fc.nat({ max: 1000 }), (calls, seed) => {
        const shared = new Rig(64, seed);
        const kept = new Rig(64, seed);
        const keys = new Map<number, BucketKey>();
        const alone = new Map<number, Rig>();
        let now = 1;
        for (const { client, gapMs } of calls) {
          now += gapMs;
          const own = alone.get(client) ?? new Rig(1, seed);
          alone.set(client, own);
          const key = keys.get(client) ?? kept.key(client);
          keys.set(client, key);
          const expected = own.take(client, now);
          // small tables overflow now and then: such a seed proves nothing
          fc.pre(shared.table.evictions === 0);
          assert.equal(shared.take(client, now), expected);
          assert.equal(kept.takeKept(key, now), expected);
        }
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  test("two keys of one client find one bucket, also after it has moved", () => {
    const rig = new Rig(1000, 2);
    const [one, two] = [rig.key(1), rig.key(1)];
    for (let take = 0; take < 5; take++) assert.ok(rig.takeKept(take % 2 === 0 ? one : two, 1));
    assert.ok(!rig.takeKept(one, 1));
    assert.ok(!rig.takeKept(two, 1));
    // ten seconds later others have taken every place that was free
    for (let client = 1000; client < 9000; client++) rig.take(client, 10_001);
    for (let take = 0; take < 5; take++) rig.takeKept(one, 20_001);
    assert.ok(!rig.takeKept(two, 20_001));
  });
});

suite("BucketTable, calls that wait", () => {
  const pace = paceOf({ rate: 10, burst: 1, waitMs: 1000 });

  test("each is told a later moment; the last that gives up makes its turn free", () => {
    const table = new BucketTable(10);
    const receipts = [0, 100, 200].map((wait) => {
      assert.equal(table.untilFit(3, pace, 0), wait);
      return table.spend(3, pace, 0);
    });
    table.giveBack(3, pace, receipts[1] ?? 0);
    assert.equal(table.untilFit(3, pace, 0), 300, "somebody stands behind: the turn is lost");
    table.giveBack(3, pace, receipts[2] ?? 0);
    assert.equal(table.untilFit(3, pace, 0), 200, "nobody stands behind: the turn is free");
  });

  test("a lower burst after a reload holds at once", () => {
    const table = new BucketTable(10);
    for (let take = 0; take < 50; take++)
      table.spend(3, paceOf({ rate: 1, burst: 50, waitMs: 0 }), 0);
    const lower = paceOf({ rate: 10, burst: 2, waitMs: 0 });
    assert.equal(table.untilFit(3, lower, 0), 100);
  });
});
