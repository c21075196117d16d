/**
 * Every operation of the rotation queue, with every step of the disk failing in every way: what is
 * rejected leaves the queue as it was, the next start finds it before or after, and it recovers by itself.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { settle } from "../fakes/fake-clock.ts";
import { PowerDisk } from "../fakes/power-disk.ts";
import { contentsOf, openQueue, QUEUE_OPERATIONS, QUEUE_PATH } from "../fakes/rotation-queue.ts";

const ERRNOS = ["EIO", "ENOSPC", "EROFS", "EDQUOT"] as const;
const MINUTE = 60_000;

suite("an error of the disk at every step of every operation", () => {
  for (const { name, before, run } of QUEUE_OPERATIONS) {
    for (const first of [true, false]) {
      test(`${name}, ${first ? "first after a start" : "in a lap"}`, async () => {
        const prepared = async () => {
          const disk = new PowerDisk();
          const opened = await openQueue(disk);
          await before(opened.queue);
          if (!first) return { disk, ...opened };
          await opened.queue[Symbol.asyncDispose]();
          return { disk, ...(await openQueue(disk, {}, 2)) };
        };
        const whole = await prepared();
        const old = contentsOf(whole.queue);
        const begin = whole.disk.steps.length;
        await run(whole.queue);
        const then = contentsOf(whole.queue);
        const steps = whole.disk.steps.length - begin;
        assert.ok(steps >= 2);
        for (const errno of ERRNOS) {
          for (let step = 1; step <= steps; step++) {
            const { disk, queue, clock, log } = await prepared();
            disk.fault = { step: disk.steps.length + step, what: errno };
            const where = `${errno} at step ${step}`;
            await assert.rejects(run(queue), (error) => isAgentError(error, "ERR_QUEUE_IO"), where);
            assert.equal(contentsOf(queue), old, `${where}: as it was`);
            assert.equal(queue.health.durable, false);
            assert.match(queue.health.fault ?? "", new RegExp(errno));
            assert.equal(log.of("queue.failed").length, 1, "loudly");
            const { queue: restarted } = await openQueue(disk.worlds(0)[1]?.[1] ?? disk, {}, 3);
            assert.ok([old, then].includes(contentsOf(restarted)), where);
            // It goes on from memory, and by itself on the disk as soon as that works.
            await run(queue);
            assert.equal(contentsOf(queue), then, `${where}: from memory`);
            await clock.advance(MINUTE);
            assert.equal(queue.health.durable, true, `${where}: recovered`);
            assert.equal(log.of("queue.recovered").length, 1);
            disk.cutPower();
            for (const [world, left] of disk.worlds()) {
              const found = contentsOf((await openQueue(left, {}, 4)).queue);
              assert.equal(found, then, `${where}, recovered, ${world}`);
            }
          }
        }
      });
    }
  }
});

suite("a sync that failed", () => {
  test("is not believed the next time: what it left in the cache is never built upon", async () => {
    const disk = new PowerDisk();
    const { queue, clock } = await openQueue(disk);
    await queue.add({ kind: "report", generation: 1 });
    disk.fault = { step: disk.steps.length + 2, what: "EIO" };
    await assert.rejects(queue.add({ kind: "report", generation: 2 }));
    await clock.advance(MINUTE);
    await queue.add({ kind: "report", generation: 3 });
    const [[, nothing] = []] = disk.worlds(0);
    assert.ok(nothing);
    const { queue: found } = await openQueue(nothing);
    assert.equal(contentsOf(found), "report-1 waiting 0; report-3 waiting 0");
  });
});

suite("a disk that is gone for long", () => {
  test("is not back while it gives back something else than it was given", async () => {
    const disk = new PowerDisk();
    const { queue, clock } = await openQueue(disk);
    await queue.add({ kind: "report", generation: 1 });
    disk.fault = { step: disk.steps.length + 2, what: "EIO" };
    await assert.rejects(queue.add({ kind: "report", generation: 2 }));
    disk.lying = true;
    await clock.advance(3 * MINUTE);
    assert.equal(queue.health.durable, false);
    assert.match(queue.health.fault ?? "", /not what was written/);
    disk.lying = false;
    await clock.advance(2 * MINUTE);
    assert.equal(queue.health.durable, true);
    await queue[Symbol.asyncDispose]();
    assert.equal(contentsOf((await openQueue(disk)).queue), "report-1 waiting 0");
  });

  test("a change that finds it back takes along what has lived in memory", async () => {
    const disk = new PowerDisk();
    const { queue, clock } = await openQueue(disk);
    await queue.add({ kind: "report", generation: 1 });
    disk.fault = { step: disk.steps.length + 1, what: "EIO" };
    await assert.rejects(queue.add({ kind: "report", generation: 2 }), { code: "ERR_QUEUE_IO" });
    await queue.add({ kind: "report", generation: 3 });
    clock.skip(MINUTE);
    await queue.add({ kind: "report", generation: 4 });
    disk.cutPower();
    const [[, left] = []] = disk.worlds(0);
    assert.ok(left);
    const { queue: found } = await openQueue(left);
    assert.equal(contentsOf(found), "report-1 waiting 0; report-3 waiting 0; report-4 waiting 0");
  });

  test("is tried once a minute, by timer and changes together, and told of once", async () => {
    const disk = new PowerDisk();
    const { queue, clock, log } = await openQueue(disk);
    disk.readOnly = true;
    await assert.rejects(queue.add({ kind: "report", generation: 1 }), { code: "ERR_QUEUE_IO" });
    const steps = disk.steps.length;
    for (let second = 1; second <= 600; second++) {
      await queue.add({ kind: "report", generation: second });
      await clock.advance(1000);
    }
    assert.ok(disk.steps.length - steps <= 12, `${disk.steps.length - steps} steps in ten minutes`);
    assert.ok(log.of("queue.failed").length <= 2);
    disk.readOnly = false;
    await clock.advance(2 * MINUTE);
    assert.equal(queue.health.durable, true);
    await queue[Symbol.asyncDispose]();
    assert.equal((await openQueue(disk)).queue.find("report-600")?.state, "waiting");
  });

  for (const [name, prepare] of [
    [
      "read-only from the beginning",
      (disk: PowerDisk) => {
        disk.readOnly = true;
      },
    ],
    [
      "full from the beginning",
      (disk: PowerDisk) => {
        disk.limits = { bytes: 8192 };
      },
    ],
    [
      "out of inodes",
      (disk: PowerDisk) => {
        disk.limits = { files: 2 };
      },
    ],
  ] as const) {
    test(`${name}: it opens, works from memory, and writes when it can`, async () => {
      const disk = new PowerDisk();
      prepare(disk);
      const { queue, clock, log } = await openQueue(disk);
      assert.equal(queue.health.durable, false);
      assert.equal(log.of("queue.failed").length, 1);
      await queue.add({ kind: "renew", generation: 7 });
      await queue.begin("renew-7", "request");
      disk.readOnly = false;
      disk.limits = {};
      await clock.advance(2 * MINUTE);
      assert.equal(queue.health.durable, true);
      await queue[Symbol.asyncDispose]();
      assert.equal(contentsOf((await openQueue(disk)).queue), "renew-7 running 1 request");
    });
  }

  test("full after the file was made: nothing is needed, nothing is noticed", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    disk.limits = { bytes: 0, files: 0 };
    for (let attempt = 0; attempt < 200; attempt++) {
      await queue.add({ kind: "renew", generation: attempt + 1 });
      await queue.begin(`renew-${attempt + 1}`, "request");
      await queue.finish(`renew-${attempt + 1}`);
    }
    assert.equal(queue.health.durable, true);
    await queue[Symbol.asyncDispose]();
    const { queue: later } = await openQueue(disk);
    assert.equal(contentsOf(later), "renew-200 done 1 request");
  });

  test("read-only: what is there can be read", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    disk.readOnly = true;
    const { queue: later } = await openQueue(disk);
    assert.equal(contentsOf(later), "renew-7 waiting 0");
    assert.equal(later.health.durable, false);
    const { queue: command } = await openQueue(disk, { opener: "command" });
    assert.equal(contentsOf(command), "renew-7 waiting 0");
    const retrying = command.retry("renew-7");
    await assert.rejects(retrying, { code: "ERR_QUEUE_IO" }, "a command would take it along");
  });

  test("unreadable: it is begun anew, and said; a command is told", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    disk.unreadable.add(QUEUE_PATH);
    await assert.rejects(openQueue(disk, { opener: "command" }), { code: "ERR_QUEUE_IO" });
    const { queue: later, clock, log } = await openQueue(disk);
    assert.equal(log.of("queue.failed").length, 1);
    assert.match(later.health.fault ?? "", /EIO/);
    await later.add({ kind: "renew", generation: 8 });
    await clock.advance(MINUTE);
    disk.unreadable.clear();
    await later[Symbol.asyncDispose]();
    assert.equal(contentsOf((await openQueue(disk)).queue), "renew-8 waiting 0");
  });

  test("a file that somebody removes is made again", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    const { queue: later, clock } = await openQueue(disk);
    disk.lose(QUEUE_PATH);
    await assert.rejects(later.add({ kind: "report", generation: 1 }), { code: "ERR_QUEUE_IO" });
    await clock.advance(MINUTE);
    await settle();
    assert.equal(later.health.durable, true);
    await later[Symbol.asyncDispose]();
    assert.equal(contentsOf((await openQueue(disk)).queue), "renew-7 waiting 0");
  });

  test("a record that has rotted takes those after it along, and it is said that they are lost", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue.begin("renew-7", "request");
    await queue.add({ kind: "report", generation: 1 });
    await queue[Symbol.asyncDispose]();
    const bytes = disk.bytesOf(QUEUE_PATH);
    const at = Buffer.from(bytes).indexOf('"step":"request"');
    assert.ok(at > 0);
    bytes[at] = 0;
    disk.plant(QUEUE_PATH, bytes);
    const { queue: later, log } = await openQueue(disk);
    assert.equal(contentsOf(later), "renew-7 waiting 0");
    assert.match(String(log.of("queue.healed")[0]?.["reason"]), /those after it are lost/);
    await later[Symbol.asyncDispose]();
    assert.deepEqual((await openQueue(disk)).log.of("queue.healed"), [], "said once");
  });
});
