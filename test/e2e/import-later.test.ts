/**
 * `cert import --later` with the built program: durable when it answers, in force by itself, with the agent
 * running, stopped, and killed in between.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { suite, test } from "node:test";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { killMatrix } from "../fakes/kill-matrix.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";

const STORE = '[store]\ndir = "store"\n[tls]\n';
const PROGRAM = resolve(import.meta.dirname, "../fakes/import-program.ts");
const LIMIT = FULL ? Number.MAX_SAFE_INTEGER : 8;

interface Stopped {
  readonly site: Site;
  readonly configPath: string;
  readonly start: () => Promise<AgentProcess>;
}

/** A site whose agent has run with a store, and has been stopped. */
async function stoppedSite(): Promise<Stopped> {
  const site = await makeSite();
  const credentials = await site.issue("microedge");
  const first = await startAgent({ site, credentials, inStore: true });
  await first.stop();
  const start = () => startAgent({ site, credentials, identity: STORE });
  return { site, configPath: first.configPath, start };
}

async function ask(configPath: string, ...args: readonly string[]) {
  const { code, stdout } = await run([BUNDLE, ...args, "--json", "--config", configPath]);
  return { code, answer: JSON.parse(stdout) as Readonly<Record<string, unknown>> };
}

function later({ cert, key }: CredentialFiles): readonly string[] {
  return ["cert", "import", "--cert", cert, "--key", key, "--later"];
}

async function entriesOf(
  configPath: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { answer } = await ask(configPath, "queue", "list");
  return answer["entries"] as readonly Readonly<Record<string, unknown>>[];
}

/** What is kept for pushes that are not over. */
function keptIn({ directory }: Site): readonly string[] {
  return readdirSync(join(directory, "store")).filter((name) => /^(?:key|note)-install/.test(name));
}

async function serialOf(configPath: string): Promise<string> {
  const { answer } = await ask(configPath, "cert", "show");
  return (answer["leaf"] as { readonly serial: string }).serial;
}

suite("cert import --later", () => {
  test("with the agent running: answered when it is durable, in force by itself, nothing left", async () => {
    const { site, configPath, start } = await stoppedSite();
    await using _ = site;
    await using agent = await start();
    const before = await serialOf(configPath);
    const { code, answer } = await ask(configPath, ...later(await site.issue("microedge")));
    assert.equal(code, 0);
    assert.partialDeepStrictEqual(answer, { id: "install-1", generation: 1, running: true });
    await agent.event("queue.intent.done");
    assert.notEqual(await serialOf(configPath), before);
    assert.partialDeepStrictEqual(await entriesOf(configPath), [
      { id: "install-1", state: "done" },
    ]);
    assert.deepEqual(keptIn(site), []);
  });

  test("with the agent stopped: its next start puts it in force", async () => {
    const { site, configPath, start } = await stoppedSite();
    await using _ = site;
    const before = await serialOf(configPath);
    const { answer } = await ask(configPath, ...later(await site.issue("microedge")));
    assert.partialDeepStrictEqual(answer, { id: "install-1", state: "waiting", running: false });
    assert.deepEqual(keptIn(site), ["key-install-key.1", "note-install-1"]);
    assert.equal(await serialOf(configPath), before);
    await using agent = await start();
    await agent.event("queue.intent.done");
    assert.notEqual(await serialOf(configPath), before);
    assert.deepEqual(keptIn(site), []);
  });

  test("a certificate that begins in seconds is in force when its time has come, not before", async () => {
    const { site, configPath, start } = await stoppedSite();
    await using _ = site;
    await using agent = await start();
    const notBefore = Date.now() + 6_000;
    const { answer } = await ask(
      configPath,
      ...later(await site.issue("microedge", { notBefore })),
    );
    assert.equal(answer["state"], "waiting");
    await agent.event("install.waits");
    const [entry] = await entriesOf(configPath);
    assert.match(String(entry?.["lastError"]), /ERR_INSTALL_WAITS: the certificate counts from/);
    const rotated = await agent.event("certificate.rotated", undefined, 60_000);
    assert.ok(Date.parse(String(rotated["time"])) >= notBefore - 1_000);
    await agent.event("queue.intent.done");
  });

  for (const running of [true, false]) {
    test(`what this device can't take is refused at once, the agent ${running ? "running" : "stopped"}, and what waits keeps its place`, async () => {
      const { site, configPath, start } = await stoppedSite();
      await using _ = site;
      await using other = await makeSite();
      await using agent = running ? await start() : undefined;
      const notBefore = Date.now() + 86_400_000;
      const good = await site.issue("microedge", { notBefore });
      assert.equal((await ask(configPath, ...later(good))).code, 0);
      const kept = keptIn(site);
      const stranger = await other.issue("microedge");
      const { code, answer } = await ask(configPath, ...later(stranger));
      assert.partialDeepStrictEqual(answer, { ok: false, error: { code: "ERR_CERT_REFUSED" } });
      assert.match(JSON.stringify(answer), /authority/);
      const now = await ask(configPath, ...later(stranger).filter((each) => each !== "--later"));
      assert.deepEqual([code, Object.keys(answer)], [now.code, Object.keys(now.answer)]);
      assert.partialDeepStrictEqual(await entriesOf(configPath), [
        { id: "install-1", state: "waiting" },
      ]);
      assert.deepEqual(keptIn(site), kept);
      if (agent !== undefined) assert.ok(await agent.event("certificate.refused"));
      assert.equal((await ask(configPath, "queue", "drop", "install-1")).code, 0);
      // What is dropped is swept behind the answer, and before the agent has stopped.
      await agent?.stop();
      assert.deepEqual(keptIn(site), []);
      const dry = await ask(configPath, ...later(stranger), "--dry-run");
      assert.partialDeepStrictEqual(dry.answer, { ok: false, error: { code: "ERR_USAGE" } });
    });
  }

  test("killed at any call that touches the store, once acknowledged it goes in force, once", {
    skip: without("strace", hasCommand("strace")),
    timeout: 1_800_000,
  }, async (t) => {
    const { site, configPath, start } = await stoppedSite();
    await using _ = site;
    const dir = join(site.directory, "store");
    const template = join(site.directory, "template");
    await cp(dir, template, { recursive: true, preserveTimestamps: true });
    const { cert, key, ca } = await site.issue("microedge");
    const result = await killMatrix(
      {
        command: [process.execPath, PROGRAM, "later", configPath, cert, key, ca],
        dir,
        restore: async () => {
          await rm(dir, { recursive: true, force: true });
          await cp(template, dir, { recursive: true, preserveTimestamps: true });
        },
        acknowledged: ({ stdout }) => stdout.includes("acknowledged"),
        view: async () => {
          await using agent = await start();
          const isOpen = ({ state }: Readonly<Record<string, unknown>>): boolean =>
            state === "waiting" || state === "running";
          if ((await entriesOf(configPath)).some(isOpen)) await agent.event("queue.intent.done");
          const { stdout } = await agent.microedge("cert", "history", "--json");
          const { generations } = JSON.parse(stdout) as {
            readonly generations: readonly {
              readonly role: string;
              readonly leaf: { readonly serial: string };
            }[];
          };
          const serials = generations.map(({ role, leaf }) => `${role} ${leaf.serial}`);
          return `${serials.join(", ")}; kept ${keptIn(site).join()}`;
        },
      },
      LIMIT,
    );
    t.diagnostic(`${result.points} calls touch the store; killed at ${result.kills}`);
    assert.deepEqual(result.violations, []);
    assert.ok(result.points > 50, `only ${result.points} calls`);
  });
});
