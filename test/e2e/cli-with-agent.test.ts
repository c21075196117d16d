/**
 * The built program as agent and as its command line, in the order in which an operator would do it.
 */
import assert from "node:assert/strict";
import { lstat, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { Child, run } from "../fakes/child.ts";

let agent: AgentProcess;
before(async () => {
  agent = await startAgent();
});
after(async () => {
  await agent[Symbol.asyncDispose]();
});

const members = (text: string): Record<string, unknown> =>
  JSON.parse(text) as Record<string, unknown>;

suite("one agent's life", () => {
  test("01 agent.ready says where it listens; the control socket is the owner's", async () => {
    assert.match(agent.listen, /^127\.0\.0\.1:\d+$/);
    const socket = await lstat(join(agent.site.directory, "control.sock"));
    assert.ok(socket.isSocket());
    assert.equal((socket.mode & 0o777).toString(8), "600");
  });

  test("02 status", async () => {
    const { code, stdout } = await agent.microedge("status", "--json");
    const status = members(stdout);
    assert.equal(code, 0);
    assert.deepEqual(
      [status["state"], status["pid"], status["ok"]],
      ["ready", agent.child.pid, true],
    );
    assert.partialDeepStrictEqual(status["listener"], { listen: agent.listen });
    const human = await agent.microedge("status");
    assert.match(human.stdout, /^state +ready$/m);
    assert.match(human.stdout, /^certificate +CN=microedge, issued by CN=Test CA$/m);
  });

  test("03 services", async () => {
    const { stdout } = await agent.microedge("services");
    for (const endpoint of [
      "Agent.Echo",
      "Agent.EchoStream",
      "Agent.Info",
      "Debug.Health",
      "Debug.Stats",
    ]) {
      assert.match(stdout, new RegExp(`^ +${endpoint} +read`, "m"));
    }
  });

  const calls = [
    {
      words: ['{"text":"ü","seq":9007199254740993}'],
      reply: '{"text":"ü","seq":"9007199254740993"}',
      why: "digits are exact",
    },
    { words: [], reply: "{}", why: "no message is the empty one" },
    { words: ['{"text":"x"}', "--codec", "json-rpc"], reply: '{"text":"x"}', why: "another codec" },
    {
      words: ["CgJoaQ==", "--codec", "protobuf", "--base64"],
      reply: "CgJoaQ==",
      why: "encoded protobuf",
    },
    {
      words: ["CgJoaQ==", "--codec", "proto-rpc", "--base64"],
      reply: "CgJoaQ==",
      why: "in an envelope",
    },
    { words: ["abc", "--codec", "bytes"], reply: "abc", why: "raw bytes" },
  ];
  for (const { words, reply, why } of calls) {
    for (const way of ["through the agent", "directly"] as const) {
      test(`04 call ${way}: ${why}`, async () => {
        const address = way === "directly" ? ["--address", agent.listen] : [];
        const ended = await agent.microedge(
          "call",
          "microedge",
          "Agent.Echo",
          ...words,
          ...address,
        );
        assert.equal(ended.code, 0, ended.stderr);
        assert.equal(ended.stdout, reply);
      });
    }
  }

  test("05 a call that the service refuses: exit code 1 and go-micro's error", async () => {
    const { code, stdout } = await agent.microedge(
      "call",
      "microedge",
      "Agent.Echo",
      '{"seq":"x"}',
      "--json",
    );
    assert.equal(code, 1);
    const { error } = members(stdout) as {
      error: { code: string; remote: Record<string, unknown> };
    };
    assert.equal(error.code, "ERR_RPC_REMOTE");
    assert.equal(error.remote["code"], 400);
    assert.match(String(error.remote["detail"]), /seq/);
  });

  const refused = [
    { words: ["microedge", "Agent.Nothing"], code: 1, says: /404/, why: "unknown endpoint" },
    {
      words: ["nobody", "Agent.Echo"],
      code: 1,
      says: /nobody.*\n.*registry\.static/,
      why: "unknown service",
    },
    { words: ["microedge", "Agent.Echo", "{"], code: 2, says: /not JSON/, why: "half a message" },
    {
      words: ["microedge", "Agent.Echo", "--timeout", "5"],
      code: 2,
      says: /span with its unit/,
      why: "5 what?",
    },
    {
      words: ["microedge", "Agent.Echo", "--metadata", "x"],
      code: 2,
      says: /KEY=VALUE/,
      why: "no value",
    },
    {
      words: ["microedge", "Agent.Echo", "--codec", "xml"],
      code: 2,
      says: /--codec must be one of/,
      why: "no codec",
    },
    {
      words: ["microedge", "Agent.Echo", "--address", "127.0.0.1:1"],
      code: 1,
      says: /refused the connection/,
      why: "nobody there",
    },
    {
      words: ["microedge", "Agent.Echo", "--address", "nonsense"],
      code: 2,
      says: /port is missing/,
      why: "no address",
    },
  ];
  for (const { words, code, says, why } of refused) {
    test(`06 call refused: ${why}`, async () => {
      const ended = await agent.microedge("call", ...words);
      assert.deepEqual([ended.code, ended.stdout], [code, ""]);
      assert.match(ended.stderr, says);
    });
  }

  for (const way of [[], ["address"]] as const) {
    test(`07 a stream ${way.length === 0 ? "through the agent" : "directly"}: a line in, a line out`, async () => {
      const address = way.length === 0 ? [] : ["--address", agent.listen];
      const words = ["call", "microedge", "Agent.EchoStream", "--stream", ...address];
      await using child = new Child([BUNDLE, ...words, "--config", agent.configPath]);
      child.write('{"seq":"1"}\n');
      await child.waitFor("first reply", (line) => (line === '{"seq":"1"}' ? line : undefined));
      child.write('{"seq":"2"}\n{"seq":"3"}\n');
      child.endInput();
      const { code, stdout } = await child.ended;
      assert.deepEqual([code, stdout], [0, '{"seq":"1"}\n{"seq":"2"}\n{"seq":"3"}']);
    });
  }

  test("08 a message that is no JSON ends a stream with exit code 2", async () => {
    const command = [
      BUNDLE,
      "call",
      "microedge",
      "Agent.EchoStream",
      "--stream",
      "--config",
      agent.configPath,
    ] as const;
    const { code, stderr } = await run(command, { stdin: '{"seq":"1"}\nnonsense\n' });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /not JSON/);
  });

  test("09 tls probe takes the handshake apart", async () => {
    const { code, stdout } = await agent.microedge("tls", "probe", agent.listen, "--json");
    const probe = members(stdout);
    assert.deepEqual(
      [code, probe["protocol"], probe["clientCertificate"]],
      [0, "TLSv1.3", "accepted"],
    );
    const wrong = await agent.microedge(
      "tls",
      "probe",
      agent.listen,
      "--server-name",
      "other.example",
    );
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /does not name "other\.example".*\n +fix: /);
  });

  test("10 doctor finds nothing wrong", async () => {
    const { code, stdout } = await agent.microedge("doctor");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /ok +listener\.reachable +127\.0\.0\.1:\d+ answered over mutual TLS/);
    assert.match(stdout, /, 0 fail, /);
  });

  test("11 SIGHUP: a good change is in force, a bad one is refused and the old stays", async () => {
    const good = await readFile(agent.configPath, "utf8");
    await writeFile(agent.configPath, `${good}[log]\nlevel = "debug"\n`);
    agent.child.signal("SIGHUP");
    const reloaded = await agent.event("config.reloaded");
    assert.deepEqual(reloaded["applied"], ["log.level"]);
    await writeFile(agent.configPath, `${good}nonsense = 1\n`);
    agent.child.signal("SIGHUP");
    await agent.event("config.reload.refused");
    const status = await run([
      BUNDLE,
      "config",
      "show",
      "--running",
      "--json",
      "--config",
      agent.configPath,
    ]);
    assert.equal(status.code, 78, "the file is wrong, and every command says so");
    await writeFile(agent.configPath, good);
    const reload = await agent.microedge("reload", "--json");
    assert.deepEqual(members(reload.stdout)["applied"], ["log.level"]);
  });

  test("12 a second agent on the same socket: refused, the first goes on", async () => {
    const second = await run([BUNDLE, "run", "--config", agent.configPath]);
    assert.equal(second.code, 1, second.stderr);
    assert.match(second.stderr, /already running/);
    assert.equal((await agent.microedge("status")).code, 0);
  });

  test("13 a reader of the log that goes away does not end the agent", async () => {
    const { configPath } = agent;
    const other = configPath.replace("microedge.toml", "other.toml");
    const toml = (await readFile(configPath, "utf8")).replace("control.sock", "other.sock");
    await writeFile(other, toml);
    // head leaves after the first line; agent.ready comes later.
    await using child = new Child([
      "bash",
      "-c",
      `exec "$0" run --config "$1" > >(head -1)`,
      BUNDLE,
      other,
    ]);
    const signal = AbortSignal.timeout(20_000);
    let code: unknown = 69;
    while (code === 69 && !signal.aborted)
      code = (await run([BUNDLE, "status", "--config", other])).code;
    assert.equal(code, 0);
    child.signal("SIGHUP");
    assert.equal((await run([BUNDLE, "status", "--config", other])).code, 0);
    assert.equal((await child.stop()).code, 0);
  });

  test("14 SIGTERM: the open call is answered, then the agent ends with exit code 0", async () => {
    const words = ["call", "microedge", "Agent.EchoStream", "--stream", "--address", agent.listen];
    await using stream = new Child([BUNDLE, ...words, "--config", agent.configPath]);
    stream.write('{"seq":"1"}\n');
    await stream.waitFor("reply", (line) => (line.includes('"1"') ? line : undefined));
    agent.child.signal("SIGTERM");
    await agent.event("agent.draining");
    stream.write('{"seq":"2"}\n');
    stream.endInput();
    await stream.ended;
    const { code } = await agent.child.ended;
    assert.equal(code, 0);
    assert.ok(agent.log().some(({ event }) => event === "agent.stopped"));
    await assert.rejects(lstat(join(agent.site.directory, "control.sock")), { code: "ENOENT" });
  });

  test("15 no key and no message was ever logged", () => {
    const log = [...agent.child.stdout, ...agent.child.stderr].join("\n");
    assert.doesNotMatch(log, /PRIVATE KEY|BEGIN CERT|9007199254740993/);
  });

  test("16 afterwards: exit code 69", async () => {
    assert.equal((await agent.microedge("status")).code, 69);
  });
});

test("a second signal does not wait for the open call: exit code 143", async () => {
  await using slow = await startAgent({ rpc: "drain_timeout_ms = 60000" });
  const words = ["call", "microedge", "Agent.EchoStream", "--stream", "--address", slow.listen];
  await using stream = new Child([BUNDLE, ...words, "--config", slow.configPath]);
  stream.write('{"seq":"1"}\n');
  await stream.waitFor("reply", (line) => (line.includes('"1"') ? line : undefined));
  slow.child.signal("SIGTERM");
  await slow.event("agent.draining");
  slow.child.signal("SIGTERM");
  assert.equal((await slow.child.ended).code, 143);
});

test("an agent that was killed leaves a socket; the next one takes its place", async () => {
  const first = await startAgent();
  first.child.signal("SIGKILL");
  await first.child.ended;
  assert.ok((await lstat(join(first.site.directory, "control.sock"))).isSocket());
  await using next = new Child([BUNDLE, "run", "--config", first.configPath]);
  await next.waitFor("agent.ready", (line) => (line.includes("agent.ready") ? line : undefined));
  assert.equal((await run([BUNDLE, "status", "--config", first.configPath])).code, 0);
  await next.stop();
  await first.site[Symbol.asyncDispose]();
});
