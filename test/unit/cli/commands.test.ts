/** Commands that ask the agent, against a control socket with a made-up agent behind it. */
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { SILENT } from "#src/base/log.ts";
import { COMMANDS } from "#src/cli/command-table.ts";
import { formatStatus } from "#src/cli/commands/status.ts";
import { runCommandLine } from "#src/cli/dispatch.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { AdminApi } from "#src/sidecar/admin-api.ts";
import { FakeAgent, LIMITS, STATUS } from "../../fakes/admin-operations.ts";
import { FakeOutput, FakeTerminal } from "../../fakes/terminal.ts";

let directory = "";
let agent: FakeAgent;
let api: AdminApi;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "commands-"));
  writeFileSync(
    join(directory, "microedge.toml"),
    '[tls]\ncert = "a"\nkey = "b"\nca = "c"\n[control]\nsocket = "s"\n',
  );
  agent = new FakeAgent();
  agent.configFile = join(directory, "microedge.toml");
  api = new AdminApi({
    path: join(directory, "s"),
    operations: agent,
    log: SILENT,
    random: systemRandom,
    clock: systemClock,
  });
  await api.start(new AbortController().signal);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function run(words: readonly string[], stdin = "") {
  const terminal = new FakeTerminal(directory);
  terminal.stdin = (async function* () {
    yield Buffer.from(stdin);
  })();
  const all = [...words, "--config", "microedge.toml"];
  const code = await runCommandLine(all, COMMANDS, terminal);
  return { code, out: terminal.stdout.text, err: terminal.stderr.text };
}

suite("config check", () => {
  test("names what is insecure, also where a variable of go-micro says so", async () => {
    const terminal = new FakeTerminal(directory);
    terminal.env = { MICRO_TLS_INSECURE: "true" };
    const words = ["config", "check", "--config", "microedge.toml"];
    assert.equal(await runCommandLine(words, COMMANDS, terminal), 0);
    assert.match(
      terminal.stdout.text,
      /^warning: MICRO_TLS_INSECURE is INSECURE: outbound peers are not verified\n/,
    );
  });
});

suite("commands that ask the agent", () => {
  const addLine = (line: string): void =>
    appendFileSync(join(directory, "microedge.toml"), `${line}\n`);

  for (const command of ["status", "services", "limits"]) {
    test(`${command} asks the agent that runs, also when the file has become wrong`, async () => {
      addLine("[rpc]\nlisten = 5");
      const { code, out, err } = await run([command]);
      assert.equal(code, 0);
      assert.match(out, /greeter/);
      assert.match(err, /^microedge: warning: .* refuse this configuration: .*line 8: rpc\.listen/);
      const json = await run([command, "--json"]);
      assert.equal(JSON.parse(json.out).ok, true);
      assert.equal(json.err, "");
    });
  }

  for (const { what, line } of [
    { what: "no TOML", line: "[[[" },
    { what: "another socket that is none", line: "socket = 5" },
  ]) {
    test(`status does not guess where the agent is: ${what}`, async () => {
      const file = join(directory, "microedge.toml");
      writeFileSync(file, readFileSync(file, "utf8").replace('socket = "s"', line));
      assert.equal((await run(["status"])).code, 78);
    });
  }

  for (const { words, code } of [
    { words: ["--codec", "protobuf"], code: 2 },
    { words: ["--codec", "proto-rpc"], code: 2 },
    { words: ["--codec", "bytes"], code: 0 },
    { words: ["--codec", "json-rpc"], code: 0 },
  ]) {
    test(`call with a typed JSON text and ${words.join(" ")}: exit code ${code}`, async () => {
      const result = await run(["call", "s", "A.B", '{"a":1}', ...words]);
      assert.equal(result.code, code, result.err);
      assert.equal(agent.calls.length, code === 0 ? 1 : 0);
    });
  }

  test("call out of time: a stream may be what it called", async () => {
    agent.failure = new AgentError("ERR_RPC_DEADLINE", "time is up");
    const { code, err } = await run(["call", "s", "A.B", "{}"]);
    assert.equal(code, 1);
    assert.match(err, /time is up\n +fix: allow the call more time .*--stream\n/);
  });

  test("reload and call take only a configuration that is good", async () => {
    addLine("[rpc]\nlisten = 5");
    assert.equal((await run(["reload"])).code, 78);
    assert.equal((await run(["call", "s", "A.B", "{}"])).code, 78);
    assert.deepEqual(agent.calls, []);
  });

  for (const words of [
    ["status"],
    ["services"],
    ["reload"],
    ["call", "s", "A.B", "{}"],
    ["call", "s", "A.B", "--stream"],
    ["config", "show", "--running"],
  ]) {
    test(`${words.join(" ")}: an agent with another configuration is not ours to ask`, async () => {
      agent.configFile = "/elsewhere/microedge.toml";
      const { code, out, err } = await run(words);
      assert.equal(code, 69);
      assert.equal(out, "");
      assert.match(
        err,
        /uses another configuration, \/elsewhere\/microedge\.toml, not .*\n +fix: /,
      );
      assert.deepEqual(agent.calls, []);
    });
  }

  test("call sends what was typed", async () => {
    const words = ["call", "s", "A.B", '{"a":1}', "--timeout", "250ms", "--metadata", "k=v"];
    assert.deepEqual(await run(words), { code: 0, out: '{"a":1}\n', err: "" });
    const [sent] = agent.calls;
    assert.deepEqual(sent, {
      call: {
        service: "s",
        endpoint: "A.B",
        codec: "json",
        metadata: new Map([["k", "v"]]),
        timeoutMs: 250,
      },
      body: '{"a":1}',
    });
  });

  test("call reads - from stdin, without the line end that echo adds", async () => {
    assert.equal((await run(["call", "s", "A.B", "-"], '{"a":1}\n')).code, 0);
    assert.deepEqual(JSON.parse(agent.calls[0]?.body ?? ""), { a: 1 });
  });

  test("call --json holds reply, metadata, span and node", async () => {
    const { out } = await run(["call", "s", "A.B", "{}", "--json"]);
    assert.equal(
      out,
      '{"schema":1,"command":"call","ok":true,"body":"{}","metadata":{"x-seen":"yes"},"durationMs":7,"node":"127.0.0.1:40001"}\n',
    );
  });

  test("an error of the agent comes with its own hint", async () => {
    agent.failure = new AgentError("ERR_RPC_DEADLINE", "too slow", {
      fields: { fix: "ask sooner" },
    });
    const { code, err } = await run(["call", "s", "A.B"]);
    assert.equal(code, 1);
    assert.equal(err, "microedge call: too slow\n  fix: ask sooner\n  code: ERR_RPC_DEADLINE\n");
  });

  test("a stream prints a document per reply", async () => {
    const { out, code } = await run(
      ["call", "s", "A.B", "--stream", "--json"],
      '{"a":1}\n\n{"a":2}',
    );
    assert.equal(code, 0);
    assert.deepEqual(
      out
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { body: string }).body),
      ['{"a":1}', '{"a":2}'],
    );
  });

  test("reload says what changed", async () => {
    assert.equal(
      (await run(["reload"])).out,
      "in force now: log.level\nat the next start: rpc.listen\n",
    );
  });

  test("limits", async () => {
    const { out } = await run(["limits"]);
    assert.match(out, /^failed_handshakes +3 +8192 +0 +12 +0 +131\.1 kB +10\/s, burst 100$/m);
    assert.match(out, /2\.5\/s, burst 5, waits up to 250 ms$/m);
    assert.match(out, /^ +greeter\/Greeter\.Bye: 1\/s, burst 1$/m);
    assert.match(out, /^12\.5 +900 +5 +4 +spiffe:\/\/fleet\.example\/backend$/m);
    const { tables } = JSON.parse((await run(["limits", "--json"])).out);
    assert.deepEqual(tables, LIMITS.tables);
  });

  test("services and config show --running", async () => {
    assert.match((await run(["services"])).out, /^greeter .*\n {2}Greeter\.Hello +read$/m);
    assert.match(
      (await run(["config", "show", "--running"])).out,
      /^rpc\.listen +127\.0\.0\.1:0 +file/m,
    );
  });
});

