import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Turns } from "#src/base/turns.ts";

suite("turns", () => {
  test("the next change begins when the one before it has ended, well or not", async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const first = Promise.withResolvers<void>();
    const one = turns.take(async () => {
      seen.push("one begins");
      await first.promise;
    });
    const two = turns.take(async () => {
      seen.push("two begins");
      return 2;
    });
    await Promise.resolve();
    assert.deepEqual(seen, ["one begins"]);
    first.reject(new Error("one failed"));
    await assert.rejects(one, /one failed/);
    assert.equal(await two, 2);
    assert.deepEqual(seen, ["one begins", "two begins"]);
  });

  test("idle waits also for what a change asks for while it runs, and rejects for none", async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const failing = turns.take(async () => {
      void turns.take(async () => {
        await Promise.resolve();
        seen.push("asked for on the way");
      });
      throw new Error("failed");
    });
    failing.catch(() => seen.push("its caller is told"));
    await turns.idle();
    assert.deepEqual(seen.toSorted(), ["asked for on the way", "its caller is told"]);
  });
});
