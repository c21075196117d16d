/**
 * The built program without an agent: what a person types first.
 */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { BUNDLE } from "../fakes/agent-process.ts";
import { type Ended, run } from "../fakes/child.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "cli-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const microedge = (...words: string[]): Promise<Ended> =>
  run([BUNDLE, ...words], { cwd: directory });

suite("01 version and help", () => {
  test("version is the release's, and says what it runs on", async () => {
    const { code, stdout } = await microedge("version", "--json");
    const facts = JSON.parse(stdout) as Record<string, unknown>;
    assert.equal(code, 0);
    assert.match(String(facts["version"]), /^\d+\.\d+\.\d+$/);
    assert.match(String(facts["commit"]), /^[0-9a-f]{40}/);
    assert.equal(facts["node"], "24.21.0");
    assert.match(String(facts["openssl"]), /^3\./);
    assert.equal(facts["target"], `linux-${process.arch}`);
    const plain = await microedge("--version");
    assert.equal(plain.stdout, `microedge ${facts["version"]}`);
  });

  test("help names every command; a mistyped one is exit code 2 with the nearest", async () => {
    const help = await microedge("help");
    for (const name of ["run", "demo", "call", "doctor", "tls probe", "pki issue"]) {
      assert.ok(help.stdout.includes(`  ${name}`), name);
    }
    const wrong = await microedge("docter");
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /did you mean "doctor"\?/);
  });

  test("no colour in a pipe", async () => {
    const { stdout } = await microedge("doctor");
    assert.ok(!stdout.includes("\u001b"));
  });

  test("a reader that goes away is no error of ours", async () => {
    const command = `"${BUNDLE}" help | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await run(["bash", "-c", command], { cwd: directory });
    assert.equal(stdout.split("\n").at(-1), "0");
    assert.equal(stderr, "");
  });

  test("bash takes the completion script and completes", async () => {
    const script = `source <("${BUNDLE}" completion bash)
COMP_WORDS=(microedge pki is); COMP_CWORD=2; _microedge; echo "\${COMPREPLY[*]}"
COMP_WORDS=(microedge pki issue --da); COMP_CWORD=3; _microedge; echo "\${COMPREPLY[*]}"
COMP_WORDS=(microedge sta); COMP_CWORD=1; _microedge; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = await run(["bash", "-c", script], { cwd: directory });
    assert.deepEqual([stdout, stderr], ["issue\n--days\nstatus", ""]);
  });
});

suite("02 configuration", () => {
  test("a bad one: exit code 78, every problem with its line", async () => {
    const file = join(directory, "bad.toml");
    await writeFile(
      file,
      '[rpc]\nlisten = "nonsense"\nmax_body_byte = 5\n[tls]\nverify = "never"\n',
    );
    const human = await microedge("config", "check", "--config", file);
    assert.equal(human.code, 78);
    for (const says of [
      /line 2: rpc\.listen/,
      /line 3: rpc\.max_body_byte.*max_body_bytes/,
      /line 5: tls\.verify/,
      /tls\.key is missing/,
    ]) {
      assert.match(human.stderr, says);
    }
    const machine = await microedge("config", "check", "--config", file, "--json");
    const { error } = JSON.parse(machine.stdout) as { error: { problems: unknown[] } };
    assert.ok(error.problems.length >= 4);
    // `run` refuses it in the same words, and starts nothing.
    const started = await microedge("run", "--config", file);
    assert.equal(started.code, 78);
    assert.match(started.stderr, /line 2: rpc\.listen/);
    assert.doesNotMatch(started.stdout, /agent\.ready/);
  });

  test("none at all: exit code 78, and where it was looked for", async () => {
    const { code, stderr } = await microedge("config", "check", "--config", "absent.toml");
    assert.equal(code, 78);
    assert.match(stderr, /absent\.toml/);
  });

  test("the schema is JSON", async () => {
    const { stdout } = await microedge("config", "schema");
    assert.equal((JSON.parse(stdout) as { type: string }).type, "object");
  });
});

