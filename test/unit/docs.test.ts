import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { makePages } from "../../scripts/docs.ts";

suite("documents made from tables", () => {
  const root = mkdtempSync(join(tmpdir(), "microedge-docs-"));
  after(() => rmSync(root, { recursive: true }));

  test("the committed ones are what the code says", () =>
    assert.deepEqual(makePages(join(import.meta.dirname, "../.."), true), []));

  test("a check writes nothing and names what is missing", () => {
    const stale = makePages(root, true);
    for (const page of ["cli", "configuration", "errors", "events"]) {
      assert.ok(stale.includes(`docs/${page}.md`), `${page} in ${stale.join(", ")}`);
    }
    assert.deepEqual(makePages(root, true), stale);
  });

  test("a page that was edited by hand is found and put right", () => {
    makePages(root, false);
    const page = join(root, "docs/errors.md");
    const made = readFileSync(page, "utf8");
    writeFileSync(page, made.replace("ERR_INTERNAL", "ERR_OTHER"));
    assert.deepEqual(makePages(root, true), ["docs/errors.md"]);
    makePages(root, false);
    assert.equal(readFileSync(page, "utf8"), made);
  });
});
