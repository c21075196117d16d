/**
 * The arm64 executable, under qemu-user where the machine has another CPU. `scripts/arm64-emulator`
 * puts the emulator and the libraries into build/arm64.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { suite, test } from "node:test";
import { BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { without } from "../fakes/needs.ts";
import { makeSite } from "../fakes/site.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PROGRAM = resolve(ROOT, "dist/linux-arm64/microedge");
const EMULATOR = resolve(ROOT, "build/arm64/usr/bin/qemu-aarch64-static");
const LIBRARIES = resolve(ROOT, "build/arm64/usr/aarch64-linux-gnu");

const native = process.arch === "arm64";
const command: [string, ...string[]] = native ? [PROGRAM] : [EMULATOR, "-L", LIBRARIES, PROGRAM];
/** Emulated, everything takes some ten times as long. */
const SLOW_MS = 120_000;

suite("the arm64 executable", {
  skip: without("qemu-user", native || existsSync(EMULATOR)),
}, () => {
  test("is an arm64 program", async () => {
    const { stdout } = await run(["od", "-An", "-tx1", "-j18", "-N2", PROGRAM]);
    assert.equal(stdout.trim(), "b7 00", "e_machine is EM_AARCH64");
  });

  test("says which build it is, the same as the bundle", async () => {
    const ours = await run([...command, "version"], { timeoutMs: SLOW_MS });
    assert.equal(ours.code, 0, ours.stderr);
    const bundle = await run([BUNDLE, "version"]);
    assert.equal(ours.stdout, bundle.stdout);
  });

  test("makes a PKI: the lazily loaded packages work in it", async () => {
    await using site = await makeSite();
    const pki = `${site.directory}/pki`;
    const made = await run([...command, "pki", "init", "--dir", pki], { timeoutMs: SLOW_MS });
    assert.equal(made.code, 0, made.stderr);
    const shown = await run(["openssl", "x509", "-in", `${pki}/ca.crt`, "-noout", "-text"]);
    assert.match(shown.stdout, /CA:TRUE/);
    assert.match(shown.stdout, /prime256v1/);
  });

  test("serves a call over mutual TLS 1.3, and stops", async () => {
    const agent = await startAgent({ program: command, readyMs: SLOW_MS });
    try {
      const call = [
        "call",
        "microedge",
        "Agent.Echo",
        '{"text":"from x64","seq":"9007199254740993"}',
      ];
      const { code, stdout, stderr } = await run(
        [
          BUNDLE,
          ...call,
          "--address",
          agent.listen,
          "--timeout",
          "60s",
          "--config",
          agent.configPath,
        ],
        { timeoutMs: SLOW_MS },
      );
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), { text: "from x64", seq: "9007199254740993" });
    } finally {
      const ended = await agent.stop();
      assert.equal(ended.code, 0, ended.stderr);
    }
  });
});