suite("status", () => {
  const text = (change: Partial<typeof STATUS>, nowMs = Date.UTC(2026, 5, 1)): string =>
    formatStatus({ ...STATUS, ...change }, new FakeOutput(), nowMs);

  test("a good agent", () => {
    assert.equal(
      text({}),
      [
        "agent          greeter 1.2.3, process 42",
        "state          ready",
        "up             1 d 1 h, since 2026-06-01T00:00:00Z",
        "configuration  /etc/microedge/microedge.toml",
        "listens        127.0.0.1:40001",
        "peers          enforce, TLS 1.3 or newer, 3 connected",
        "certificate    CN=device-7, issued by CN=development CA",
        "               ends in 61 days (2026-08-01T00:00:00Z), serial 0A0B",
        "identity       TRIALLED: generation 7 was accepted by a peer and is on probation with the others",
        "counted        calls 17, errors 2",
        "memory         41.0 MB resident, 6.0 MB heap",
        "               21.0 MB anonymous, no limit, calm; 0 major faults, 0 a second; 0 calls shed, 0 idle connections closed",
        "handlers       greeter: /etc/microedge/greeter.mjs",
      ].join("\n"),
    );
  });

  test("what is wrong is said", () => {
    const listener = { address: "192.0.2.1:1", listen: undefined, waitingFor: "EADDRNOTAVAIL" };
    const shown = text(
      {
        state: "waiting",
        listener,
        tls: { ...STATUS.tls, refused: "bad key" },
        warnings: ["INSECURE: x"],
      },
      Date.UTC(2026, 8, 1),
    );
    assert.match(shown, /^listens +waits for 192\.0\.2\.1:1: EADDRNOTAVAIL$/m);
    assert.match(shown, /ENDED 31 days ago/);
    assert.match(shown, /^TLS files +newer ones not in use: bad key$/m);
    assert.match(shown, /^warning +INSECURE: x$/m);
  });

  test("without TLS no TLS version is named", () =>
    assert.match(
      text({ tls: { ...STATUS.tls, verify: "plaintext" } }),
      /^peers +plaintext, NOT ENCRYPTED, 3 connected$/m,
    ));
});
