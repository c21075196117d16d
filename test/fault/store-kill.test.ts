/**
 * A process that works on a real store on the real disk, killed at every system call that touches it.
 * What the next start finds is the state before or after, whole; acknowledged means after.
 */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { type KillResult, type KillSubject, killMatrix } from "../fakes/kill-matrix.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { contentsOf, openStore, storeContents } from "../fakes/store.ts";
import { text } from "../fakes/store-operations.ts";

const PROGRAM = resolve(import.meta.dirname, "../fakes/store-program.ts");
const skip = without("strace", hasCommand("strace"));
/** CI kills a hundred times over all matrices of all suites; these take so many of them per row. */
const LIMIT = FULL ? Number.MAX_SAFE_INTEGER : 8;
const [first, second, third, fourth] = await storeContents(4);
if (!first || !second || !third || !fourth) throw new Error("four contents");
const afterwards = fourth;

const scratch = await mkdtemp(join(tmpdir(), "store-kill-"));
after(() => rm(scratch, { recursive: true }));
const dir = join(scratch, "store");
const template = join(scratch, "template");
const contentPath = join(scratch, "content.json");
await writeFile(contentPath, JSON.stringify(third));

/** The real disk, lock and clock; healing is part of it. */
async function open(): Promise<CertificateStore> {
  const clock = systemClock;
  const lock = systemDirectoryLock(clock);
  const { store } = await openStore(systemStateDisk, { dir, lock, clock, random: systemRandom });
  return store;
}

async function view(): Promise<string> {
  await using store = await open();
  const found = await contentsOf(store, ["floor"]);
  await store.stage(afterwards);
  await store.commit();
  return found;
}

const restore = async (): Promise<void> => {
  await rm(dir, { recursive: true, force: true });
  await cp(template, dir, { recursive: true, preserveTimestamps: true });
};

const subject = (operation: string): KillSubject => ({
  command: [process.execPath, PROGRAM, dir, operation, contentPath],
  dir,
  restore,
  acknowledged: ({ stdout }) => stdout.includes("acknowledged"),
  view,
});

const ROWS: readonly { operation: string; why: string; between?: RegExp }[] = [
  {
    operation: "install",
    between: /^current 2=.*; previous 1=.*; next 3=/,
    why: "the rotation itself: between two generations there is no gap",
  },
  { operation: "fallBack", why: "falling back happens when things are bad already" },
  { operation: "note", why: "what the clock and the CRL know must not be halved" },
  { operation: "reset", why: "someone pulls the plug of a device that is being reset" },
];

let total = { points: 0, kills: 0 };
function counted({ points, kills, violations }: KillResult): KillResult {
  total = { points: total.points + points, kills: total.kills + kills };
  return { points, kills, violations };
}

suite("a process killed at every call that touches its store", { skip }, () => {
  test("a store to begin with", async () => {
    await using store = await open();
    await store.stage(first);
    await store.commit();
    await store.stage(second);
    await store.commit();
    await store.writeNote("floor", text("old"));
    await cp(dir, template, { recursive: true, preserveTimestamps: true });
  });

  for (const { operation, why, ...between } of ROWS) {
    test(`${operation}: ${why}`, { timeout: 600_000 }, async () => {
      const result = counted(await killMatrix({ ...subject(operation), ...between }, LIMIT));
      assert.deepEqual(result.violations, []);
      assert.ok(result.points > 30, `only ${result.points} calls`);
      assert.ok(result.kills >= 8, `only ${result.kills} kills`);
    });
  }

  test("a writer that overwrites in place is caught: half a file after a kill", async () => {
    const naive = join(scratch, "naive");
    const result = counted(
      await killMatrix(
        {
          ...subject("naive"),
          command: [process.execPath, PROGRAM, naive, "naive"],
          dir: naive,
          restore: async () => {
            await mkdir(naive, { recursive: true });
            await writeFile(join(naive, "current"), "a".repeat(9000));
          },
          view: async () => {
            const found = await readFile(join(naive, "current"), "utf8");
            if (found.length !== 9000) throw new Error(`${found.length} bytes`);
            return found.slice(0, 1);
          },
        },
        LIMIT,
      ),
    );
    assert.notDeepEqual(result.violations, []);
    assert.ok(result.violations.every((violation) => violation.includes("nothing whole")));
  });

  test("counted", (t) => {
    t.diagnostic(`${total.points} calls touch a store; killed at ${total.kills}, nothing lost`);
    assert.ok(total.kills >= 36, `${total.kills} kills`);
  });
});
