/**
 * The store on real file systems in real trouble: full to the last byte, out of inodes, remounted
 * read-only, and syncs that take seconds.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { run } from "../fakes/child.ts";
import { hasCommand, without } from "../fakes/needs.ts";
import { openStore, storeContents } from "../fakes/store.ts";

const [first, second] = await storeContents(2);
if (!first || !second) throw new Error("two contents");
const one = first;
const two = second;
const scratch = mkdtempSync(join(tmpdir(), "store-real-"));
after(() => rmSync(scratch, { recursive: true }));

function mount(...args: readonly string[]): boolean {
  return spawnSync("mount", args, { stdio: "ignore" }).status === 0;
}

/** A file system in memory of its own size, for as long as it is held. */
function fileSystem(name: string, options: string): Disposable & { readonly dir: string } {
  const dir = join(scratch, name);
  spawnSync("mkdir", ["-p", dir]);
  assert.ok(mount("-t", "tmpfs", "-o", options, "tmpfs", dir), "mounted");
  return { dir, [Symbol.dispose]: () => void spawnSync("umount", [dir]) };
}

const mayMount = ((): boolean => {
  const dir = join(scratch, "probe");
  spawnSync("mkdir", ["-p", dir]);
  const mounted = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", dir);
  if (mounted) spawnSync("umount", [dir]);
  return mounted;
})();

async function open(dir: string): Promise<CertificateStore> {
  const clock = systemClock;
  const lock = systemDirectoryLock(clock);
  const disk = systemStateDisk;
  return (await openStore(disk, { dir, disk, lock, clock, random: systemRandom })).store;
}

/** Removes the files of a directory, or those with such names. */
function emptyOut(dir: string, names = /./u): void {
  for (const name of readdirSync(dir)) if (names.test(name)) rmSync(join(dir, name));
}

async function rotate(store: CertificateStore, times: number): Promise<void> {
  for (let round = 0; round < times; round++) {
    await store.stage(round % 2 === 0 ? two : one);
    await store.commit();
  }
}

suite("a real file system", { skip: without("the right to mount", mayMount) }, () => {
  test("full to the last byte: ten rotations go through, and the next start finds the last", async () => {
    using place = fileSystem("full", "size=1m");
    const dir = join(place.dir, "store");
    {
      await using store = await open(dir);
      await rotate(store, 1);
      spawnSync("dd", ["if=/dev/zero", `of=${join(place.dir, "logs")}`, "bs=1k"]);
      assert.equal((await systemStateDisk.free(place.dir)).bytes, 0);
      await rotate(store, 10);
      assert.ok(store.health.reserveBytes > 0);
    }
    await using store = await open(dir);
    assert.equal(store.current?.number, 11);
  });

  test("out of inodes: a rotation goes through", async () => {
    using place = fileSystem("inodes", "size=1m,nr_inodes=24");
    await using store = await open(join(place.dir, "store"));
    // From the third on, each generation takes the place of the one that leaves.
    await rotate(store, 2);
    for (let number = 0; (await systemStateDisk.free(place.dir)).files > 0; number++) {
      writeFileSync(join(place.dir, `mail-${number}`), "");
    }
    await rotate(store, 5);
    assert.equal(store.current?.number, 7);
  });

  test("remounted read-only: the agent goes on from memory, and says so", async () => {
    using place = fileSystem("read-only", "size=1m");
    const dir = join(place.dir, "store");
    await using store = await open(dir);
    await rotate(store, 1);
    assert.ok(mount("-o", "remount,ro", place.dir));
    await assert.rejects(store.stage(two), { code: "ERR_STORE_READ_ONLY" });
    assert.equal(store.current?.number, 1);
    assert.match(store.health.fault ?? "", /EROFS/);
    assert.ok(mount("-o", "remount,rw", place.dir));
    await rotate(store, 1);
    assert.equal(store.health.fault, undefined);
  });
});

suite("a real store", () => {
  test("is private from the first moment", async () => {
    const dir = join(scratch, "private");
    await using store = await open(dir);
    await rotate(store, 1);
    await store.writeNote("floor", new Uint8Array(10));
    assert.equal(statSync(dir).mode & 0o777, 0o700);
    for (const name of await systemStateDisk.list(dir)) {
      assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
    }
  });

  test("lets a second opener know who holds it", async () => {
    const dir = join(scratch, "locked");
    await using store = await open(dir);
    assert.equal(store.dir, dir);
    await assert.rejects(open(dir), { code: "ERR_STORE_LOCKED", message: /in use by process \d+/ });
  });

  const vanishings: readonly [why: string, vanish: (dir: string) => void][] = [
    ["its directory was removed", (dir) => rmSync(dir, { recursive: true })],
    ["its directory is empty: another file system is in its place", (dir) => emptyOut(dir)],
    ["only the generation in force is gone", (dir) => emptyOut(dir, /^generation-/)],
    ["only the records are gone", (dir) => emptyOut(dir, /^state-/)],
  ];
  for (const [why, vanish] of vanishings) {
    test(`writes itself anew while the agent runs: ${why}`, async () => {
      const dir = join(scratch, `gone-${why.length}`);
      {
        await using store = await open(dir);
        await rotate(store, 1);
        vanish(dir);
        // The first change may run into it; then the next one mends it.
        const error: unknown = await rotate(store, 1).then(
          () => rotate(store, 1),
          (thrown: unknown) => thrown,
        );
        if (error !== undefined) assert.match(JSON.stringify(error), /mount its file system again/);
        assert.ok((store.current?.number ?? 0) >= 1);
        await store.writeNote("floor", new Uint8Array(10));
        assert.equal(store.health.fault, undefined);
      }
      await using store = await open(dir);
      assert.ok((store.current?.number ?? 0) >= 1, "an identity is in force after a restart");
      assert.deepEqual(
        store.health.healed.filter((words) => words.includes("in force")),
        [],
      );
      assert.equal(statSync(join(dir, "reserve")).size, store.health.reserveBytes);
    });
  }

  const strace = { skip: without("strace", hasCommand("strace")) };
  test("on a disk that takes half a second to sync, files are read meanwhile", strace, async () => {
    const program = resolve(import.meta.dirname, "../fakes/store-program.ts");
    const delay = "inject=fsync:delay_enter=500000";
    const slow = async (threads: number): Promise<string> => {
      const dir = join(scratch, `slow-${threads}`);
      const { stdout, stderr } = await run(
        [
          "strace",
          "-f",
          "-qq",
          "-o",
          "/dev/null",
          "-e",
          delay,
          process.execPath,
          program,
          dir,
          "slow",
        ],
        { env: { UV_THREADPOOL_SIZE: String(threads) } },
      );
      return stdout === "" ? stderr : stdout;
    };
    assert.match(await slow(2), /^reads during the sync: [1-9]\d*; /);
    assert.match(await slow(1), /^reads during the sync: 0; /, "one thread would not do");
  });
});
