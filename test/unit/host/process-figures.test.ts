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
