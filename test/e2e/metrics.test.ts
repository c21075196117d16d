/** Metrics of the built program: by the command, over HTTP, and what becomes of it on reload. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";

const LISTEN = '[metrics]\nlisten = "127.0.0.1:0"\n';

async function reloadWith(agent: AgentProcess, change: (text: string) => string): Promise<void> {
  await writeFile(agent.configPath, change(await readFile(agent.configPath, "utf8")));
  const { code, stderr } = await agent.microedge("reload");
  assert.equal(code, 0, stderr);
}

suite("metrics by the command", () => {
  test("are the text, whole, and with --json the same as one string", async () => {
    await using agent = await startAgent({ inStore: true });
    const words = ["metrics", "--config", agent.configPath];
    const { stdout } = await promisify(execFile)(BUNDLE, words);
    assert.match(stdout, /^# HELP microedge_build_info /);
    assert.match(stdout, /^microedge_state\{state="ready"\} 1$/m);
    assert.match(stdout, /^microedge_certificate_not_after_timestamp_seconds \d+$/m);
    assert.match(stdout, /^microedge_queue_durable 1$/m);
    assert.match(stdout, / \d+\n$/);
    const { metrics } = JSON.parse((await agent.microedge("metrics", "--json")).stdout);
    assert.match(metrics, /^# HELP microedge_build_info /);
  });

  test("without an agent: nothing on standard output, exit code 69", async () => {
    await using agent = await startAgent();
    agent.child.signal("SIGTERM");
    await agent.child.ended;
    const { code, stdout, stderr } = await agent.microedge("metrics");
    assert.deepEqual([code, stdout], [69, ""]);
    assert.match(stderr, /ERR_CONTROL_UNREACHABLE/);
  });

  test("the line for node_exporter leaves a whole file, and none when the agent is gone", async () => {
    await using agent = await startAgent();
    const page = await readFile(join(import.meta.dirname, "../../docs/metrics.md"), "utf8");
    const [, line = ""] = /^ExecStart=sh -c '(.*)'$/m.exec(page) ?? [];
    const command = line.replace("microedge metrics", `${BUNDLE} metrics --config microedge.toml`);
    const once = () => run(["sh", "-c", command], { cwd: agent.site.directory });
    const file = join(agent.site.directory, "microedge.prom");
    assert.equal((await once()).code, 0);
    assert.match(await readFile(file, "utf8"), /^# HELP microedge_build_info .*\n$/s);
    assert.equal((await lstat(file)).mode & 0o777, 0o644);
    agent.child.signal("SIGTERM");
    await agent.child.ended;
    await once();
    await assert.rejects(lstat(file), /ENOENT/);
    await assert.rejects(lstat(`${agent.site.directory}/microedge.new`), /ENOENT/);
  });
});

suite("metrics over HTTP", () => {
  test("are off by default", async () => {
    await using agent = await startAgent();
    await agent.microedge("status");
    assert.ok(agent.log().every(({ event }) => !event.startsWith("metrics.")));
  });

  test("count a call that was made since", async () => {
    await using agent = await startAgent({ config: LISTEN });
    const { address } = await agent.event("metrics.listening");
    await agent.microedge("call", "microedge", "Agent.Echo", '{"text":"x"}');
    const answer = await fetch(`http://${address}/metrics`);
    assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    const text = await answer.text();
    assert.equal(Number(answer.headers.get("content-length")), Buffer.byteLength(text));
    assert.match(text, /^microedge_calls_total 1$/m);
    assert.match(text, /^microedge_client_calls_succeeded_total 1$/m);
  });

  test("on a Unix socket, for the group of its directory", async () => {
    await using agent = await startAgent({ config: '[metrics]\nlisten = "unix:shared/m.sock"\n' });
    const path = join(agent.site.directory, "shared/m.sock");
    assert.equal((await lstat(path)).mode & 0o777, 0o660);
    const text = await new Promise<string>((done, failed) => {
      const asked = request({ socketPath: path, path: "/metrics" }, (answer) => {
        answer.setEncoding("utf8").on("error", failed);
        answer.toArray().then((parts) => done(parts.join("")), failed);
      });
      asked.on("error", failed).end();
    });
    assert.match(text, /^microedge_state\{state="ready"\} 1$/m);
    agent.child.signal("SIGTERM");
    await agent.child.ended;
    await assert.rejects(lstat(path), /ENOENT/, "and is gone with the agent");
  });

  test("come and go with a reload", async () => {
    await using agent = await startAgent();
    await reloadWith(agent, (text) => `${text}${LISTEN}`);
    const { address } = await agent.event("metrics.listening");
    assert.equal((await fetch(`http://${address}/metrics`)).status, 200);
    await reloadWith(agent, (text) => text.replace(LISTEN, ""));
    await assert.rejects(fetch(`http://${address}/metrics`));
  });

  test("a port that is taken: the agent says so, and serves; another one after a reload is well", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((done) => other.once("listening", done));
    const { port } = other.address() as { port: number };
    await using agent = await startAgent({ config: `[metrics]\nlisten = "127.0.0.1:${port}"\n` });
    const said = await agent.event("metrics.unavailable");
    assert.match(String(said["reason"]), new RegExp(`127.0.0.1:${port}: another program listens`));
    assert.equal((await agent.microedge("call", "microedge", "Agent.Echo", "{}")).code, 0);
    const { stdout } = await agent.microedge("status");
    assert.match(stdout, /^warning +figures can't be served at 127\.0\.0\.1/m);
    await reloadWith(agent, (text) => text.replace(`127.0.0.1:${port}`, "[::1]:0"));
    const { address } = await agent.event("metrics.listening");
    assert.match(String(address), /^\[::1\]:\d+$/);
    assert.equal((await fetch(`http://${address}/metrics`)).status, 200);
    assert.doesNotMatch((await agent.microedge("status")).stdout, /figures can't be served/);
    await new Promise((done) => other.close(done));
  });

  test("a directory where no socket can be: a warning with a fix, and the agent serves", async () => {
    const site = await startAgent();
    const blocked = join(site.site.directory, "blocked");
    await mkdir(blocked);
    await writeFile(join(blocked, "m.sock"), "a file");
    await chmod(blocked, 0o700);
    await reloadWith(site, (text) => `${text}[metrics]\nlisten = "unix:blocked/m.sock"\n`);
    const said = await site.event("metrics.unavailable");
    assert.match(String(said["reason"]), /exists and is not a socket/);
    assert.match(String(said["fix"]), /choose another metrics\.listen/);
    assert.equal(await readFile(join(blocked, "m.sock"), "utf8"), "a file");
    await site[Symbol.asyncDispose]();
  });

  const refused = ["0.0.0.0:9464", "192.168.1.7:9464", "[::]:9464", "localhost:9464", "unix:"];
  test("an address that others can reach is refused with the whole configuration", async () => {
    await using agent = await startAgent();
    const text = await readFile(agent.configPath, "utf8");
    for (const listen of refused) {
      await writeFile(agent.configPath, `${text}[metrics]\nlisten = "${listen}"\n`);
      const { code, stderr } = await agent.microedge("config", "check");
      assert.equal(code, 78, listen);
      assert.match(stderr, /line \d+: metrics\.listen must be .*not encrypted/, listen);
    }
  });
});
