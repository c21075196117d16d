/**
 * Renewal of the built program at a real step-ca: by itself, on demand with the agent running and stopped,
 * while the authority is down, and with roots that the fleet has signed.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { BUNDLE } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import { Child, type Ended, run } from "../fakes/child.ts";
import { sha256Of } from "../fakes/issuer-rig.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { type StepCa, startStepCa } from "../fakes/step-ca.ts";
import { TrustSigner } from "../fakes/trust-signer.ts";

const NAMES = ["roof-7", "127.0.0.1"];
const members = (text: string) => JSON.parse(text) as Record<string, Record<string, unknown>>;

interface Device extends AsyncDisposable {
  readonly site: Site;
  microedge(...args: string[]): Promise<Ended>;
  json(...args: string[]): Promise<Record<string, unknown>>;
  agent(): Promise<Child>;
}

/** Enrolled, and its agent stopped. */
async function enrolled(ca: StepCa, more = ""): Promise<Device> {
  const site = await makeSite();
  const root = sha256Of(ca.root.certificatePem);
  const config = await site.write(
    "microedge.toml",
    `[rpc]\nlisten = "127.0.0.1:0"\n[store]\ndir = "store"\n[control]\nsocket = "control.sock"\n[issuer]\nkind = "step-ca"\nurl = "${ca.url}"\nroot_sha256 = "${root}"\n${more}\n`,
  );
  const microedge = (...args: string[]): Promise<Ended> =>
    run([BUNDLE, ...args, "--config", config]);
  const token = join(site.directory, "token.jwt");
  await writeFile(token, `${ca.token("roof-7", NAMES)}\n`, { mode: 0o600 });
  const done = await microedge("enroll", "--token-file", token);
  assert.equal(done.code, 0, done.stderr);
  let child: Child | undefined;
  return {
    site,
    microedge,
    async json(...args) {
      const { code, stdout, stderr } = await microedge(...args, "--json");
      assert.equal(code, 0, `${stdout}${stderr}`);
      return JSON.parse(stdout) as Record<string, unknown>;
    },
    async agent() {
      child = new Child([BUNDLE, "run", "--config", config]);
      await child.waitFor("agent.ready", (line) => /"agent\.ready"/.exec(line)?.[0]);
      return child;
    },
    async [Symbol.asyncDispose]() {
      await child?.stop();
      await site[Symbol.asyncDispose]();
    },
  };
}

function event(child: Child, name: string): Promise<unknown> {
  return child.waitFor(name, (line) => (line.includes(`"${name}"`) ? line : undefined));
}