suite("03 a development authority", () => {
  test("init and issue; a second time is exit code 73", async () => {
    assert.equal((await microedge("pki", "init")).code, 0);
    const sans = "dns:localhost,ip:127.0.0.1,ip:::1,uri:spiffe://lab/gw";
    assert.equal((await microedge("pki", "issue", "gw", "--san", sans)).code, 0);
    assert.deepEqual((await readdir(join(directory, "pki"))).toSorted(), [
      "ca.crt",
      "ca.key",
      "gw.crt",
      "gw.key",
    ]);
    for (const words of [["init"], ["issue", "gw"]]) {
      const again = await microedge("pki", ...words);
      assert.equal(again.code, 73);
      assert.match(again.stderr, /\.key exists/);
    }
  });

  test("config show says where values come from", async () => {
    const toml = `[rpc]\nlisten = "127.0.0.1:0"\n[tls]\ncert = "pki/gw.crt"\nkey = "pki/gw.key"\nca = "pki/ca.crt"\n[control]\nsocket = "c.sock"\n`;
    await writeFile(join(directory, "microedge.toml"), toml);
    const { stdout } = await run(
      [BUNDLE, "config", "show", "--json", "--config", "microedge.toml"],
      {
        cwd: directory,
        env: { MICROEDGE_LOG_LEVEL: "debug" },
      },
    );
    const { values } = JSON.parse(stdout) as {
      values: { key: string; value: unknown; source: string }[];
    };
    const of = (key: string) => values.find((each) => each.key === key);
    assert.deepEqual(
      [of("rpc.listen")?.value, of("rpc.listen")?.source],
      ["127.0.0.1:0", "line 2"],
    );
    assert.deepEqual(
      [of("log.level")?.value, of("log.level")?.source],
      ["debug", "MICROEDGE_LOG_LEVEL"],
    );
    assert.equal(of("tls.verify")?.source, "default");
  });
});

suite("04 with the agent dead", () => {
  test("status, services and call: exit code 69, and what to type", async () => {
    for (const words of [["status"], ["services"], ["call", "a", "B.C"], ["reload"]]) {
      const { code, stderr } = await microedge(...words, "--config", "microedge.toml");
      assert.equal(code, 69, words.join(" "));
      assert.match(
        stderr,
        /agent is not running.*c\.sock\n {2}fix: start the agent with `microedge run`/,
      );
    }
  });

  test("doctor works: it names the dead agent and judges everything else", async () => {
    const { code, stdout } = await microedge("doctor", "--json", "--config", "microedge.toml");
    assert.equal(code, 1);
    const { checks } = JSON.parse(stdout) as { checks: { id: string; result: string }[] };
    const results = Object.fromEntries(checks.map(({ id, result }) => [id, result]));
    assert.equal(results["agent.alive"], "fail");
    assert.equal(results["listener.reachable"], "skipped");
    for (const id of [
      "config.valid",
      "tls.permissions",
      "cert.dates",
      "cert.chain",
      "cert.key-match",
      "cert.san",
    ]) {
      assert.equal(results[id], "ok", id);
    }
    const skipped = await microedge(
      "doctor",
      "--skip",
      "agent.alive",
      "--config",
      "microedge.toml",
    );
    assert.match(skipped.stdout, /skipped {2}agent\.alive +left out by --skip/);
  });

  test("doctor sees a key that others can read", async () => {
    await chmod(join(directory, "pki/gw.key"), 0o644);
    const { code, stdout } = await microedge(
      "doctor",
      "--skip",
      "agent.alive",
      "--config",
      "microedge.toml",
    );
    await chmod(join(directory, "pki/gw.key"), 0o600);
    assert.equal(code, 1);
    assert.match(stdout, /fail +tls\.permissions .*mode 0644.*\n +fix: chmod 600/);
  });

  test("doctor takes a configuration that is not one, and goes on", async () => {
    const { code, stdout } = await microedge("doctor", "--config", "bad.toml");
    assert.equal(code, 1);
    assert.match(stdout, /fail +config\.valid +\d problems? in .*: line 2: rpc\.listen must be /);
    assert.match(stdout, /ok +clock\.sane/);
    assert.match(stdout, /skipped +cert\.dates +needs/);
  });

  test("tls probe of a closed port: exit code 1, and why", async () => {
    const { code, stdout } = await microedge(
      "tls",
      "probe",
      "127.0.0.1:1",
      "--config",
      "microedge.toml",
    );
    assert.equal(code, 1);
    assert.match(stdout, /fail +127\.0\.0\.1:1 refused the connection/);
  });
});
