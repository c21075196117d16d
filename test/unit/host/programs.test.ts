import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type ProgramRun, systemPrograms } from "#src/host/programs.ts";

const bounds: ProgramRun = { timeoutMs: 20_000, maxOutputBytes: 1024 };

suite("running a program", () => {
  test("gives input, output and status", async () => {
    const input = Buffer.from([0, 255, 10]);
    const result = await systemPrograms.run("cat", [], { ...bounds, input });
    assert.deepEqual([result.end, result.status, result.stdout], ["exited", 0, input]);
    const failed = await systemPrograms.run("sh", ["-c", "echo no >&2; exit 7"], bounds);
    assert.deepEqual([failed.end, failed.status, failed.stderr], ["exited", 7, "no\n"]);
  });
  test("parameters go through no shell", async () => {
    const { stdout } = await systemPrograms.run("printf", ["%s", "$(id); `id` | x"], bounds);
    assert.equal(stdout.toString(), "$(id); `id` | x");
  });
  test("nothing of our environment gets through", async () => {
    const { stdout } = await systemPrograms.run("env", [], {
      ...bounds,
      environment: { ONE: "1" },
    });
    const names = stdout
      .toString()
      .split("\n")
      .map((line) => line.split("=")[0]);
    assert.deepEqual(names.filter((name) => name !== "").sort(), ["ONE", "PATH"]);
  });
  for (const [why, program, parameters, change, end] of [
    ["one that hangs is killed", "sleep", ["600"], { timeoutMs: 100 }, "timeout"],
    [
      "one that ignores SIGTERM too",
      "sh",
      ["-c", "trap '' TERM; sleep 600"],
      { timeoutMs: 100 },
      "timeout",
    ],
    ["one that talks without end is killed", "yes", [], {}, "output-limit"],
    ["one that is not there", "microedge-no-such-program", [], {}, "not-found"],
    ["one that kills itself", "sh", ["-c", "kill -9 $$"], {}, "signal"],
    [
      "one that reads nothing of much input",
      "true",
      [],
      { input: Buffer.alloc(1 << 20) },
      "exited",
    ],
  ] as const) {
    test(why, async () => {
      const result = await systemPrograms.run(program, parameters, { ...bounds, ...change });
      assert.equal(result.end, end);
    });
  }
});
