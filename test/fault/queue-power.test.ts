/**
 * Power lost after every step of every operation of the rotation queue: the next start finds the queue
 * before or after, and after the acknowledgement it is after. The same matrix must catch careless writers.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { SILENT } from "#src/base/log.ts";
import { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import { QUEUE_LIMITS } from "#src/queue/intent-plan.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { FakeRandom } from "../fakes/fake-random.ts";
import { FULL } from "../fakes/needs.ts";
import { PowerDisk } from "../fakes/power-disk.ts";
import { type MatrixResult, powerMatrix, type Subject } from "../fakes/power-matrix.ts";
import {
  contentsOf,
  EPOCH,
  openQueue,
  QUEUE_OPERATIONS,
  QUEUE_PATH,
  type QueueOperation,
  type QueueStep,
} from "../fakes/rotation-queue.ts";

/** @param alreadyOpen Whether the operation comes in a lap that has begun, or is the first after the start. */
function subject({ before, run }: QueueOperation, alreadyOpen: boolean): Subject {
  let seed = 10;
  const opened: { queue?: DurableIntentQueue } = {};
  return {
    prepare: async (disk) => {
      const { queue } = await openQueue(disk);
      await before(queue);
      if (alreadyOpen) opened.queue = queue;
      else await queue[Symbol.asyncDispose]();
    },
    operate: async (disk) => {
      const queue = opened.queue ?? (await openQueue(disk, {}, 2)).queue;
      await run(queue);
      await queue[Symbol.asyncDispose]();
    },
    start: async (disk) => void (await openQueue(disk, {}, 3)),
    view: async (disk) => {
      seed += 1;
      const { queue, log } = await openQueue(disk, {}, seed);
      assert.deepEqual(log.of("queue.failed"), []);
      const found = contentsOf(queue);
      // It is not only there, it works.
      await queue.add({ kind: "revocation", generation: 1 });
      await queue.finish("revocation-1");
      await queue[Symbol.asyncDispose]();
      const again = (await openQueue(disk, {}, seed + 1000)).queue;
      assert.equal(again.find("revocation-1")?.state, "done");
      return found;
    },
  };
}

let points = 0;
let worlds = 0;
function counted(result: MatrixResult): MatrixResult {
  points += result.points;
  worlds += result.worlds;
  return result;
}

suite("power lost after every step of the queue", () => {
  for (const row of QUEUE_OPERATIONS) {
    for (const alreadyOpen of [false, true]) {
      const when = alreadyOpen ? "in a lap" : "first after a start";
      test(`${row.name}, ${when}: ${row.why}`, async () => {
        const result = counted(await powerMatrix(subject(row, alreadyOpen), FULL));
        assert.deepEqual(result.violations.slice(0, 5), []);
        assert.ok(result.points >= 3, `only ${result.points} points`);
      });
    }
  }

  test("the first start of all", async () => {
    const view = async (disk: PowerDisk): Promise<string> =>
      contentsOf((await openQueue(disk, {}, 5)).queue);
    const operate = async (disk: PowerDisk): Promise<void> => void (await openQueue(disk));
    const result = counted(
      await powerMatrix({ prepare: async () => undefined, operate, view }, FULL),
    );
    assert.deepEqual(result.violations.slice(0, 5), []);
    assert.ok(result.points >= 7, `only ${result.points} points`);
  });

  test("a lap that ends: through two compactions, at every step", async () => {
    const many: QueueStep = async (queue) => {
      for (let round = 0; round < 24; round++) await queue.begin("renew-7", "request");
    };
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk, { logBytes: 64 * 1024 });
    await queue.add({ kind: "renew", generation: 7 });
    const first = disk.steps.length + 1;
    await many(queue);
    const last = disk.steps.length;
    for (let step = first; step <= last; step++) {
      const cut = new PowerDisk();
      const { queue: victim } = await openQueue(cut, { logBytes: 64 * 1024 });
      await victim.add({ kind: "renew", generation: 7 });
      cut.fault = { step, what: "power" };
      await many(victim).catch(() => undefined);
      const acknowledged = victim.find("renew-7")?.attempts ?? 0;
      for (const [world, left] of cut.worlds()) {
        const { queue: found } = await openQueue(left, { logBytes: 64 * 1024 });
        const attempts = found.find("renew-7")?.attempts ?? -1;
        const good = attempts === acknowledged || attempts === acknowledged + 1;
        assert.ok(good, `step ${step}, ${world}: ${attempts} after ${acknowledged}`);
      }
    }
    assert.ok(last - first >= 47, "each of them writes and syncs");
  });

  test("killed: what the next start has seen, no power cut takes back", async () => {
    for (const row of QUEUE_OPERATIONS) {
      const { prepare, operate } = subject(row, true);
      const whole = new PowerDisk();
      await prepare(whole);
      const first = whole.steps.length + 1;
      await operate(whole);
      for (let step = first; step <= whole.steps.length; step++) {
        const disk = new PowerDisk();
        await prepare(disk);
        disk.fault = { step, what: "power" };
        await operate(disk).catch(() => undefined);
        disk.revive();
        const seen = contentsOf((await openQueue(disk, {}, 6)).queue);
        disk.cutPower();
        for (const [world, left] of disk.worlds()) {
          const { queue } = await openQueue(left, {}, 7);
          assert.equal(contentsOf(queue), seen, `${row.name}, step ${step}, ${world}`);
        }
      }
    }
  });

  test("counted", (t) => {
    t.diagnostic(`${points} points, ${worlds} disks opened`);
    assert.ok(points > 60 && worlds > 400, `${points} points, ${worlds} worlds`);
  });
});

