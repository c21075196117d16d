/**
 * What an operation of the rotation queue costs the disk, by its own count and by that of the device: a
 * year of renewals and reports, one after another, with as many intents waiting as a device ever has.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { countingDisk } from "../fakes/counting-disk.ts";
import { EPOCH } from "../fakes/rotation-queue.ts";
import { type Figure, figure, median } from "./figure.ts";
import type { Rig } from "./rig.ts";

const WAITING = 20;

export async function queue(rig: Rig, quick: boolean): Promise<Figure[]> {
  const place = join(rig.site.directory, "queue");
  mkdirSync(place);
  using disk = countingDisk(place);
  await using opened = await openIntentQueue({
    ...{ path: join(disk?.dir ?? place, "queue", "intents"), disk: systemStateDisk },
    ...{ epoch: EPOCH, device: undefined, clock: systemClock, random: systemRandom, log: SILENT },
  });
  for (let number = 1; number <= WAITING; number++) {
    await opened.add({ kind: "report", generation: number });
  }
  const [before, device] = [opened.wear, disk?.count()];
  const spentMs = await renewals(opened, quick ? 50 : 300);
  const [after, deviceAfter] = [opened.wear, disk?.count()];
  const count = after.operations - before.operations;
  const name = "queue operation:";
  const figures = [
    figure(`${name} handed to the disk`, (after.bytesWritten - before.bytesWritten) / count, "B"),
    figure(`${name} syncs`, (after.syncs - before.syncs) / count, "syncs"),
    figure(`${name} until durable, median`, median(spentMs), "ms"),
  ];
  if (device === undefined || deviceAfter === undefined) return figures;
  return [
    ...figures,
    figure(`${name} written by the device`, (deviceAfter.bytes - device.bytes) / count, "B"),
    figure(`${name} flushes of it`, (deviceAfter.flushes - device.flushes) / count, "flushes"),
  ];
}

async function renewals(opened: IntentQueue, count: number): Promise<readonly number[]> {
  const spentMs: number[] = [];
  const timed = async (operation: () => Promise<unknown>): Promise<void> => {
    const begun = systemClock.monotonicMs();
    await operation();
    spentMs.push(systemClock.monotonicMs() - begun);
  };
  for (let generation = 1; generation <= count; generation++) {
    const id = `renew-${generation}`;
    await timed(() => opened.add({ kind: "renew", generation }));
    await timed(() => opened.begin(id, "make-key"));
    await timed(() => opened.advance(id, "request"));
    await timed(() => opened.finish(id));
  }
  return spentMs;
}
