/**
 * A process that makes one change to a real rotation queue and says when it is acknowledged; tests
 * kill it.
 *
 *   queue-program.ts DIR OPERATION
 *
 * `naive` appends to a file that grows and never syncs, then rewrites it in place to tidy up: the tests
 * must catch it.
 */
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { EPOCH } from "./rotation-queue.ts";

const [, , dir = "", operation = ""] = process.argv;

const OPERATIONS: Readonly<Record<string, (queue: IntentQueue) => Promise<unknown>>> = {
  open: async () => undefined,
  add: (queue) => queue.add({ kind: "renew", generation: 8 }),
  begin: (queue) => queue.begin("renew-7", "request"),
  work: async (queue) => {
    await queue.begin("renew-7", "request");
    await queue.advance("renew-7", "install");
    await queue.finish("renew-7");
  },
  compact: async (queue) => {
    // A lap of this size holds few records: two of these begin a new one.
    for (let round = 0; round < 8; round++) await queue.begin("renew-7", "request");
  },
};

if (operation === "naive") {
  const path = join(dir, "intents");
  const lines = await readFile(path, "utf8");
  await using file = await open(path, "w");
  await file.write(`${lines}renew-8\n`);
} else {
  const run = OPERATIONS[operation];
  if (run === undefined) throw new Error(`no operation ${operation}`);
  await using queue = await openIntentQueue({
    ...{ path: join(dir, "intents"), disk: systemStateDisk, epoch: EPOCH, device: undefined },
    ...{ clock: systemClock, random: systemRandom, log: SILENT, logBytes: 64 * 1024 },
  });
  await run(queue);
}
process.stdout.write("acknowledged\n");
