/**
 * Full, read-only, slow and failing disks, one story each; test/fault/store-errors.test.ts fails
 * every step.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { settle } from "../../../fakes/fake-clock.ts";
import { PowerDisk, STORE_DIR } from "../../../fakes/power-disk.ts";
import { contentsOf, keyReference, openStore, storeContents } from "../../../fakes/store.ts";
import { text } from "../../../fakes/store-operations.ts";

const [first, second, third] = await storeContents(3);
if (!first || !second || !third) throw new Error("three contents");
const one = first;
const MINUTE = 60_000;

async function installed(disk = new PowerDisk()) {
  const opened = await openStore(disk);
  await opened.store.stage(one);
  await opened.store.commit();
  return { disk, ...opened };
}
const used = async (disk: PowerDisk): Promise<number> => 1e9 - (await disk.free()).bytes;

suite("a disk that is full", () => {
  test("rotates all the same, as often as needed: the reserve is there for it", async () => {
    const { disk, store } = await installed();
    disk.limits = { bytes: await used(disk) };
    for (let round = 0; round < 20; round++) {
      await store.stage(round % 2 === 0 ? (second as typeof one) : one);
      await store.commit();
    }
    assert.equal(store.current?.number, 21);
    assert.ok(store.health.reserveBytes >= 16 * 1024, `${store.health.reserveBytes} left`);
    disk.cutPower();
    const [[, left] = ["", disk]] = disk.worlds();
    assert.equal((await openStore(left)).store.current?.number, 21);
  });

  test("has no inode left: the reserve gives up its own", async () => {
    const { disk, store } = await installed();
    disk.limits = { files: (await disk.list(STORE_DIR)).length + 2 };
    assert.equal((await disk.free()).files, 0);
    await store.stage(second as typeof one);
    assert.equal((await store.commit()).number, 2);
  });

  test("keeps the reserve for rotations: a note is refused, and then a rotation succeeds", async () => {
    const { disk, store } = await installed();
    disk.limits = { bytes: await used(disk) };
    await assert.rejects(store.writeNote("big", new Uint8Array(60_000)), (error: Error) => {
      assert.match(error.message, /note-big.*ENOSPC/);
      return (error as { code?: string }).code === "ERR_STORE_FULL";
    });
    assert.match(store.health.fault ?? "", /ENOSPC/);
    assert.equal(store.health.reserveBytes, 65_536);
    await store.stage(second as typeof one);
    assert.equal((await store.commit()).number, 2);
  });

  test("has room again: the store notices by itself, and sets space aside again", async () => {
    const { disk, store, clock, log } = await installed();
    disk.limits = { bytes: (await used(disk)) - 65_536 };
    await assert.rejects(store.writeNote("a", text("a")), { code: "ERR_STORE_FULL" });
    await clock.advance(30 * MINUTE);
    assert.match(store.health.fault ?? "", /ENOSPC/, "still full");
    assert.equal(log.of("store.failed").length, 1, "told once");
    disk.limits = {};
    await clock.advance(60 * MINUTE);
    assert.equal(store.health.fault, undefined);
    assert.equal(log.of("store.recovered").length, 1);
    await store.writeNote("a", text("a"));
  });

  test("was full when the store was opened: the reserve comes later, and its lack is told", async () => {
    const { disk, store } = await installed();
    await store[Symbol.asyncDispose]();
    disk.lose(`${STORE_DIR}/reserve`);
    disk.limits = { bytes: (await used(disk)) + 4096 };
    const opened = await openStore(disk, {}, 2);
    assert.equal(opened.store.health.reserveBytes, 0);
    assert.equal(opened.log.of("store.reserve.missing").length, 1);
    disk.limits = {};
    await opened.clock.advance(2 * MINUTE);
    assert.equal(opened.store.health.reserveBytes, 65_536);
  });

  test("is full from the beginning: no store, and the reason", async () => {
    const disk = new PowerDisk();
    disk.limits = { bytes: 0 };
    await assert.rejects(openStore(disk), { code: "ERR_STORE_FULL" });
  });
});

suite("a disk that is read-only", () => {
  test("serves what it holds, says so, and takes changes once it can be written", async () => {
    const { disk, store } = await installed();
    await store[Symbol.asyncDispose]();
    disk.readOnly = true;
    const opened = await openStore(disk, {}, 2);
    assert.equal(opened.store.current?.number, 1);
    assert.equal(opened.store.health.writable, false);
    assert.match(opened.store.health.fault ?? "", /EROFS/);
    await assert.rejects(opened.store.stage(second as typeof one), {
      code: "ERR_STORE_READ_ONLY",
    });
    assert.equal(opened.store.current?.digest, store.current?.digest);
    disk.readOnly = false;
    await opened.clock.advance(2 * MINUTE);
    assert.equal(opened.store.health.writable, true);
    await opened.store.stage(second as typeof one);
  });

  test("holds nothing yet: there is nothing to serve", async () => {
    const disk = new PowerDisk();
    disk.readOnly = true;
    await assert.rejects(openStore(disk), { code: "ERR_STORE_READ_ONLY" });
  });
});

suite("a sync that failed", () => {
  // Linux reports the failure once and counts the pages as clean: the next sync of the same file
  // succeeds and writes nothing. Databases have lost acknowledged rows this way.
  for (const name of ["sync", "syncbytes"]) {
    test(`${name}: what is acknowledged afterwards is on the disk, not in the cache`, async () => {
      const { disk, store } = await installed();
      const first = disk.steps.length;
      await store.stage(second as typeof one);
      const step = disk.steps.findIndex((each, at) => at >= first && each.startsWith(`${name} `));
      assert.ok(step > 0);
      const again = await installed();
      again.disk.fault = { step: step + 1, what: "EIO" };
      await assert.rejects(again.store.stage(second as typeof one), { code: "ERR_STORE_IO" });
      await again.store.stage(second as typeof one);
      await again.store.commit();
      again.disk.cutPower();
      for (const [world, left] of again.disk.worlds()) {
        const { store: reopened } = await openStore(left, {}, 2);
        assert.equal(reopened.current?.digest, again.store.current?.digest, world);
      }
    });
  }
});

suite("a slot whose sync failed", () => {
  test("is never written in place again: a new file takes its place", async () => {
    const { disk, store } = await installed();
    const begun = disk.steps.length;
    disk.fault = { step: begun + 2, what: "EIO", lasting: 6 };
    await assert.rejects(store.mark(1, "trialled"), { code: "ERR_STORE_IO" });
    const slot = disk.steps.slice(begun).find((step) => step.startsWith("syncbytes "));
    const path = slot?.split(" ")[1] ?? "none";
    disk.fault = undefined;
    const failed = disk.steps.length;
    await store.mark(1, "trialled");
    const steps = disk.steps.slice(failed);
    assert.deepEqual(
      steps.filter((step) => step.includes("state-")),
      [`create ${path}.tmp`, `write ${path}.tmp`, `sync ${path}.tmp`, `rename ${path}.tmp ${path}`],
    );
  });
});

suite("a commit that was refused", () => {
  test("stays refused over a restart: the old record is written over it at once", async () => {
    const { disk, store } = await installed();
    await store.stage(second as typeof one);
    // Write and sync of the slot: the bytes are in the cache, and may or may not reach the disk.
    disk.fault = { step: disk.steps.length + 2, what: "EIO" };
    await assert.rejects(store.commit(), { code: "ERR_STORE_IO" });
    for (const [world, left] of disk.worlds()) {
      const { store: reopened } = await openStore(left, {}, 2);
      assert.equal(reopened.current?.number, 1, world);
      assert.equal(reopened.next?.number, 2, world);
    }
    // The process alone is restarted: it sees what the kernel has cached.
    await store[Symbol.asyncDispose]();
    assert.equal((await openStore(disk, {}, 2)).store.current?.number, 1, "restarted");
  });
});

suite("work that was given up", () => {
  test("a stage that fails again and again leaves no files behind to fill the disk", async () => {
    const { disk, store } = await installed();
    const files = await disk.list(STORE_DIR);
    for (let round = 0; round < 5; round++) {
      const { steps } = disk;
      // Past the generation's own file: create, write, sync, rename, sync of the directory.
      disk.fault = { step: steps.length + 6, what: "EIO" };
      await assert.rejects(store.stage(second as typeof one), { code: "ERR_STORE_IO" });
    }
    disk.fault = undefined;
    assert.deepEqual(await disk.list(STORE_DIR), files);
  });

  test("a reset that failed half way is finished before anything new, which then stays", async () => {
    const { disk, store } = await installed();
    // Past both records: the removal itself fails.
    disk.fault = { step: disk.steps.length + 5, what: "EIO" };
    await assert.rejects(store.reset(), { code: "ERR_STORE_IO" });
    disk.fault = undefined;
    await store.stage(second as typeof one);
    await store.commit();
    const { store: reopened } = await openStore(disk, {}, 2);
    assert.equal(reopened.current?.digest, store.current?.digest);
    assert.equal(reopened.history().length, 1);
  });

  for (const slot of ["state-0", "state-1"]) {
    test(`half a reset, and then ${slot} is damaged: the old identity does not come back`, async () => {
      const { disk, store } = await installed();
      await store.stage(second as typeof one);
      disk.pause = async (step) => {
        if (step.startsWith("remove ") && step.includes("generation-")) disk.cutPower();
      };
      await assert.rejects(store.reset());
      for (const [world, left] of disk.worlds()) {
        left.plant(`${STORE_DIR}/${slot}`, new Uint8Array(0));
        const { store: reopened } = await openStore(left, {}, 2);
        assert.deepEqual(reopened.history(), [], world);
        assert.match((await left.list(STORE_DIR)).join(" "), /^(?!.*generation-)/, world);
      }
    });
  }
});

suite("a disk that lies", () => {
  test("what is read back is compared: nothing is acknowledged, nothing comes in force", async () => {
    const { disk, store } = await installed();
    await store.stage(second as typeof one);
    disk.lying = true;
    const different = { code: "ERR_STORE_IO", message: /what is read is not what was written/ };
    await assert.rejects(store.commit(), different);
    await assert.rejects(store.stage(third as typeof one), different);
    await assert.rejects(store.writeNote("a", text("some bytes")), different);
    assert.equal(store.current?.number, 1);
    assert.equal(store.next?.number, 2);
    disk.lying = false;
    await store.commit();
    assert.equal((await openStore(disk, {}, 2)).store.current?.number, 2);
  });
});

suite("a disk that is slow", () => {
  async function stalled() {
    const opened = await installed();
    const { promise, resolve } = Promise.withResolvers<void>();
    let held = 0;
    opened.disk.pause = async (step) => {
      if (!step.startsWith("sync ")) return;
      held += 1;
      await promise;
    };
    const staged = opened.store.stage(second as typeof one);
    await settle();
    return { ...opened, staged, go: resolve, held: () => held };
  }

  test("holds up nothing that is read, and never two threads", async () => {
    const { store, staged, go, held, clock } = await stalled();
    const others = [store.writeNote("a", text("a")), store.keepKey("k", keyReference())];
    await settle();
    clock.skip(30_000);
    assert.equal(store.current?.number, 1);
    assert.match(store.health.fault ?? "", /busy with "stage" for 30 s/);
    assert.equal(store.health.writable, true);
    assert.equal(held(), 1, "one call at a time is on its way to the disk");
    go();
    assert.equal((await staged).number, 2);
    await Promise.all(others);
    assert.equal(store.health.fault, undefined);
  });

  test("lets only so many wait", async () => {
    const { store, staged, go } = await stalled();
    const notes = Array.from({ length: 40 }, (_, index) =>
      store.writeNote(`n${index}`, text("x")).then(
        () => "written",
        (error: { code?: string }) => error.code ?? "",
      ),
    );
    go();
    await staged;
    const outcomes = await Promise.all(notes);
    assert.ok(outcomes.includes("ERR_STORE_BUSY"));
    assert.ok(outcomes.filter((outcome) => outcome === "written").length > 20);
  });

  test("does not hold up the end of the agent", async () => {
    const { store, clock } = await stalled();
    const closed = store[Symbol.asyncDispose]();
    await settle();
    await clock.advance(6_000);
    await closed;
    await assert.rejects(store.commit(), { code: "ERR_STORE_CLOSED" });
  });
});

suite("somebody else's files", () => {
  const rows: readonly {
    readonly name: string;
    readonly why: string;
    readonly damage: (disk: PowerDisk) => Promise<void> | void;
    readonly refusal?: RegExp;
    readonly healed?: RegExp;
  }[] = [
    {
      name: "a file of another user",
      why: "run once as root, and the agent could not read its own key",
      damage: (disk) => disk.plant(`${STORE_DIR}/note-x`, text("x"), { uid: 0 }),
      refusal: /note-x belongs to user 0, not to 1000; run chown/,
    },
    {
      name: "the directory of another user",
      why: "whoever owns it can put a key of his own there",
      damage: (disk) => {
        disk.user = 1001;
      },
      refusal: /belongs to user 1000, and this is user 1001/,
    },
    {
      name: "a file that others may read",
      why: "copied by hand with a loose umask: closed again, and said",
      damage: (disk) => {
        const bytes = disk.bytesOf(`${STORE_DIR}/state-0`);
        disk.plant(`${STORE_DIR}/state-0`, bytes, { mode: 0o644 });
      },
      healed: /state-0: other users could read it \(mode 644\); now it is private/,
    },
    {
      name: "a directory that others may enter",
      why: "closed again, and said",
      damage: (disk) => disk.setMode(STORE_DIR, 0o755),
      healed: /other users could enter it \(mode 755\); now it is private/,
    },
  ];
  for (const { name, why, damage, refusal, healed } of rows) {
    test(`${name}: ${why}`, async () => {
      const { disk, store } = await installed();
      await store[Symbol.asyncDispose]();
      await damage(disk);
      if (refusal !== undefined) {
        await assert.rejects(openStore(disk), { code: "ERR_STORE_UNSAFE", message: refusal });
        return;
      }
      const opened = await openStore(disk, {}, 2);
      assert.match(opened.store.health.healed.join("\n"), healed ?? /never/);
      assert.equal((await disk.look(STORE_DIR))?.mode, 0o700);
      assert.equal((await disk.look(`${STORE_DIR}/state-0`))?.mode, 0o600);
    });
  }

  test("root works for the owner: what it makes belongs to the agent's user", async () => {
    const { disk, store } = await installed();
    await store[Symbol.asyncDispose]();
    disk.user = 0;
    const opened = await openStore(disk, {}, 2);
    await opened.store.stage(second as typeof one);
    await opened.store.commit();
    await opened.store[Symbol.asyncDispose]();
    disk.user = 1000;
    const { store: again } = await openStore(disk, {}, 3);
    assert.equal(again.current?.number, 2);
  });
});

suite("formats", () => {
  const format = { version: 2, upgrades: { 1: (payload: unknown) => payload } };
  const opening = async (disk: PowerDisk, options = {}): Promise<CertificateStore> =>
    (await openStore(disk, options, 2)).store;

  test("an older one is lifted; then the older program refuses, and changes nothing", async () => {
    const { disk, store } = await installed();
    const contents = await contentsOf(store);
    await store[Symbol.asyncDispose]();
    const lifted = await opening(disk, { format });
    assert.equal(await contentsOf(lifted), contents);
    await lifted[Symbol.asyncDispose]();
    const steps = disk.steps.length;
    await assert.rejects(opening(disk), {
      code: "ERR_STORE_FORMAT",
      message: /state-\d was written by a newer microedge \(format 2\)/,
    });
    assert.equal(disk.steps.length, steps, "not a byte");
    assert.equal(await contentsOf(await opening(disk, { format })), contents);
  });
});
