/**
 * Power lost after every step of every operation of the store: what the next start finds is the state
 * before or the state after, whole; and after the acknowledgement it is the state after. The same
 * matrix must catch writers that leave out one of the steps.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openChecked, sealChecked } from "#src/identity/store/checked-file.ts";
import { STATE_FORMAT } from "#src/identity/store/state-record.ts";
import { FULL } from "../fakes/needs.ts";
import { PowerDisk, STORE_DIR } from "../fakes/power-disk.ts";
import { type MatrixResult, powerMatrix, type Subject } from "../fakes/power-matrix.ts";
import { contentsOf, openStore } from "../fakes/store.ts";
import { AFTERWARDS, OPERATIONS, type Operation, text } from "../fakes/store-operations.ts";

function subject({ before, run }: Operation): Subject {
  let seed = 10;
  return {
    prepare: async (disk) => {
      const { store } = await openStore(disk);
      await before(store);
      await store[Symbol.asyncDispose]();
    },
    operate: async (disk) => {
      const { store } = await openStore(disk, {}, 2);
      await run(store);
      await store[Symbol.asyncDispose]();
    },
    start: async (disk) => void (await openStore(disk, {}, 3)),
    view: async (disk) => {
      seed += 1;
      const { store } = await openStore(disk, {}, seed);
      const found = await contentsOf(store, ["floor"]);
      // It is not only there, it works: another rotation goes through.
      await store.stage(AFTERWARDS);
      await store.commit();
      await store[Symbol.asyncDispose]();
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

suite("power lost after every step of the store", () => {
  for (const row of OPERATIONS) {
    test(`${row.name}: ${row.why}`, async () => {
      const result = counted(await powerMatrix(subject(row), FULL));
      assert.deepEqual(result.violations.slice(0, 5), []);
      assert.ok(result.points > 3, `only ${result.points} points`);
    });
  }

  test("the first start of all: nothing was acknowledged, so an empty store is right", async () => {
    const view = async (disk: PowerDisk): Promise<string> => {
      const { store } = await openStore(disk, {}, 5);
      return contentsOf(store);
    };
    const operate = async (disk: PowerDisk): Promise<void> => void (await openStore(disk));
    const result = counted(await powerMatrix({ prepare: async () => undefined, operate, view }));
    assert.deepEqual(result.violations.slice(0, 5), []);
    assert.ok(result.points > 8, `only ${result.points} points`);
  });

  test("a start that heals a damaged slot loses nothing when the power goes again", async () => {
    const row = OPERATIONS.find(({ name }) => name === "commit");
    assert.ok(row);
    const prepare = async (disk: PowerDisk): Promise<void> => {
      await subject(row).prepare(disk);
      const path = `${STORE_DIR}/state-0`;
      disk.plant(path, disk.bytesOf(path).fill(0));
    };
    const operate = async (disk: PowerDisk): Promise<void> => void (await openStore(disk));
    const result = counted(await powerMatrix({ ...subject(row), prepare, operate }, true));
    assert.deepEqual(result.violations.slice(0, 5), []);
  });

  for (const name of ["commit", "stage", "fall back", "write a note"]) {
    test(`killed during ${name}: what the next start has seen, no power cut takes back`, async () => {
      const row = OPERATIONS.find((each) => each.name === name);
      assert.ok(row);
      const { prepare, operate } = subject(row);
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
        const seen = await contentsOf((await openStore(disk, {}, 6)).store, ["floor"]);
        disk.cutPower();
        for (const [world, left] of disk.worlds()) {
          const { store } = await openStore(left, {}, 7);
          const where = `before ${whole.steps[step - 1]}, ${world}`;
          assert.equal(await contentsOf(store, ["floor"]), seen, where);
        }
      }
    });
  }

  test("an older format is lifted, and a power cut meanwhile leaves one that can be", async () => {
    const row = OPERATIONS.find(({ name }) => name === "commit");
    assert.ok(row);
    const upgrades = { 1: (payload: unknown) => payload };
    const format = { version: 2, upgrades };
    const view = async (disk: PowerDisk): Promise<string> => {
      const { store } = await openStore(disk, { format }, 5);
      return contentsOf(store);
    };
    const operate = async (disk: PowerDisk): Promise<void> => {
      await openStore(disk, { format });
    };
    const prepare = subject(row).prepare;
    const result = counted(await powerMatrix({ prepare, operate, view }, true));
    assert.deepEqual(result.violations.slice(0, 5), []);
    assert.equal(STATE_FORMAT.version, 1, "then this test starts from an older version indeed");
  });

  test("counted", (t) => {
    t.diagnostic(`${points} points of power loss, ${worlds} disks opened, nothing lost`);
    assert.ok(points > 150 && worlds > 7 * 150, `${points} points, ${worlds} worlds`);
  });
});

/** Writers as they are found in the field; each must be caught. */
const CARELESS: readonly {
  readonly name: string;
  readonly why: string;
  readonly write: (disk: PowerDisk, bytes: Uint8Array) => Promise<void>;
}[] = [
  {
    name: "overwrites in place",
    why: "renewal tools do: a cut in the middle leaves half a certificate",
    write: async (disk, bytes) => {
      await using file = await disk.open(`${STORE_DIR}/current`);
      await file.write(bytes, 0);
      await file.sync();
    },
  },
  {
    name: "renames without syncing the file",
    why: "the name arrives before the bytes: an empty file",
    write: async (disk, bytes) => {
      await using file = await disk.create(`${STORE_DIR}/new`);
      await file.write(bytes, 0);
      await disk.rename(`${STORE_DIR}/new`, `${STORE_DIR}/current`);
      await disk.syncDirectory(STORE_DIR);
    },
  },
  {
    name: "renames without syncing the directory",
    why: "acknowledged, and the old one is back after the cut",
    write: async (disk, bytes) => {
      await using file = await disk.create(`${STORE_DIR}/new`);
      await file.write(bytes, 0);
      await file.sync();
      await disk.rename(`${STORE_DIR}/new`, `${STORE_DIR}/current`);
    },
  },
  {
    name: "removes the old one first",
    why: "between the two there is none",
    write: async (disk, bytes) => {
      await using file = await disk.create(`${STORE_DIR}/new`);
      await file.write(bytes, 0);
      await file.sync();
      await disk.remove(`${STORE_DIR}/current`);
      await disk.syncDirectory(STORE_DIR);
      await disk.rename(`${STORE_DIR}/new`, `${STORE_DIR}/current`);
      await disk.syncDirectory(STORE_DIR);
    },
  },
];

suite("the same matrix catches a writer that", () => {
  // Larger than a page, so that a write can be torn.
  const seal = (letter: string): Uint8Array => sealChecked("note", 1, text(letter.repeat(9000)));
  for (const { name, why, write } of CARELESS) {
    test(`${name}: ${why}`, async () => {
      const path = `${STORE_DIR}/current`;
      const result = await powerMatrix({
        prepare: async (disk) => {
          await disk.makeDirectory(STORE_DIR);
          await disk.syncDirectory("/state");
          disk.plant(path, seal("a"));
        },
        operate: (disk) => write(disk, seal("b")),
        view: async (disk) => {
          const opened = openChecked("note", await disk.read(path, 1e6));
          if (opened === undefined) throw new Error("not whole");
          return String.fromCharCode(opened.payload[0] ?? 0);
        },
      });
      assert.notDeepEqual(result.violations.slice(0, 5), []);
    });
  }
});
