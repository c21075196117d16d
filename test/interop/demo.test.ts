/** `microedge demo` with real go-micro v5 peers: a call each way over mutual TLS. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { BUNDLE } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";

const PEERS = resolve(import.meta.dirname, "../../build/peers");

test("demo calls a go-micro v5 service and is called by a go-micro v5 client", async () => {
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
});
