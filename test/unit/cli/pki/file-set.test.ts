import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { type NewFile, writeFileSet } from "#src/cli/pki/file-set.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "file-set-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const PAIR: readonly [NewFile, NewFile] = [
  { name: "a.key", content: "key", mode: 0o600 },
  { name: "a.crt", content: "certificate", mode: 0o644 },
];

suite("writeFileSet", () => {
  test("writes all with their modes, in a new directory for the owner only", async () => {
    const where = join(directory, "new");
    await writeFileSet(where, PAIR);
    assert.deepEqual(readdirSync(where).toSorted(), ["a.crt", "a.key"]);
    assert.equal(readFileSync(join(where, "a.key"), "utf8"), "key");
    assert.equal((lstatSync(join(where, "a.key")).mode & 0o777).toString(8), "600");
    assert.equal((lstatSync(where).mode & 0o777).toString(8), "700");
  });

  const inTheWay = [
    {
      name: "a.key",
      make: (path: string) => writeFileSync(path, "old"),
      why: "the first is there",
    },
    {
      name: "a.crt",
      make: (path: string) => writeFileSync(path, "old"),
      why: "the second is there",
    },
    { name: "a.crt", make: (path: string) => mkdirSync(path), why: "a directory has the name" },
    {
      name: "a.key",
      make: (path: string) => symlinkSync("/nowhere", path),
      why: "a dangling link has it",
    },
  ];
  for (const { name, make, why } of inTheWay) {
    test(`${why}: names it, writes nothing`, async () => {
      make(join(directory, name));
      await assert.rejects(writeFileSet(directory, PAIR), {
        code: "ERR_FILE_EXISTS",
        message: `${join(directory, name)} exists; microedge does not overwrite it`,
      });
      assert.deepEqual(readdirSync(directory), [name]);
    });
  }

  test("half of a set is taken back when the other half can't be written", async () => {
    // The name of the second is too long, which link(2) finds out when the first is in its place.
    const impossible = { name: "x".repeat(300), content: "", mode: 0o644 };
    const absent = writeFileSet(join(directory, "new"), [PAIR[0], impossible]);
    await assert.rejects(absent, { code: "ERR_FILE_IO", message: /ENAMETOOLONG.*link/ });
    assert.deepEqual(readdirSync(join(directory, "new")), []);
  });

  test("of two at once one wins, whole", async () => {
    const sets = ["1", "2", "3"].map((mark) =>
      PAIR.map((file) => ({ ...file, content: `${file.content}${mark}` })),
    );
    const results = await Promise.allSettled(sets.map((set) => writeFileSet(directory, set)));
    const winners = results.filter(({ status }) => status === "fulfilled");
    assert.equal(winners.length, 1);
    const losers = results.flatMap((result) =>
      result.status === "rejected" ? [(result.reason as { code?: unknown }).code] : [],
    );
    assert.deepEqual(losers, ["ERR_FILE_EXISTS", "ERR_FILE_EXISTS"]);
    for (const file of readdirSync(directory)) {
      assert.match(readFileSync(join(directory, file), "utf8"), /^(key|certificate)[123]$/);
    }
    const texts = readdirSync(directory).map((file) =>
      readFileSync(join(directory, file), "utf8").at(-1),
    );
    assert.ok(new Set(texts).size <= 1, `mixed: ${texts.join(", ")}`);
  });
});
