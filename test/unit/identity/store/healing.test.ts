/**
 * What a start finds on a damaged disk, and what it makes of it.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { PowerDisk, STORE_DIR } from "../../../fakes/power-disk.ts";
import { contentsOf, openStore, storeContents } from "../../../fakes/store.ts";
import { text } from "../../../fakes/store-operations.ts";

const [first, second, third] = await storeContents(3);
if (!first || !second || !third) throw new Error("three contents");
const BAD = [{ code: "probe", words: "refused" }];

const at = (name: string): string => `${STORE_DIR}/${name}`;
async function fileOf(disk: PowerDisk, number: number): Promise<string> {
  const names = await disk.list(STORE_DIR);
  const name = names.find((each) => each.startsWith("generation-") && each.endsWith(`-${number}`));
  assert.ok(name, `generation ${number} is on disk`);
  return at(name);
}
const zero = (disk: PowerDisk, path: string): void => disk.plant(path, new Uint8Array(0));
const turnBit = (disk: PowerDisk, path: string, position: number): void => {
  const bytes = disk.bytesOf(path);
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  disk.plant(path, bytes);
};
const garble = (disk: PowerDisk, path: string): void =>
  turnBit(disk, path, disk.bytesOf(path).length >> 1);

/** The slots by the sequence in them. */
function slotsOf(disk: PowerDisk): { older: string; newer: string } {
  const sequence = (name: string): number =>
    Number(/"sequence":(\d+)/.exec(Buffer.from(disk.bytesOf(at(name))).toString())?.[1]);
  const [older, newer] = ["state-0", "state-1"].sort((a, b) => sequence(a) - sequence(b));
  return { older: at(older as string), newer: at(newer as string) };
}

/** Generation 1 previous, 2 current, 3 next; a note and a key. */
async function filled(): Promise<{ disk: PowerDisk; contents: string; epoch: string }> {
  const disk = new PowerDisk();
  const { store } = await openStore(disk);
  await store.stage(first as never);
  await store.commit();
  await store.stage(second as never);
  await store.commit();
  await store.stage(third as never);
  await store.writeNote("floor", text("here"));
  const contents = await contentsOf(store, ["floor"]);
  await store[Symbol.asyncDispose]();
  return { disk, contents, epoch: store.epoch };
}

interface Row {
  readonly name: string;
  readonly why: string;
  readonly damage: (disk: PowerDisk) => Promise<void> | void;
  /** Numbers in force afterwards. */
  readonly current: number | undefined;
  readonly previous?: number;
  readonly next?: number;
  readonly healed: RegExp;
}

