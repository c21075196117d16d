/**
 * `microedge demo` of the built program.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { BUNDLE } from "../fakes/agent-process.ts";
import { Child, run } from "../fakes/child.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "demo-"));
});
after(() => rm(directory, { recursive: true, force: true }));

suite("demo", () => {
  test("every step works and nothing is left behind", async () => {
    const { code, stdout } = await run([BUNDLE, "demo", "--json"], { env: { TMPDIR: directory } });
    const { steps, ok } = JSON.parse(stdout) as {
      ok: boolean;
      steps: { title: string; ok: boolean; command: string; output: string }[];
    };
    assert.deepEqual([code, ok], [0, true], stdout);
    assert.ok(steps.length >= 8 && steps.every((step) => step.ok));
    for (const part of [
      "pki init",
      "run --config",
      "cert import --cert pki/gateway.crt",
      "call microedge Agent.Echo",
      "cert import --cert pki/renewed.crt",
      "--address",
      "doctor",
    ]) {
      assert.ok(
        steps.some(({ command }) => command.includes(part)),
        part,
      );
    }
    assert.deepEqual(await readdir(directory), []);
  });

  test("prints each step and what to type next", async () => {
    const { stdout } = await run([BUNDLE, "demo"], { env: { TMPDIR: directory } });
    assert.match(stdout, /^1\. a certificate authority.*\n {3}\$ microedge pki init\n/m);
    assert.match(stdout, /What to type next/);
    assert.match(stdout, /Left out: real go-micro services in Go/);
  });

  test("--go-peers without the programs: exit code 2, and how to get them", async () => {
    const { code, stderr } = await run([BUNDLE, "demo", "--go-peers", directory]);
    assert.equal(code, 2);
    assert.match(stderr, /server-v5 is missing; scripts\/peers builds it/);
  });

  test("a step that does not work: exit code 1, cleaned up", async () => {
    // No file may be made larger than nothing: the first step can't write its key.
    const command = `ulimit -f 0; exec "$0" demo --json`;
    const { code, stdout } = await run(["bash", "-c", command, BUNDLE], {
      env: { TMPDIR: directory },
    });
    assert.equal(code, 1, stdout);
    const { ok, steps } = JSON.parse(stdout) as { ok: boolean; steps: { ok: boolean }[] };
    assert.deepEqual([ok, steps.at(-1)?.ok], [false, false]);
    assert.deepEqual(await readdir(directory), []);
  });

  test("--keep stays until it is told to end, then cleans up", async () => {
    await using demo = new Child([BUNDLE, "demo", "--keep"], { env: { TMPDIR: directory } });
    const config = await demo.waitFor(
      "the hint",
      (line) => /Agent\.Info --config (\S+)/.exec(line)?.[1],
    );
    const info = await run([BUNDLE, "call", "microedge", "Agent.Info", "--config", config]);
    assert.match(info.stdout, /"name":"microedge"/);
    demo.signal("SIGINT");
    assert.equal((await demo.ended).code, 0);
    assert.deepEqual(await readdir(directory), []);
  });

  for (const { signal, code, why } of [
    { signal: "SIGINT", code: 130, why: "Ctrl-C" },
    { signal: "SIGTERM", code: 143, why: "a supervisor" },
    { signal: "SIGHUP", code: 129, why: "the terminal was closed: the agent must not stay behind" },
  ] as const) {
    test(`${signal} on the way: exit code ${code}, cleaned up: ${why}`, async () => {
      await using demo = new Child([BUNDLE, "demo"], { env: { TMPDIR: directory } });
      // The agent runs from its own step on.
      await demo.waitFor("the agent's step", (line) => (line.includes(" run ") ? line : undefined));
      demo.signal(signal);
      assert.equal((await demo.ended).code, code);
      assert.deepEqual(await readdir(directory), []);
    });
  }
});
