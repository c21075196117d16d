/**
 * The rotation queue on real file systems: full, read-only, and one whose device counts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { countingDisk } from "../fakes/counting-disk.ts";
import { without } from "../fakes/needs.ts";
import { EPOCH } from "../fakes/rotation-queue.ts";

const scratch = mkdtempSync(join(tmpdir(), "queue-real-"));
after(() => rmSync(scratch, { recursive: true }));

function open(dir: string): Promise<DurableIntentQueue> {
  return openIntentQueue({
    ...{ path: join(dir, "queue", "intents"), disk: systemStateDisk, epoch: EPOCH },
    ...{ device: undefined, clock: systemClock, random: systemRandom, log: SILENT },
  });
}

async function renew(queue: DurableIntentQueue, from: number, to: number): Promise<void> {
  for (let generation = from; generation <= to; generation++) {
    await queue.add({ kind: "renew", generation });
    await queue.begin(`renew-${generation}`, "request");
    await queue.finish(`renew-${generation}`);
  }
}

function mount(dir: string, ...args: readonly string[]): boolean {
  return spawnSync("mount", [...args, dir], { stdio: "ignore" }).status === 0;
}

const mayMount = ((): boolean => {
  const dir = join(scratch, "probe");
  mkdirSync(dir);
  const mounted = mount(dir, "-t", "tmpfs", "-o", "size=64k", "tmpfs");
  if (mounted) spawnSync("umount", [dir]);
  return mounted;
})();

test("has all its blocks from the first moment, and is private", async () => {
  const dir = join(scratch, "blocks");
  mkdirSync(dir);
  await using queue = await open(dir);
  assert.equal(queue.health.durable, true);
  const found = statSync(join(dir, "queue", "intents"));
  assert.equal(found.size, 256 * 1024);
  assert.ok(found.blocks * 512 >= found.size, `${found.blocks} blocks of 512`);
  assert.equal(found.mode & 0o777, 0o600);
  assert.equal(statSync(join(dir, "queue")).mode & 0o777, 0o700);
  await renew(queue, 1, 40);
  assert.equal(statSync(join(dir, "queue", "intents")).size, 256 * 1024, "and never grows");
});

suite("a real file system", { skip: without("the right to mount", mayMount) }, () => {
  test("full to the last byte: a hundred renewals go through", async () => {
    const dir = join(scratch, "full");
    mkdirSync(dir);
    assert.ok(mount(dir, "-t", "tmpfs", "-o", "size=1m", "tmpfs"));
    try {
      {
        await using queue = await open(dir);
        spawnSync("dd", ["if=/dev/zero", `of=${join(dir, "logs")}`, "bs=1k"]);
        assert.equal((await systemStateDisk.free(dir)).bytes, 0);
        await renew(queue, 1, 100);
        assert.equal(queue.health.durable, true);
      }
      await using queue = await open(dir);
      assert.equal(queue.find("renew-100")?.state, "done");
    } finally {
      spawnSync("umount", [dir]);
    }
  });

  test("remounted read-only: it is told, and goes on from memory", async () => {
    const dir = join(scratch, "read-only");
    mkdirSync(dir);
    assert.ok(mount(dir, "-t", "tmpfs", "-o", "size=1m", "tmpfs"));
    try {
      {
        await using queue = await open(dir);
        await renew(queue, 1, 1);
      }
      assert.ok(mount(dir, "-o", "remount,ro"));
      await using queue = await open(dir);
      assert.equal(queue.find("renew-1")?.state, "done");
      assert.match(queue.health.fault ?? "", /EROFS/);
      await renew(queue, 2, 2);
      assert.equal(queue.find("renew-2")?.state, "done");
    } finally {
      spawnSync("umount", [dir]);
    }
  });

  test("an operation costs the device 6 KB at most, its journal included, and one flush", async (t) => {
    const place = join(scratch, "counting");
    mkdirSync(place);
    using disk = countingDisk(place);
    assert.ok(disk, "a loop device");
    await using queue = await open(disk.dir);
    for (let generation = 1; generation <= 20; generation++) {
      await queue.add({ kind: "report", generation });
    }
    const [device, wear] = [disk.count(), queue.wear];
    await renew(queue, 1, 200);
    const [deviceAfter, wearAfter] = [disk.count(), queue.wear];
    const operations = wearAfter.operations - wear.operations;
    const bytes = (deviceAfter.bytes - device.bytes) / operations;
    const flushes = (deviceAfter.flushes - device.flushes) / operations;
    const handed = (wearAfter.bytesWritten - wear.bytesWritten) / operations;
    t.diagnostic(
      `${Math.round(bytes)} bytes and ${flushes.toFixed(2)} flushes an operation at the device, ${Math.round(handed)} bytes handed to it`,
    );
    assert.equal(operations, 600);
    assert.equal(wearAfter.syncs - wear.syncs, operations, "one sync each");
    assert.ok(bytes <= 6_000, `${bytes} bytes an operation`);
    assert.ok(flushes <= 1.2, `${flushes} flushes an operation`);
  });
});