const ROWS: readonly Row[] = [
  {
    name: "the older slot of the state is zeroed",
    why: "a torn page costs the slot that was being written, never both",
    damage: (disk) => zero(disk, slotsOf(disk).older),
    ...{ current: 2, previous: 1, next: 3, healed: /a slot of the state was damaged/ },
  },
  {
    name: "a bit of the older slot has turned",
    why: "half a record that looks whole would be worse than none",
    damage: (disk) => turnBit(disk, slotsOf(disk).older, 200),
    ...{ current: 2, previous: 1, next: 3, healed: /a slot of the state was damaged/ },
  },
  {
    name: "the newer slot is far too large",
    why: "one step back, then: the generation was not in force yet",
    damage: (disk) => disk.plant(slotsOf(disk).newer, new Uint8Array(100_000)),
    ...{ current: 2, previous: 1, healed: /a slot of the state was damaged/ },
  },
  {
    name: "both slots are lost",
    why: "the generations tell; the newest whole one is in force",
    damage: (disk) => {
      zero(disk, at("state-0"));
      disk.lose(at("state-1"));
    },
    ...{ current: 3, previous: 2, healed: /state of the store was lost; generation 3 is in force/ },
  },
  {
    name: "both slots are lost, a whole temporary one is there",
    why: "an agent in the field refused to start beside a valid temporary file",
    damage: (disk) => {
      disk.plant(at("state-0.tmp"), disk.bytesOf(at("state-0")));
      disk.plant(at("state-1.tmp"), disk.bytesOf(at("state-1")));
      disk.lose(at("state-0"));
      zero(disk, at("state-1"));
    },
    ...{ current: 2, previous: 1, next: 3, healed: /slot/ },
  },
  {
    name: "current is empty",
    why: "zero-length after a power cut is the commonest damage of all",
    damage: async (disk) => zero(disk, await fileOf(disk, 2)),
    ...{ current: 1, next: 3, healed: /generation 2 is damaged; generation 1 is in force/ },
  },
  {
    name: "current is empty, its temporary file is whole",
    why: "the sibling is used, not ignored",
    damage: async (disk) => {
      const path = await fileOf(disk, 2);
      disk.plant(`${path}.tmp`, disk.bytesOf(path));
      zero(disk, path);
    },
    ...{ current: 2, previous: 1, next: 3, healed: /found under its temporary name/ },
  },
  {
    name: "a bit of current has turned",
    why: "flash forgets; a certificate with a turned bit fails every handshake",
    damage: async (disk) => garble(disk, await fileOf(disk, 2)),
    ...{ current: 1, next: 3, healed: /generation 2 is damaged/ },
  },
  {
    name: "current is missing, and previous is damaged",
    why: "the one that was never in force is better than none",
    damage: async (disk) => {
      disk.lose(await fileOf(disk, 2));
      garble(disk, await fileOf(disk, 1));
    },
    ...{ current: 3, healed: /generation 3 is in force/ },
  },
  {
    name: "current can't be read",
    why: "EIO on a read: the file stays, its sibling serves",
    damage: async (disk) => void disk.unreadable.add(await fileOf(disk, 2)),
    ...{ current: 1, next: 3, healed: /generation 2 is damaged/ },
  },
  {
    name: "next is damaged",
    why: "it was not in force; nothing is lost but the work",
    damage: async (disk) => garble(disk, await fileOf(disk, 3)),
    ...{ current: 2, previous: 1, healed: /generation 3, not yet in force/ },
  },
  {
    name: "previous is damaged",
    why: "the status must say that there is nothing to fall back to",
    damage: async (disk) => garble(disk, await fileOf(disk, 1)),
    ...{ current: 2, next: 3, healed: /generation 1, the previous one/ },
  },
  {
    name: "two generations were swapped",
    why: "a whole file under another's name is as bad as a damaged one",
    damage: async (disk) => {
      const [one, two] = [await fileOf(disk, 1), await fileOf(disk, 2)];
      const bytes = disk.bytesOf(one);
      disk.plant(one, disk.bytesOf(two));
      disk.plant(two, bytes);
    },
    ...{ current: 3, healed: /generation 2 is damaged/ },
  },
];

