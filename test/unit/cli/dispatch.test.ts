import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ConfigError } from "#src/agent/config-problem.ts";
import { AgentError } from "#src/base/errors.ts";
import { type Command, command } from "#src/cli/command.ts";
import { runCommandLine } from "#src/cli/dispatch.ts";
import { RemoteError } from "#src/rpc/client/remote-error.ts";
import { FakeTerminal } from "../../fakes/terminal.ts";

function throwing(thrown: unknown): Command {
  return command({
    name: "thing",
    summary: "do the thing",
    options: {},
    examples: [],
    run: async () => {
      throw thrown;
    },
  });
}

async function run(line: string, commands: readonly Command[]) {
  const terminal = new FakeTerminal();
  const code = await runCommandLine(line === "" ? [] : line.split(" "), commands, terminal);
  return { code, out: terminal.stdout.text, err: terminal.stderr.text };
}

suite("errors, to people", () => {
  test("what was wrong, what to do, the code; nothing on stdout", async () => {
    const error = new AgentError("ERR_CONTROL_UNREACHABLE", "the agent is not running");
    const { code, out, err } = await run("thing", [throwing(error)]);
    assert.equal(code, 69);
    assert.equal(out, "");
    assert.equal(
      err,
      [
        "microedge thing: the agent is not running",
        "  fix: start the agent with `microedge run`, or name its configuration with --config",
        "  code: ERR_CONTROL_UNREACHABLE",
        "",
      ].join("\n"),
    );
  });

  test("every problem of a configuration, each with its line", async () => {
    const error = new ConfigError("/etc/x.toml", [
      { key: "rpc.listen", message: "must be host:port", line: 2 },
      { key: "tls.ca", message: "is missing" },
    ]);
    const { code, err } = await run("thing", [throwing(error)]);
    assert.equal(code, 78);
    assert.match(err, /thing: 2 problems in \/etc\/x\.toml\n {2}line 2: rpc\.listen must be/);
    assert.match(err, /\n {2}tls\.ca is missing\n/);
  });

  test("a bug shows its stack and asks to be reported", async () => {
    const { code, err } = await run("thing", [throwing(new TypeError("x is undefined"))]);
    assert.equal(code, 70);
    assert.match(err, /bug in microedge: x is undefined/);
    assert.match(err, /dispatch\.test\.ts/);
  });

  test("a mistyped command", async () => {
    const { code, err } = await run("thnig", [throwing(undefined)]);
    assert.equal(code, 2);
    assert.match(err, /did you mean "thing"\?\n {2}fix: see `microedge help`/);
  });
});

suite("errors, to programs: one document on stdout, nothing else", () => {
  const remote = { id: "go.greeter", code: 409, detail: "twice", status: "Conflict" };
  const errors = [
    {
      thrown: new AgentError("ERR_FILE_EXISTS", "x exists"),
      code: 73,
      has: { code: "ERR_FILE_EXISTS", message: "x exists" },
    },
    { thrown: new RemoteError(remote, "a:1"), code: 1, has: { code: "ERR_RPC_REMOTE", remote } },
    {
      thrown: new ConfigError("/c", [{ key: "a.b", message: "is bad", line: 1 }]),
      code: 78,
      has: { problems: [{ key: "a.b", message: "is bad", line: 1 }] },
    },
    {
      thrown: new AgentError("ERR_FILE_IO", "no", { fields: { fix: "do this" } }),
      code: 74,
      has: { hint: "do this" },
    },
  ];
  for (const { thrown, code, has } of errors) {
    test(thrown.code, async () => {
      const answer = await run("thing --json", [throwing(thrown)]);
      const document = JSON.parse(answer.out) as Record<string, unknown>;
      assert.equal(answer.err, "");
      assert.equal(answer.code, code);
      assert.deepEqual(
        [document["schema"], document["command"], document["ok"], document["exitCode"]],
        [1, "thing", false, code],
      );
      assert.partialDeepStrictEqual(document["error"], has);
    });
  }

  test("also for a line that can't be parsed", async () => {
    const { out, code } = await run("nonsense --json", [throwing(undefined)]);
    assert.equal(code, 2);
    assert.equal((JSON.parse(out) as { error: { code: string } }).error.code, "ERR_USAGE");
  });
});

suite("results", () => {
  const counting = command({
    name: "count",
    summary: "count",
    options: {},
    examples: [],
    run: async ({ report }) => {
      report.progress("on the way");
      return report.result(
        { count: 3, big: 9007199254740993n, map: new Map([["a", 1]]) },
        () => "three",
        1,
      );
    },
  });

  test("text for people", async () => {
    assert.deepEqual(await run("count", [counting]), {
      code: 1,
      out: "on the way\nthree\n",
      err: "",
    });
  });

  test("one document for programs, exact", async () => {
    const { out, code } = await run("count --json", [counting]);
    assert.equal(code, 1);
    assert.equal(
      out,
      '{"schema":1,"command":"count","ok":false,"count":3,"big":"9007199254740993","map":{"a":1}}\n',
    );
  });

  test("no command: the overview on stderr, as an error", async () => {
    const { out, err, code } = await run("", [counting]);
    assert.deepEqual([out, code], ["", 2]);
    assert.match(err, /Commands:\n {2}count {2}count/);
  });

  for (const line of ["--help", "count --help"]) {
    test(`${line}: asked for, so on stdout and good`, async () => {
      const { out, err, code } = await run(line, [counting]);
      assert.deepEqual([err, code], ["", 0]);
      assert.match(out, /Usage: microedge/);
    });
  }
});
