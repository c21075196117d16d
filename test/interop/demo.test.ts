/**
 * `microedge demo` with real peers in Go: a call each way over mutual TLS with go-micro v5, and a renewal that
 * a step-ca was not there for.
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { BUNDLE } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";

const PEERS = resolve(import.meta.dirname, "../../build/peers");

test("demo calls a go-micro v5 service, is called by a go-micro v5 client, and catches up a renewal", async () => {
  const { code, stdout } = await run([BUNDLE, "demo", "--json", "--go-peers", PEERS]);
  assert.equal(code, 0, stdout);
  const { steps } = JSON.parse(stdout) as {
    steps: { command: string; ok: boolean; output: string }[];
  };
  const out = steps.find(({ command }) => command.includes("call greeter Greeter.Hello"));
  assert.deepEqual([out?.ok, out?.output], [true, '{"greetingText":"hello microedge"}']);
  const incoming = steps.find(({ command }) => command.startsWith("client-v5 "));
  assert.equal(incoming?.ok, true);
  assert.match(incoming?.output ?? "", /"reply":\{"text":"hello from Go"\}/);

  const outputs = steps
    .slice(steps.findIndex(({ command }) => command.startsWith("microedge enroll ")))
    .filter(({ command }) => /^microedge (?:cert|queue) /.test(command))
    .map(({ output }) => output);
  const [refused = "", waiting = "", done = "", history = ""] = outputs;
  assert.match(refused, /code: ERR_ISSUER_UNREACHABLE/);
  assert.match(waiting, /^re-key-2 +(?:waiting|running) .*ERR_ISSUER_UNREACHABLE/m);
  assert.match(done, /^re-key-2 +done /m);
  assert.match(history, /^2 +current +\w+ +renewal /m);
});
