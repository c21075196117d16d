import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Part, startAll } from "#src/base/lifecycle.ts";

/** Parts that write down what happens to them. */
function parts(names: readonly string[], failing?: string): { parts: Part[]; seen: string[] } {
  const seen: string[] = [];
  const make = (name: string): Part => ({
    name,
    async start() {
      if (name === failing) throw new Error(`${name} failed`);
      seen.push(`+${name}`);
    },
    async [Symbol.asyncDispose]() {
      seen.push(`-${name}`);
    },
  });
  return { parts: names.map(make), seen };
}

suite("startAll", () => {
  test("starts in order, stops in reverse", async () => {
    const { parts: all, seen } = parts(["a", "b", "c"]);
    const running = await startAll(all, new AbortController().signal);
    await running[Symbol.asyncDispose]();
    assert.deepEqual(seen, ["+a", "+b", "+c", "-c", "-b", "-a"]);
  });

  test("a part that fails stops those before it and starts none after it", async () => {
    const { parts: all, seen } = parts(["a", "b", "c"], "b");
    await assert.rejects(startAll(all, new AbortController().signal), /b failed/);
    assert.deepEqual(seen, ["+a", "-a"]);
  });

  test("an aborted start stops what runs", async () => {
    const stop = new AbortController();
    const { parts: all, seen } = parts(["a", "b"]);
    all.splice(1, 0, {
      name: "aborting",
      start: async () => stop.abort(new Error("enough")),
      [Symbol.asyncDispose]: async () => undefined,
    });
    await assert.rejects(startAll(all, stop.signal), /enough/);
    assert.deepEqual(seen, ["+a", "-a"]);
  });
});
