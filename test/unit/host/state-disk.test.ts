import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { systemStateDisk as disk, errnoOf } from "#src/host/state-disk.ts";

const dir = mkdtempSync(join(tmpdir(), "state-disk-"));
after(() => rmSync(dir, { recursive: true }));
const bytes = new TextEncoder().encode("generation");

suite("the real disk", () => {
  test("creates private files, writes in place, renames, syncs", async () => {
    const [temporary, path] = [join(dir, "a.tmp"), join(dir, "a")];
    {
      await using file = await disk.create(temporary);
      await file.write(bytes, 0);
      await file.sync();
    }
    await disk.rename(temporary, path);
    await disk.syncDirectory(dir);
    {
      await using file = await disk.open(path);
      await file.write(bytes.subarray(0, 3), 3);
      await file.syncBytes();
    }
    assert.equal(Buffer.from(await disk.read(path, 100)).toString(), "gengention");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const entry = await disk.look(path);
    assert.equal(entry?.kind, "file");
    assert.equal(entry?.sizeBytes, 10);
    await disk.remove(path);
    assert.equal(await disk.look(path), undefined);
  });

  test("makes private directories and knows them by more than their name", async () => {
    const [made, link] = [join(dir, "made"), join(dir, "made-link")];
    await disk.makeDirectory(made);
    assert.equal(statSync(made).mode & 0o777, 0o700);
    symlinkSync(made, link);
    assert.equal((await disk.look(link))?.kind, "other", "a link is no directory");
    assert.match((await disk.look(made))?.identity ?? "", /^\d+-\d+$/);
  });

  const target = join(dir, "target");
  const link = join(dir, "link");
  writeFileSync(target, "secret");
  symlinkSync(target, link);
  const refusals: readonly { name: string; errno: string; run: () => Promise<unknown> }[] = [
    { name: "reads no link", errno: "ELOOP", run: () => disk.read(link, 100) },
    { name: "writes through no link", errno: "ELOOP", run: () => disk.open(link) },
    { name: "creates over no file", errno: "EEXIST", run: () => disk.create(target) },
    { name: "creates over no link", errno: "EEXIST", run: () => disk.create(link) },
  ];
  for (const { name, errno, run } of refusals) {
    test(`${name}: ${errno}`, async () => {
      const error: unknown = await run().catch((thrown: unknown) => thrown);
      assert.equal(errnoOf(error), errno);
    });
  }

  test("reads nothing that is too large", async () => {
    await assert.rejects(disk.read(target, 5), RangeError);
  });

  test("tells free space", async () => {
    const { bytes: free, files } = await disk.free(dir);
    assert.ok(free > 0 && files > 0);
  });
});