suite("renewal of the built program", () => {
  let ca: StepCa;
  before(async () => {
    ca = await startStepCa({
      claims: { minTLSCertDuration: "1m", defaultTLSCertDuration: "5m", maxTLSCertDuration: "1h" },
    });
  });
  after(() => ca[Symbol.asyncDispose]());

  test("with the agent stopped: a dry run says when, and now means now, with another key", async () => {
    await using device = await enrolled(ca);
    const key = members((await device.microedge("cert", "show", "--json")).stdout)["key"];
    const plan = await device.json("cert", "renew", "--dry-run");
    assert.equal(plan["issuer"], "step-ca");
    assert.equal(plan["reason"], "share");
    assert.equal(typeof plan["dueAt"], "number");
    const renewed = await device.json("cert", "renew", "--now");
    assert.equal(renewed["generation"], 2);
    const shown = members((await device.microedge("cert", "show", "--json")).stdout);
    assert.notEqual(shown["key"]?.["spkiSha256"], key?.["spkiSha256"]);
    const { entries } = (await device.json("queue", "list")) as {
      readonly entries: readonly Record<string, unknown>[];
    };
    assert.deepEqual(
      entries.map(({ id, state }) => [id, state]),
      [["re-key-2", "done"]],
    );
    const keys = await device.microedge("key", "list", "--json");
    assert.doesNotMatch(keys.stdout, /renewal\./);
  });

  test("an agent renews by itself when its time has come, and says so", async () => {
    // a tenth of five minutes is over: the authority dates certificates back by one
    await using device = await enrolled(ca, "[renewal]\nat = 0.1");
    const agent = await device.agent();
    await event(agent, "renewal.started");
    await event(agent, "renewal.succeeded");
    const status = members((await device.microedge("status", "--json")).stdout);
    assert.equal(status["identity"]?.["generation"], 2);
    const { renewal } = status;
    assert.equal(renewal?.["issuer"], "step-ca");
    assert.equal(renewal?.["lastError"], undefined);
    // and not at once again
    assert.equal(renewal?.["reason"], "spacing");
    const madeAt = Number(renewal?.["lastSuccessAt"]) / 1000;
    const { stdout } = await device.microedge("metrics");
    assert.ok(stdout.includes(`\nmicroedge_renewal_last_success_timestamp_seconds ${madeAt}\n`));
    assert.match(stdout, /^microedge_renewal_failures_in_a_row 0$/m);
    assert.match(stdout, /^microedge_queue_attempts_succeeded_total 1$/m);
  });

  test("the authority is down: told, kept in the queue, and caught up when it is back", async () => {
    await using device = await enrolled(ca);
    const agent = await device.agent();
    await ca.stop();
    const failed = await device.microedge("cert", "renew", "--now", "--json");
    assert.notEqual(failed.code, 0);
    assert.match(failed.stdout + failed.stderr, /ERR_ISSUER_UNREACHABLE/);
    await event(agent, "renewal.failed");
    const waiting = (await device.json("queue", "list"))["entries"] as Record<string, unknown>[];
    assert.equal(waiting[0]?.["kind"], "re-key");
    assert.match(String(waiting[0]?.["lastError"]), /^ERR_ISSUER_UNREACHABLE/);
    // by now the agent may be trying again: its first pauses are drawn between nothing and a second or two
    assert.ok(Number(waiting[0]?.["attempts"]) >= 1);
    const plan = await device.json("cert", "renew", "--dry-run");
    assert.match(String(plan["lastError"]), /^ERR_ISSUER_UNREACHABLE/);
    const { stdout: figures } = await device.microedge("metrics");
    assert.match(figures, /^microedge_renewal_failures_in_a_row [1-9]/m);
    assert.match(
      figures,
      /^microedge_queue_entries\{kind="re-key",state="(?:waiting|running)"\} 1$/m,
    );
    await ca.start();
    // by the agent itself, or because it is asked; asked right after that, it renews once more
    const renewed = await device.json("cert", "renew", "--now");
    assert.ok(Number(renewed["generation"]) >= 2);
    await event(agent, "renewal.succeeded");
  });

  test("asked while an attempt is under way that comes to nothing: another one is made for who asked", async () => {
    await using device = await enrolled(ca);
    const agent = await device.agent();
    ca.pause();
    try {
      const first = device.microedge("cert", "renew", "--now", "--json");
      await event(agent, "renewal.started");
      const second = device.microedge("cert", "renew", "--now", "--json");
      // by the second command; and when the attempt of the first has failed, on its account
      const isRetry = (line: string): boolean => line.includes('"queue.intent.retried"');
      await agent.until("second retry", () => agent.stdout.filter(isRetry).length >= 2);
      ca.resume();
      assert.match((await first).stdout, /ERR_ISSUER_UNREACHABLE/);
      const { code, stdout } = await second;
      assert.equal(code, 0, stdout);
      assert.equal((JSON.parse(stdout) as Record<string, unknown>)["generation"], 2);
    } finally {
      ca.resume();
    }
  });

  test("with the agent stopped: a pause that a refusal asks for is kept for the agent", async () => {
    await using own = await startStepCa();
    await using device = await enrolled(own);
    await own.restart({ provisioner: "another" });
    const refused = await device.microedge("cert", "renew", "--now", "--json");
    assert.match(refused.stdout, /ERR_ISSUER_ENROL/);
    const { entries } = (await device.json("queue", "list")) as {
      readonly entries: readonly Record<string, unknown>[];
    };
    const pauseMs = Number(entries[0]?.["nextAttemptAt"]) - Date.now();
    assert.ok(pauseMs > 600_000, `${pauseMs} ms`);
  });

  test("an authority that refuses again and again is left in peace longer than the queue's pauses; the list says so; a reload asks it again", async () => {
    await using own = await startStepCa();
    await using device = await enrolled(own);
    const agent = await device.agent();
    await own.restart({ provisioner: "another" });
    for (let times = 1; times <= 3; times++) {
      const refused = await device.microedge("cert", "renew", "--now", "--json");
      assert.match(refused.stdout, /ERR_ISSUER_ENROL/);
    }
    const first = async (): Promise<Record<string, unknown>> => {
      const { entries } = await device.json("queue", "list");
      return (entries as Record<string, unknown>[])[0] ?? {};
    };
    const held = await first();
    assert.equal(held["heldBy"], "refused");
    // an hour at least after the third, where the queue's own pause is half an hour at most
    const heldMs = Number(held["heldUntil"]) - Date.now();
    assert.ok(heldMs > 1_800_000 && heldMs <= 2 * 3_600_000, `${heldMs} ms`);
    assert.match((await device.microedge("queue", "list")).stdout, /refused, so asked rarely/);
    agent.signal("SIGHUP");
    // by two of the commands, and by the reload
    const isRetry = (line: string): boolean => line.includes('"queue.intent.retried"');
    await agent.until("an attempt after the reload", () => agent.stdout.filter(isRetry).length > 2);
  });

  test("an agent that is told to stop while the authority hangs and somebody waits: it stops, and says so", async () => {
    await using device = await enrolled(ca);
    const agent = await device.agent();
    ca.pause();
    try {
      const waiting = device.microedge("cert", "renew", "--now", "--json");
      await event(agent, "renewal.started");
      const { code } = await agent.stop();
      assert.equal(code, 0);
      const told = await waiting;
      assert.notEqual(told.code, 0);
      assert.match(told.stdout, /ERR_QUEUE_CLOSED/);
    } finally {
      ca.resume();
    }
    const renewed = await device.json("cert", "renew", "--now");
    assert.equal(renewed["generation"], 2);
  });

  test("roots that the fleet has signed are taken by the running agent, once", async () => {
    const signer = new TrustSigner();
    await using device = await enrolled(ca, `[trust]\nupdate_keys = ["${signer.text}"]`);
    await device.agent();
    const next = await testPki("Next Root");
    const [update = ""] = signer.chain([ca.root.certificatePem, next.caPem]);
    const file = await device.site.write("updates.jsonl", `${update}\n`);
    const taken = await device.json("cert", "trust", "--update", file);
    assert.deepEqual([taken["outcome"], taken["sequence"]], ["taken", 1]);
    const trust = await device.microedge("cert", "trust", "--json");
    assert.match(trust.stdout, /Next Root/);
    assert.match(trust.stdout, /"leaving":\["[0-9a-f]{64}"\]/);
    const again = await device.json("cert", "trust", "--update", file);
    assert.equal(again["outcome"], "known");
    // our own certificate is still renewed under the root that leaves
    const renewed = await device.json("cert", "renew", "--now");
    assert.ok(Number(renewed["generation"]) >= 3);
    const forged = new TrustSigner(3).sign({ sequence: 2, bundle: next.caPem });
    const bad = await device.site.write("forged.jsonl", forged);
    const refused = await device.microedge("cert", "trust", "--update", bad, "--json");
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /ERR_TRUST_UPDATE/);
  });
});
