import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openProcessFigures } from "#src/host/process-figures.ts";

suite("process figures", () => {
  test("garbage collection counts from when it is first asked for", async () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    using figures = openProcessFigures();
    collect();
    await new Promise(setImmediate);
    assert.equal(figures.gcNs(), 0, "nobody had asked");
    for (let round = 0; round < 100 && figures.gcNs() === 0; round++) {
      collect();
      await new Promise(setImmediate);
    }
    assert.ok(figures.gcNs() > 0, "collections after the question are counted");
  });

  test("memory and threads are those of this process", () => {
    using figures = openProcessFigures();
    assert.ok(figures.residentBytes() > 1_000_000);
    assert.ok(figures.threads() >= 1);
  });
});

suite("process figures on memory", () => {
  test("anonymous memory is there, and less than what is resident", () => {
    using figures = openProcessFigures();
    const anon = figures.anonymousBytes() ?? 0;
    assert.ok(anon > 1_000_000 && anon < figures.residentBytes(), `${anon}`);
  });

  test("touched memory shows in it", () => {
    using figures = openProcessFigures();
    const before = figures.anonymousBytes() ?? 0;
    const ballast = Buffer.alloc(32 * 1024 * 1024, 1);
    assert.ok((figures.anonymousBytes() ?? 0) - before > ballast.length / 2);
  });

  test("garbage goes when it is collected", async () => {
    using figures = openProcessFigures();
    const gone = new WeakRef({ garbage: true });
    await new Promise(setImmediate); // a reference lives to the end of the turn that made it
    figures.collectGarbage();
    assert.equal(gone.deref(), undefined);
  });

  test("page faults only ever grow", () => {
    using figures = openProcessFigures();
    const before = figures.majorFaults();
    assert.ok(before >= 0);
    assert.ok(figures.majorFaults() >= before);
  });
});
