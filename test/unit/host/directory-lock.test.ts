import assert from "node:assert/strict";
import { createServer } from "node:net";
import { suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { Child } from "../../fakes/child.ts";

const lock = systemDirectoryLock(systemClock);
/** A name that no other test run uses. */
const identity = `test-${process.pid}`;

suite("the lock of a directory", () => {
  test("keeps a second one out, naming the first, until it is given back", async () => {
    const held = await lock.take("/d", `${identity}-a`);
    await assert.rejects(lock.take("/d", `${identity}-a`), {
      code: "ERR_STORE_LOCKED",
      message: `/d is in use by process ${process.pid}`,
      fields: { path: "/d", holder: process.pid },
    });
    await held[Symbol.asyncDispose]();
    await (await lock.take("/d", `${identity}-a`))[Symbol.asyncDispose]();
  });

  test("is one per directory", async () => {
    await using one = await lock.take("/d", `${identity}-b`);
    await using other = await lock.take("/e", `${identity}-c`);
    assert.notEqual(one, other);
  });

  test("dies with its process, whatever kills it: no stale lock on a device that was reset", async () => {
    const holder = `
      import { systemClock } from "#src/host/clock.ts";
      import { systemDirectoryLock } from "#src/host/directory-lock.ts";
      await systemDirectoryLock(systemClock).take("/d", "${identity}-d");
      console.log("held");
      setInterval(() => undefined, 1000);
    `;
    await using child = new Child([
      process.execPath,
      "--input-type=module-typescript",
      "-e",
      holder,
    ]);
    await child.waitFor("the lock", (line) => (line === "held" ? true : undefined));
    await assert.rejects(lock.take("/d", `${identity}-d`), {
      code: "ERR_STORE_LOCKED",
      message: `/d is in use by process ${child.pid}`,
    });
    child.signal("SIGKILL");
    await child.ended;
    await (await lock.take("/d", `${identity}-d`))[Symbol.asyncDispose]();
  });

  for (const [name, why, answer] of [
    ["says nothing", "a holder that hangs is not waited for", undefined],
    ["says nonsense", "a stranger on that name is not quoted", "<b>root</b>\n"],
    ["says too much", "nor read without end", "1".repeat(10_000)],
  ] as const) {
    test(`a holder that ${name}: ${why}`, async () => {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        if (answer !== undefined) socket.end(answer);
      });
      await new Promise<void>((resolve) =>
        server.listen(`\0microedge-store-${identity}-${name}`, resolve),
      );
      await assert.rejects(lock.take("/d", `${identity}-${name}`), {
        code: "ERR_STORE_LOCKED",
        message: "/d is in use by another process",
      });
      server.close();
    });
  }
});
