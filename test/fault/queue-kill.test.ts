/**
 * A process that works on a real rotation queue on the real disk, killed at every system call that
 * touches it. What the next start finds is the queue before or after, whole; acknowledged means after.
 */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, suite, test } from "node:test";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { type KillResult, type KillSubject, killMatrix } from "../fakes/kill-matrix.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { contentsOf, EPOCH } from "../fakes/rotation-queue.ts";

const PROGRAM = resolve(import.meta.dirname, "../fakes/queue-program.ts");
const skip = without("strace", hasCommand("strace"));
/** CI kills a hundred times over all matrices of all suites. */
const LIMIT = FULL ? Number.MAX_SAFE_INTEGER : 4;

const scratch = await mkdtemp(join(tmpdir(), "queue-kill-"));
after(() => rm(scratch, { recursive: true }));
const dir = join(scratch, "queue");
const template = join(scratch, "template");

async function openReal(): Promise<IntentQueue & AsyncDisposable> {
  return openIntentQueue({
    ...{ path: join(dir, "intents"), disk: systemStateDisk, epoch: EPOCH, device: undefined },
    ...{ clock: systemClock, random: systemRandom, log: SILENT, logBytes: 64 * 1024 },
  });
}

async function view(): Promise<string> {
  await using queue = await openReal();
  assert.deepEqual(queue.health.fault, undefined);
  const found = contentsOf(queue);
  // It is not only there, it works.
  await queue.add({ kind: "revocation", generation: 1 });
  return found;
}

const restore = async (): Promise<void> => {
  await rm(dir, { recursive: true, force: true });
  await cp(template, dir, { recursive: true, preserveTimestamps: true });
};

const subject = (operation: string): KillSubject => ({
  command: [process.execPath, PROGRAM, dir, operation],
  dir,
  restore,
  acknowledged: ({ stdout }) => stdout.includes("acknowledged"),
  view,
});

const ROWS: readonly { operation: string; why: string; least: number; between?: RegExp }[] = [
  { operation: "begin", why: "the step is on flash before it is taken", least: 5 },
  {
    operation: "work",
    between: /^renew-7 running 1 (?:request|install)$/,
    why: "from the first step to the last",
    least: 9,
  },
  {
    operation: "compact",
    between: /^renew-7 running [1-7] request$/,
    why: "two halves, one of which counts at any moment",
    least: 17,
  },
];

let total = { points: 0, kills: 0 };
function counted({ points, kills, violations }: KillResult): KillResult {
  total = { points: total.points + points, kills: total.kills + kills };
  return { points, kills, violations };
}

suite("a process killed at every call that touches its queue", { skip }, () => {
  test("a queue to begin with", async () => {
    await using queue = await openReal();
    await queue.add({ kind: "renew", generation: 7 });
    await cp(dir, template, { recursive: true, preserveTimestamps: true });
  });

  for (const { operation, why, least, ...between } of ROWS) {
    test(`${operation}: ${why}`, { timeout: 600_000 }, async () => {
      const result = counted(await killMatrix({ ...subject(operation), ...between }, LIMIT));
      assert.deepEqual(result.violations, []);
      assert.ok(result.points >= least, `only ${result.points} calls`);
      assert.ok(result.kills >= 4, `only ${result.kills} kills`);
    });
  }

  test("open: the first of all makes the file", { timeout: 600_000 }, async () => {
    const bare = async (): Promise<void> => {
      await rm(dir, { recursive: true, force: true });
      await mkdir(dir, { mode: 0o700 });
    };
    const result = counted(
      await killMatrix({ ...subject("add"), restore: bare, between: /^$/ }, LIMIT),
    );
    assert.deepEqual(result.violations, []);
    assert.ok(result.points >= 9, `only ${result.points} calls`);
  });

  test("a writer that rewrites its file in place is caught", { timeout: 600_000 }, async () => {
    const naive = join(scratch, "naive");
    const result = counted(
      await killMatrix(
        {
          ...subject("naive"),
          command: [process.execPath, PROGRAM, naive, "naive"],
          dir: naive,
          restore: async () => {
            await mkdir(naive, { recursive: true });
            await writeFile(join(naive, "intents"), "renew-7\n");
          },
          view: async () => {
            const found = await readFile(join(naive, "intents"), "utf8");
            if (!found.includes("renew-7")) throw new Error("renew-7 is lost");
            return found;
          },
        },
        LIMIT,
      ),
    );
    assert.notDeepEqual(result.violations, []);
    assert.ok(result.violations.every((violation) => violation.includes("nothing whole")));
  });

  test("counted", (t) => {
    t.diagnostic(`${total.points} calls touch a queue; killed at ${total.kills}, nothing lost`);
    assert.ok(total.kills >= 18, `${total.kills} kills`);
  });
});