suite("the matrix catches", () => {
  const view = async (disk: PowerDisk): Promise<string> =>
    contentsOf((await openQueue(disk, {}, 9)).queue);
  const row = QUEUE_OPERATIONS.find(({ name }) => name === "begin");

  test("a writer that never syncs", async () => {
    assert.ok(row);
    const careless = subject(row, false);
    const operate = async (disk: PowerDisk): Promise<void> => {
      const open = disk.open.bind(disk);
      disk.open = async (path) => {
        const file = await open(path);
        return { ...file, write: file.write, syncBytes: async () => undefined };
      };
      await careless.operate(disk);
    };
    const result = await powerMatrix({ ...careless, operate, view });
    assert.notDeepEqual(result.violations, []);
  });

  test("a writer that replaces the file in place", async () => {
    assert.ok(row);
    const careless = subject(row, false);
    const operate = async (disk: PowerDisk): Promise<void> => {
      const other = new PowerDisk();
      await careless.prepare(other);
      await careless.operate(other);
      await using file = await disk.open(QUEUE_PATH);
      const bytes = other.bytesOf(QUEUE_PATH);
      await file.write(new Uint8Array(bytes.length), 0);
      await file.write(bytes, 0);
      await file.syncBytes();
    };
    const result = await powerMatrix({ ...careless, operate, view });
    assert.notDeepEqual(result.violations, []);
  });
});

/** A queue in memory that holds the same. */
function twinOf(queue: DurableIntentQueue): DurableIntentQueue {
  const intents = new Map(queue.list().map((intent) => [intent.id, intent]));
  return new DurableIntentQueue({
    ...{ log: undefined, healed: [], fault: undefined, withoutDisk: "memory" },
    ...{ limits: QUEUE_LIMITS, clock: new FakeClock(), random: new FakeRandom(), events: SILENT },
    state: { device: undefined, epoch: EPOCH, intents, attempts: undefined },
  });
}

/** What a property run does to the queue; numbers stand for whatever is there. */
const action = fc.record({
  what: fc.constantFrom(
    ...([
      "add",
      "add",
      "add",
      "begin",
      "advance",
      "fail",
      "giveUp",
      "finish",
      "retry",
      "drop",
    ] as const),
  ),
  kind: fc.constantFrom(...(["renew", "re-key", "install", "trust", "report", "report"] as const)),
  generation: fc.integer({ min: 1, max: 6 }),
  pick: fc.nat(20),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

async function act(queue: DurableIntentQueue, { what, kind, generation, pick }: Action) {
  if (what === "add") return queue.add({ kind, generation });
  const all = queue.list();
  const id = all[pick % Math.max(1, all.length)]?.id ?? "renew-1";
  if (what === "begin" || what === "advance") return queue[what](id, "request");
  if (what === "fail" || what === "giveUp") return queue[what](id, new Error("anything"));
  return queue[what](id);
}

suite("a property", () => {
  test("any operations, power lost anywhere, again and again: acknowledged, or one more", async () => {
    const life = fc.record({
      actions: fc.array(action, { minLength: 1, maxLength: 30 }),
      cutAfter: fc.integer({ min: 1, max: 80 }),
      world: fc.nat(7),
    });
    const property = fc.asyncProperty(
      fc.array(life, { minLength: 1, maxLength: 5 }),
      async (lives) => {
        let disk = new PowerDisk();
        const random = new FakeRandom(lives.length);
        for (const { actions, cutAfter, world } of lives) {
          const seed = Math.floor(random.draw() * 1e6);
          const logBytes = 64 * 1024;
          const { queue } = await openQueue(disk, { logBytes }, seed);
          disk.fault = { step: disk.steps.length + cutAfter, what: "power" };
          let acknowledged = contentsOf(queue);
          let tried: Action | undefined;
          for (const each of actions) {
            tried = each;
            await act(queue, each).catch(() => undefined);
            if (disk.isOff) break;
            acknowledged = contentsOf(queue);
            tried = undefined;
          }
          const possible = new Set([acknowledged]);
          if (tried !== undefined) {
            // The same once more, on a disk that works: what one operation further looks like.
            const twin = twinOf(queue);
            await act(twin, tried).catch(() => undefined);
            possible.add(contentsOf(twin));
          }
          disk.cutPower();
          const [, left] = disk.worlds()[world] ?? [];
          assert.ok(left);
          const found = contentsOf((await openQueue(left, { logBytes }, seed + 1)).queue);
          assert.ok(possible.has(found), `found ${found}, not ${[...possible].join(" | ")}`);
          disk = left;
        }
      },
    );
    await fc.assert(property, { numRuns: FULL ? 1000 : 60 });
  });
});
