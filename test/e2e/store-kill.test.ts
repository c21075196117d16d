/**
 * The built program, killed at every system call that touches the certificate store.
 */
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { BUNDLE } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { killMatrix } from "../fakes/kill-matrix.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { makeSite } from "../fakes/site.ts";
import { contentsOf, openStore, storeContents } from "../fakes/store.ts";

const skip = without("strace", hasCommand("strace"));
/** Of the hundred kills that CI does over all matrices. */
const LIMIT = FULL ? Number.MAX_SAFE_INTEGER : 10;

const [another] = await storeContents(1);
if (another === undefined) throw new Error("one content");
const afterwards = another;
const site = await makeSite();
after(() => site[Symbol.asyncDispose]());
const dir = join(site.directory, "store");
const configPath = await site.write(
  "microedge.toml",
  `[rpc]\nlisten = "127.0.0.1:0"\n[store]\ndir = "${dir}"\n[control]\nsocket = "control.sock"\n`,
);
const files = [await site.issue("first"), await site.issue("second"), await site.issue("third")];

function importOf(index: number): readonly string[] {
  const { cert = "", key = "", ca = "" } = files[index] ?? {};
  return ["cert", "import", "--force", "--cert", cert, "--key", key, "--ca", ca];
}
const command = (words: readonly string[]): [string, ...string[]] => [
  BUNDLE,
  ...words,
  "--config",
  configPath,
];

async function open(): Promise<CertificateStore> {
  const clock = systemClock;
  const lock = systemDirectoryLock(clock);
  const { store } = await openStore(systemStateDisk, { dir, lock, clock, random: systemRandom });
  return store;
}

const ROWS: readonly {
  readonly name: string;
  readonly words: readonly string[];
  /** Imported before. */
  readonly before: readonly number[];
  readonly between?: RegExp;
  readonly why: string;
}[] = [
  {
    name: "cert import, the first",
    words: importOf(0),
    before: [],
    between: /^current (?:none; previous none; next 1=|1=[^;]*; previous none)/,
    why: "a device that is unplugged while it is provisioned has an identity or none, never half a one",
  },
  {
    name: "cert import, the third",
    words: importOf(2),
    before: [0, 1],
    between: /^current (?:2=[^;]*; previous 1=[^;]*; next 3=|3=[^;]*; previous 2=)/,
    why: "there is one whole generation in force at every moment, the old one or the new one",
  },
  {
    name: "store reset",
    words: ["store", "reset", "--yes"],
    before: [0, 1],
    why: "reset is all or nothing, also when the plug is pulled",
  },
];

suite("the built program killed at every call that touches its store", { skip }, () => {
  let [points, kills] = [0, 0];
  for (const { name, words, before, why, ...between } of ROWS) {
    test(`${name}: ${why}`, { timeout: 900_000 }, async () => {
      const template = join(site.directory, `template-${before.length}`);
      const restore = async (): Promise<void> => {
        await rm(dir, { recursive: true, force: true });
        await cp(template, dir, { recursive: true, preserveTimestamps: true });
      };
      await rm(dir, { recursive: true, force: true });
      // The epoch, and with it the names of files, is the same in every run.
      await (await open())[Symbol.asyncDispose]();
      for (const index of before) {
        const { code, stderr } = await run(command(importOf(index)));
        assert.equal(code, 0, stderr);
      }
      await cp(dir, template, { recursive: true, preserveTimestamps: true });
      const result = await killMatrix(
        {
          command: command(words),
          dir,
          restore,
          acknowledged: ({ code, stdout }) => code === 0 || stdout !== "",
          view: async () => {
            await using store = await open();
            const found = await contentsOf(store);
            await store.stage(afterwards);
            await store.commit();
            return found;
          },
          ...between,
        },
        LIMIT,
      );
      points += result.points;
      kills += result.kills;
      assert.deepEqual(result.violations, []);
      assert.ok(result.points > 30, `only ${result.points} calls`);
    });
  }

  test("counted", (t) => {
    t.diagnostic(`${points} calls touch the store; killed at ${kills}, nothing lost`);
    assert.ok(kills >= 30, `${kills} kills`);
  });
});