suite("a start on a damaged store", () => {
  for (const { name, why, damage, current, previous, next, healed } of ROWS) {
    test(`${name}: ${why}`, async () => {
      const { disk } = await filled();
      await damage(disk);
      const { store, log } = await openStore(disk, {}, 2);
      assert.equal(store.current?.number, current);
      assert.equal(store.previous?.number, previous);
      assert.equal(store.next?.number, next);
      assert.match(store.health.healed.join("\n"), healed);
      assert.match(
        log
          .of("store.healed")
          .map(({ reason }) => reason)
          .join("\n"),
        healed,
      );
      assert.equal(Buffer.from((await store.readNote("floor")) ?? []).toString(), "here");
      // Healed for good: the next start finds nothing to say, and the same.
      const contents = await contentsOf(store);
      disk.unreadable.clear();
      const again = await openStore(disk, {}, 3);
      assert.equal(await contentsOf(again.store), contents);
      assert.deepEqual(again.store.health.healed, []);
      // A number is never given twice, not even that of a lost one.
      const { number } = await store.stage(first as never);
      assert.ok(number > 3, `number ${number}`);
    });
  }

  test("nothing whole is left: the damaged files stay, and a new epoch begins", async () => {
    const { disk, epoch } = await filled();
    const files = [await fileOf(disk, 1), await fileOf(disk, 2), await fileOf(disk, 3)];
    for (const path of files) garble(disk, path);
    const { store, log } = await openStore(disk, {}, 2);
    assert.equal(store.current, undefined);
    assert.match(store.health.healed.join("\n"), /the device has no identity/);
    assert.notEqual(store.epoch, epoch, "signed for the lost one, it must not count for this one");
    assert.equal(log.of("store.begun").length, 1);
    for (const path of files) assert.ok(disk.has(path), "somebody may still want to look at it");
  });

  test("the state is lost: a new epoch, since the counter may be too low", async () => {
    const { disk, epoch } = await filled();
    zero(disk, at("state-0"));
    zero(disk, at("state-1"));
    const { store } = await openStore(disk, {}, 2);
    assert.notEqual(store.epoch, epoch);
    assert.equal(store.current?.epoch, epoch, "what was written stays what it is");
  });

  test("a bad generation never comes back, not even when the state is lost", async () => {
    const { disk } = await filled();
    const opened = await openStore(disk, {}, 2);
    await opened.store.discardNext(BAD);
    await opened.store.fallBack(BAD);
    await opened.store[Symbol.asyncDispose]();
    zero(disk, at("state-0"));
    zero(disk, at("state-1"));
    const { store } = await openStore(disk, {}, 3);
    assert.equal(store.current?.number, 1);
    const marks = store.history().map(({ number, mark }) => `${number} ${mark}`);
    assert.deepEqual(marks, ["3 bad", "2 bad", "1 unproven"]);
  });

  test("the slot with the fall-back is lost: the older one names the bad one, which stays out", async () => {
    const { disk } = await filled();
    const opened = await openStore(disk, {}, 2);
    const before = [disk.bytesOf(at("state-0")), disk.bytesOf(at("state-1"))];
    await opened.store.fallBack(BAD);
    const slot = Buffer.compare(disk.bytesOf(at("state-0")), before[0] ?? new Uint8Array()) === 0;
    zero(disk, at(slot ? "state-1" : "state-0"));
    const { store } = await openStore(disk, {}, 3);
    assert.equal(store.current?.number, 1);
    assert.match(store.health.healed.join("\n"), /generation 2 is bad; generation 1 is in force/);
  });

  test("a damaged note is gone and said so; one that is damaged later is an error", async () => {
    const { disk } = await filled();
    garble(disk, at("note-floor"));
    const { store } = await openStore(disk, {}, 2);
    assert.match(store.health.healed.join("\n"), /note floor was damaged/);
    assert.equal(await store.readNote("floor"), undefined);
    await store.writeNote("floor", text("again"));
    garble(disk, at("note-floor"));
    await assert.rejects(store.readNote("floor"), { code: "ERR_STORE_CORRUPT" });
    await store.writeNote("floor", text("mended"));
    assert.equal(Buffer.from((await store.readNote("floor")) ?? []).toString(), "mended");
  });

  test("leftovers of work that was never acknowledged are removed; strangers' files stay", async () => {
    const { disk, contents } = await filled();
    const generation = await fileOf(disk, 3);
    const leftovers = ["state-0.tmp", "note-floor.tmp", "reserve.tmp", "key-x.tmp"];
    for (const name of leftovers) disk.plant(at(name), text("half"));
    disk.plant(generation.replace(/-3$/, "-9"), disk.bytesOf(generation));
    disk.plant(at("lost+found"), text("not ours"));
    const { store } = await openStore(disk, {}, 2);
    assert.equal(await contentsOf(store, ["floor"]), contents);
    const names = await disk.list(STORE_DIR);
    assert.deepEqual(
      names.filter((name) => /tmp$|-9$/.test(name)),
      [],
    );
    assert.ok(names.includes("lost+found"));
  });
});
