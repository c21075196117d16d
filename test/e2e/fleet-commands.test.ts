/**
 * The fleet's commands on the built program, from the key to roots in force and a time that counts: what they
 * sign a running agent takes, and the command itself while no agent runs.
 */
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import { run } from "../fakes/child.ts";
import { makeSite, type Site } from "../fakes/site.ts";

let site: Site;
let agent: AgentProcess;
let key = "";
const at = (name: string): string => join(site.directory, name);

/** On the operator's machine: no configuration, no agent. */
async function operator(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([BUNDLE, ...args, "--json"]);
  assert.equal(code, 0, stdout + stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}
const signing = (): readonly string[] => [
  ...["--key", at("fleet.key"), "--passphrase-file", at("secret.txt")],
];
const sign = (bundle: string, ...more: readonly string[]) =>
  operator(
    ...["fleet", "trust", ...signing(), "--chain", at("chain.jsonl"), "--bundle", at(bundle)],
    ...more,
  );
async function trusted(): Promise<readonly string[]> {
  const { code, stdout } = await agent.microedge("cert", "trust", "--json");
  assert.equal(code, 0, stdout);
  const { authorities } = JSON.parse(stdout) as { authorities: readonly { subject: string }[] };
  return authorities.map(({ subject }) => subject).sort();
}
const take = () => agent.microedge("cert", "trust", "--update", at("chain.jsonl"), "--json");

before(async () => {
  site = await makeSite();
  await site.write("secret.txt", "correct horse battery\n");
  for (const name of ["Second CA", "Third CA"]) {
    await site.write(`${name.split(" ")[0]}.pem`, (await testPki(name)).caPem);
  }
  const made = await operator(
    ...["fleet", "init", at("fleet.key"), "--passphrase-file", at("secret.txt")],
  );
  key = String(made["publicKey"]);
  const config = `[trust]\nupdate_keys = ["${key}"]\n[time]\nfleet_keys = ["${key}"]\n`;
  agent = await startAgent({ site, inStore: true, config });
});
after(async () => {
  await agent?.[Symbol.asyncDispose]();
  await site?.[Symbol.asyncDispose]();
});

suite("a fleet that signs", () => {
  test("two generations of roots: taken by the running agent, known the second time", async () => {
    assert.equal((await stat(at("fleet.key"))).mode & 0o777, 0o600);
    const own = await trusted();
    await sign("Second.pem", "--from", at("ca.crt"));
    await sign("Third.pem", "--not-after", "2099-01-01");
    const checked = await operator(
      ...["fleet", "verify", at("chain.jsonl"), "--key", key, "--from", at("ca.crt")],
    );
    assert.deepEqual([checked["faults"], checked["ended"]], [0, false]);
    const { code, stdout } = await take();
    assert.equal(code, 0, stdout);
    assert.partialDeepStrictEqual(JSON.parse(stdout), { outcome: "taken", sequence: 2, steps: 2 });
    // its own certificate is of the first, and peers may come from the second until its overlap is over
    assert.deepEqual(await trusted(), [...own, "CN=Second CA", "CN=Third CA"].sort());
    assert.partialDeepStrictEqual(JSON.parse((await take()).stdout), { outcome: "known" });
  });

  test("another key's chain is refused, and nothing changes", async () => {
    const before = await trusted();
    await operator("fleet", "init", at("stranger.key"), "--no-passphrase");
    await operator(
      ...["fleet", "trust", "--key", at("stranger.key"), "--chain", at("strange.jsonl")],
      ...["--bundle", at("Second.pem"), "--any-previous"],
    );
    const { code, stderr } = await agent.microedge(
      "cert",
      "trust",
      "--update",
      at("strange.jsonl"),
    );
    assert.equal(code, 1);
    assert.match(stderr, /not in trust\.update_keys/);
    assert.deepEqual(await trusted(), before);
  });

  test("the time, for a device that asked", async () => {
    const challenge = await agent.microedge("time", "challenge", "--json");
    await site.write("challenge.json", challenge.stdout);
    const signed = await run([BUNDLE, "fleet", "time", ...signing(), at("challenge.json")]);
    assert.equal(signed.code, 0, signed.stderr);
    await site.write("statement.json", signed.stdout);
    const applied = await agent.microedge("time", "apply", at("statement.json"));
    assert.equal(applied.code, 0, applied.stderr);
    assert.match(applied.stdout, /by the fleet/);
  });

  test("a third generation, taken while no agent runs", async () => {
    await agent.stop();
    await sign("Second.pem");
    const { code, stdout } = await take();
    assert.equal(code, 0, stdout);
    assert.partialDeepStrictEqual(JSON.parse(stdout), { outcome: "taken", sequence: 3, steps: 1 });
    assert.ok((await trusted()).includes("CN=Second CA"));
  });
});
