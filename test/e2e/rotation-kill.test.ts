/**
 * The built agent, killed between the steps of an import that it was asked for while it ran; then
 * started again.
 */
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { suite, test } from "node:test";
import { startAgent } from "../fakes/agent-process.ts";
import { killMatrix } from "../fakes/kill-matrix.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { makeSite } from "../fakes/site.ts";

const skip = without("strace", hasCommand("strace"));
/** Of the hundred kills that CI does over all matrices. */
const LIMIT = FULL ? Number.MAX_SAFE_INTEGER : 10;
const PROGRAM = resolve(import.meta.dirname, "../fakes/import-program.ts");
const STORE = '[store]\ndir = "store"\n';

suite("the built agent killed at every call that touches its store while it takes a certificate", {
  skip,
}, () => {
  test("started again it has the old identity or the new one, whole, and says which", {
    timeout: 1_800_000,
  }, async (t) => {
    await using site = await makeSite();
    const first = await startAgent({ site, inStore: true });
    await first.stop();
    const dir = join(site.directory, "store");
    const template = join(site.directory, "template");
    await cp(dir, template, { recursive: true, preserveTimestamps: true });
    const credentials = await site.issue("microedge");
    const { cert, key, ca } = credentials;
    const result = await killMatrix(
      {
        command: [process.execPath, PROGRAM, "now", first.configPath, cert, key, ca],
        dir,
        restore: async () => {
          await rm(dir, { recursive: true, force: true });
          await cp(template, dir, { recursive: true, preserveTimestamps: true });
        },
        acknowledged: ({ stdout }) => stdout.includes("acknowledged"),
        view: async () => {
          await using agent = await startAgent({ site, credentials, identity: STORE });
          const { stdout } = await agent.microedge("status", "--json");
          const { generation, state, serial, store } = JSON.parse(stdout).identity;
          assert.deepEqual([store.writable, store.fault], [true, undefined]);
          return `generation ${generation}, ${state}, ${serial}`;
        },
      },
      LIMIT,
    );
    t.diagnostic(`${result.points} calls touch the store; killed at ${result.kills}`);
    assert.deepEqual(result.violations, []);
    assert.ok(result.points > 30, `only ${result.points} calls`);
  });
});
