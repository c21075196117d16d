/**
 * The store in good weather: what each operation does, what it costs, and what it refuses.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { GenerationContent } from "#src/identity/store/generation.ts";
import { PowerDisk, STORE_DIR } from "../../../fakes/power-disk.ts";
import { keyReference, openStore, storeContents } from "../../../fakes/store.ts";
import { text } from "../../../fakes/store-operations.ts";

const [first, second, third] = await storeContents(3);
if (!first || !second || !third) throw new Error("three contents");
const contents: readonly GenerationContent[] = [first, second, third];
const REASONS = [{ code: "probe", words: "the broker refused it" }];

async function rotate(store: CertificateStore, content: GenerationContent): Promise<void> {
  await store.stage(content);
  await store.commit();
}
const roles = ({ current, previous, next }: CertificateStore): readonly (number | undefined)[] => [
  current?.number,
  previous?.number,
  next?.number,
];

suite("the operations of a store", () => {
  test("generations go from next to current to previous, and out", async () => {
    const disk = new PowerDisk();
    const { store } = await openStore(disk);
    assert.deepEqual(roles(store), [undefined, undefined, undefined]);
    const staged = await store.stage(first);
    assert.equal(staged.mark, "staged");
    assert.deepEqual(roles(store), [undefined, undefined, 1]);
    await store.commit();
    await rotate(store, second);
    await store.stage(third);
    assert.deepEqual(roles(store), [2, 1, 3]);
    await store.commit();
    assert.deepEqual(roles(store), [3, 2, undefined]);
    const files = (await disk.list(STORE_DIR)).filter((name) => name.startsWith("generation-"));
    assert.equal(files.length, 2, "the first is gone from the disk, too");
    const { key, chainPem, trustBundlePem, origin } = store.current ?? first;
    assert.deepEqual({ key, chainPem, trustBundlePem, origin }, third);
  });

  test("what falls back is kept with its reasons; the mark is for good", async () => {
    const { store } = await openStore(new PowerDisk());
    await rotate(store, first);
    await rotate(store, second);
    const back = await store.fallBack(REASONS);
    assert.equal(back.number, 1);
    assert.deepEqual(roles(store), [1, undefined, undefined]);
    const [bad] = store.history();
    assert.equal(bad?.mark, "bad");
    assert.deepEqual(bad?.reasons, REASONS);
    await assert.rejects(store.mark(2, "trialled"), { code: "ERR_STORE_SEQUENCE" });
    await assert.rejects(store.fallBack(REASONS), { code: "ERR_STORE_SEQUENCE" });
  });

  test("the history is bounded: three in use and three bad, however often it fails", async () => {
    const disk = new PowerDisk();
    const { store } = await openStore(disk);
    await rotate(store, first);
    await rotate(store, second);
    for (let round = 0; round < 10; round++) {
      await store.stage(third);
      await store.discardNext(REASONS);
    }
    await store.stage(third);
    assert.deepEqual(
      store.history().map(({ number }) => number),
      [13, 12, 11, 10, 2, 1],
    );
    assert.equal((await disk.list(STORE_DIR)).length, 6 + 3, "two slots and the reserve beside");
  });

  test("steps out of sequence are refused", async () => {
    const { store } = await openStore(new PowerDisk());
    const refused = { code: "ERR_STORE_SEQUENCE" };
    await assert.rejects(store.commit(), refused);
    await assert.rejects(store.fallBack([]), refused);
    await assert.rejects(store.discardNext([]), refused);
    await assert.rejects(store.mark(1, "trialled"), refused);
    assert.equal(store.health.fault, undefined, "that is no fault of the disk");
  });

  test("reasons without end still fit the record", async () => {
    const disk = new PowerDisk();
    const { store } = await openStore(disk);
    const endless = Array.from({ length: 50 }, () => ({
      code: "c".repeat(500),
      words: '"\n'.repeat(9000),
    }));
    await rotate(store, first);
    for (let round = 0; round < 4; round++) {
      await store.stage(second);
      await store.discardNext(endless);
    }
    await store.stage(second);
    await store.mark(1, "unproven", endless);
    await store.mark(6, "unproven", endless);
    const { store: again } = await openStore(disk, {}, 2);
    assert.equal(again.current?.reasons.length, 8);
    assert.equal(again.current?.reasons[7]?.words, "and 43 more reasons");
  });

  test("a reset leaves nothing of the old store, and begins a new epoch", async () => {
    const disk = new PowerDisk();
    const { store, log } = await openStore(disk);
    await rotate(store, first);
    await store.stage(second);
    await store.keepKey("renewal", keyReference());
    await store.writeNote("floor", text("here"));
    const { epoch } = store;
    const secrets = [first, second].map(({ key }) => key.locator);
    await store.reset();
    assert.deepEqual(roles(store), [undefined, undefined, undefined]);
    assert.equal(store.pendingKeys().size, 0);
    assert.equal(await store.readNote("floor"), undefined);
    assert.notEqual(store.epoch, epoch);
    assert.equal(log.of("store.begun").length, 2);
    const names = await disk.list(STORE_DIR);
    assert.deepEqual(names, ["reserve", "state-0", "state-1"]);
    for (const name of names) {
      const bytes = Buffer.from(disk.bytesOf(`${STORE_DIR}/${name}`));
      for (const secret of secrets) assert.ok(!bytes.includes(secret), name);
    }
    assert.equal((await store.stage(third)).number, 1, "numbers begin again with the epoch");
  });
});

suite("what may become a generation", () => {
  const rows: readonly {
    readonly name: string;
    readonly why: string;
    readonly content: GenerationContent;
    readonly digest?: string;
    readonly message: RegExp;
  }[] = [
    {
      name: "another key's certificate",
      why: "a mismatched pair can't exist",
      content: { ...first, key: second.key },
      message: /the key is not the one in the certificate/,
    },
    {
      name: "not what was validated",
      why: "something changed between the check and the write",
      content: first,
      digest: "00".repeat(32),
      message: /is not that of what was validated/,
    },
    {
      name: "no certificate",
      why: "an empty file",
      content: { ...first, chainPem: "" },
      message: /the chain holds no certificate/,
    },
    {
      name: "a certificate cut in the middle",
      why: "a copy that was interrupted",
      content: {
        ...first,
        chainPem: first.chainPem.replace(/\n[^\n]+\n[^\n]+\n-----END/, "\n-----END"),
      },
      message: /the chain can't be read/,
    },
    {
      name: "a chain that is far too large",
      why: "capped before anything is parsed",
      content: { ...first, chainPem: first.chainPem.repeat(1000) },
      message: /chainPem is larger than 262144 bytes/,
    },
  ];
  for (const { name, why, content, digest, message } of rows) {
    test(`not ${name}: ${why}`, async () => {
      const { store } = await openStore(new PowerDisk());
      const { bytesWritten } = store.wear;
      await assert.rejects(store.stage(content, digest), { code: "ERR_STORE_CONTENT", message });
      assert.equal(store.wear.bytesWritten, bytesWritten, "nothing was written");
    });
  }

  test("the digest is that of what serves: certificates, bundle and key, not their spelling", async () => {
    const { store } = await openStore(new PowerDisk());
    const plain = await store.stage(first);
    const commented = { ...first, chainPem: `made by hand\n${first.chainPem}` };
    const { digest } = await store.stage(commented, plain.digest);
    assert.equal(digest, plain.digest);
    assert.notEqual((await store.stage(second)).digest, plain.digest);
  });
});

suite("keys and notes", () => {
  test("keys are kept until they are dropped, at most sixteen", async () => {
    const disk = new PowerDisk();
    const { store } = await openStore(disk);
    for (let number = 0; number < 16; number++) await store.keepKey(`k${number}`, keyReference());
    await assert.rejects(store.keepKey("more", keyReference()), { code: "ERR_STORE_CONTENT" });
    await store.dropKey("k0");
    await store.dropKey("never-was");
    await store.keepKey("more", keyReference("cd".repeat(32)));
    const { store: again } = await openStore(disk, {}, 2);
    assert.equal(again.pendingKeys().size, 16);
    assert.deepEqual(again.pendingKeys().get("more"), keyReference("cd".repeat(32)));
  });

  for (const name of ["", "../key", "a/b", ".hidden", "x.tmp", "a b", "n".repeat(65)]) {
    test(`${JSON.stringify(name)} is no name`, async () => {
      const { store } = await openStore(new PowerDisk());
      const refused = { code: "ERR_STORE_CONTENT", message: /is no name/ };
      await assert.rejects(store.writeNote(name, text("x")), refused);
      await assert.rejects(store.readNote(name), refused);
      await assert.rejects(store.keepKey(name, keyReference()), refused);
    });
  }

  test("notes are bounded in size and number", async () => {
    const { store } = await openStore(new PowerDisk());
    const tooLarge = new Uint8Array(64 * 1024 + 1);
    await assert.rejects(store.writeNote("big", tooLarge), { code: "ERR_STORE_CONTENT" });
    await store.writeNote("big", tooLarge.subarray(1));
    for (let number = 1; number < 64; number++) await store.writeNote(`n${number}`, text("x"));
    await assert.rejects(store.writeNote("more", text("x")), { code: "ERR_STORE_CONTENT" });
    await store.dropNote("n1");
    await store.writeNote("more", text("x"));
  });
});

suite("wear", () => {
  const costs: readonly {
    readonly name: string;
    readonly run: (store: CertificateStore) => Promise<unknown>;
    readonly syncs: number;
    readonly maxBytes: number;
  }[] = [
    { name: "stage", run: (store) => store.stage(second), syncs: 3, maxBytes: 8192 },
    { name: "mark", run: (store) => store.mark(1, "trialled"), syncs: 1, maxBytes: 4096 },
    { name: "the same mark again", run: (store) => store.mark(1, "staged"), syncs: 0, maxBytes: 0 },
    {
      name: "note",
      run: (store) => store.writeNote("floor", text("new")),
      syncs: 2,
      maxBytes: 200,
    },
    {
      name: "the same note again",
      run: (store) => store.writeNote("floor", text("old")),
      syncs: 0,
      maxBytes: 0,
    },
    { name: "reading", run: (store) => store.readNote("floor"), syncs: 0, maxBytes: 0 },
  ];
  for (const { name, run, syncs, maxBytes } of costs) {
    test(`${name}: ${syncs} syncs, at most ${maxBytes} bytes`, async () => {
      const { store } = await openStore(new PowerDisk());
      await rotate(store, first);
      await store.writeNote("floor", text("old"));
      const before = store.wear;
      await run(store);
      const after = store.wear;
      assert.equal(after.syncs - before.syncs, syncs);
      assert.ok(after.bytesWritten - before.bytesWritten <= maxBytes);
      assert.equal(after.operations - before.operations, syncs === 0 ? 0 : 1);
    });
  }

  test("a quiet week writes nothing at all", async () => {
    const { store, clock } = await openStore(new PowerDisk());
    await rotate(store, first);
    const before = store.wear;
    await clock.advance(7 * 86_400_000);
    assert.equal(store.wear.bytesWritten, before.bytesWritten);
    assert.equal(store.wear.syncs, before.syncs);
    assert.equal(clock.timers, 0);
  });

  test("a start on a sound store writes nothing", async () => {
    const disk = new PowerDisk();
    await rotate((await openStore(disk)).store, first);
    const { store } = await openStore(disk, {}, 2);
    assert.equal(store.wear.bytesWritten, 0);
    assert.deepEqual(store.health.healed, []);
  });

  test("above the budget: one warning a day, and the next day counts afresh", async () => {
    const { store, clock, log } = await openStore(new PowerDisk(), {
      wearBudgetBytesPerDay: 200_000,
    });
    for (let round = 0; round < 30; round++) await rotate(store, contents[round % 3] ?? first);
    assert.equal(log.of("store.worn").length, 1);
    await clock.advance(86_400_000);
    assert.equal(store.wear.bytesToday, 0);
    await rotate(store, first);
    assert.equal(log.of("store.worn").length, 1);
    for (let round = 0; round < 30; round++) await rotate(store, contents[round % 3] ?? first);
    assert.equal(log.of("store.worn").length, 2);
  });
});
