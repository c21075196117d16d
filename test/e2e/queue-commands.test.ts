/**
 * The rotation queue from the command line of the built program: with the agent stopped and running.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import { objectNamed } from "#src/queue/intent.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { makeSite, type Site } from "../fakes/site.ts";

type Answer = Readonly<Record<string, unknown>> & {
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly error: { readonly code: string };
};

const MEMBERS = [
  ...["id", "kind", "generation", "state", "attempts", "nextAttemptAt", "lastError"],
  ...["step", "object", "createdAt", "heldBy", "heldUntil"],
].toSorted();

const configOf = (site: Site): string => join(site.directory, "microedge.toml");

/** As a command asks, with or without an agent. */
async function ask(
  site: Site,
  ...args: readonly string[]
): Promise<{ code: number | string; answer: Answer }> {
  const { code, stdout } = await run([BUNDLE, ...args, "--json", "--config", configOf(site)]);
  return { code, answer: JSON.parse(stdout) as Answer };
}

/** Works on the queue of a site whose agent does not run. */
async function seed(site: Site, work: (queue: IntentQueue) => Promise<unknown>): Promise<void> {
  const { answer } = await ask(site, "cert", "show");
  const { epoch } = answer["identity"] as { readonly epoch: string };
  const path = join(site.directory, "store", "queue", "intents");
  await using queue = await openIntentQueue({
    ...{ path, disk: systemStateDisk, epoch, device: undefined, opener: "command" },
    ...{ clock: systemClock, random: systemRandom, log: SILENT },
  });
  await work(queue);
}

/** An agent with a store has run here, and has been stopped. */
async function stoppedSite(): Promise<{ site: Site; start: () => Promise<AgentProcess> }> {
  const site = await makeSite();
  const credentials = await site.issue("microedge");
  const first = await startAgent({ site, credentials, inStore: true });
  await first.stop();
  const identity = '[store]\ndir = "store"\n[tls]\n';
  return { site, start: () => startAgent({ site, credentials, identity }) };
}

suite("queue list, retry, drop", () => {
  test("damaged while the agent was stopped: the list says what was lost", async () => {
    const { site } = await stoppedSite();
    await using _ = site;
    await seed(site, (queue) => queue.add({ kind: "report", generation: 1 }));
    const path = join(site.directory, "store", "queue", "intents");
    writeFileSync(path, readFileSync(path).fill(0x41));
    const { code, answer } = await ask(site, "queue", "list");
    assert.equal(code, 0);
    assert.deepEqual(answer.entries, []);
    assert.match(String(answer["healed"]), /damaged in both halves: what it held is lost/);
  });

  test("written by a clock that was years ahead: it is due, and the list says so", async () => {
    const { site } = await stoppedSite();
    await using _ = site;
    const notBeforeAt = Date.now() + 700 * 86_400_000;
    await seed(site, (queue) => queue.add({ kind: "report", generation: 1, notBeforeAt }));
    const [report] = (await ask(site, "queue", "list")).answer.entries;
    assert.ok(Number(report?.["nextAttemptAt"]) <= Date.now());
  });

  test("of a stopped agent, of a running one, and over a restart the same", async () => {
    const { site, start } = await stoppedSite();
    await using _ = site;
    assert.deepEqual((await ask(site, "queue", "list")).answer.entries, []);
    await seed(site, async (queue) => {
      await queue.add({ kind: "install", generation: 7, object: objectNamed("note", "push-7") });
      await queue.begin("install-7", "stage");
      await queue.fail("install-7", new AgentError("ERR_CERT_REFUSED", "no such thing"), 600_000);
      await queue.add({ kind: "report", generation: 1 });
      await queue.giveUp("report-1", new AgentError("ERR_ACL_DENIED", "not for you"));
    });
    const stopped = await ask(site, "queue", "list");
    assert.equal(stopped.code, 0);
    const [install, report] = stopped.answer.entries;
    assert.deepEqual(Object.keys(install ?? {}).toSorted(), MEMBERS);
    assert.partialDeepStrictEqual(install, {
      ...{ id: "install-7", kind: "install", generation: 7, state: "waiting", attempts: 1 },
      ...{ step: "stage", object: "note/push-7" },
      lastError: "ERR_CERT_REFUSED: no such thing",
    });
    const nextAttemptAt = Number(install?.["nextAttemptAt"]);
    assert.ok(nextAttemptAt > Date.now() + 500_000 && nextAttemptAt < Date.now() + 700_000);
    assert.partialDeepStrictEqual(report, { state: "failed", nextAttemptAt: null });

    {
      await using agent = await start();
      const running = await ask(site, "queue", "list");
      const unheld = (each: Answer) => each.entries.map(({ heldBy, heldUntil, ...rest }) => rest);
      assert.deepEqual(unheld(running.answer), unheld(stopped.answer));
      assert.equal(install?.["heldBy"], "no-agent");
      const { queue, warnings } = (await ask(site, "status")).answer as unknown as {
        readonly queue: Readonly<Record<string, unknown>>;
        readonly warnings: readonly string[];
      };
      assert.partialDeepStrictEqual(queue, { waiting: 1, running: 0, failed: 1, durable: true });
      assert.ok(warnings.some((words) => words.startsWith("report-1 failed for good")));
      const retried = await ask(site, "queue", "retry", "report-1");
      assert.partialDeepStrictEqual(retried.answer, { ok: true, id: "report-1", state: "waiting" });
      const dropped = await ask(site, "queue", "drop", "install-7");
      assert.partialDeepStrictEqual(dropped.answer, { ok: true, id: "install-7" });
      await agent.event("queue.intent.dropped");
      await agent.stop();
    }
    const after = await ask(site, "queue", "list");
    assert.deepEqual(
      after.answer.entries.map(({ id, state }) => `${id} ${state}`),
      ["report-1 waiting"],
    );
    assert.equal((await ask(site, "queue", "drop", "report-1")).code, 0);
    assert.deepEqual((await ask(site, "queue", "list")).answer.entries, []);
  });

  test("what is not there, or has ended, is said with a code", async () => {
    const { site, start } = await stoppedSite();
    await using _ = site;
    await seed(site, async (queue) => {
      await queue.add({ kind: "trust", generation: 3 });
      await queue.finish("trust-3");
    });
    const rows = [
      { args: ["retry", "renew-9"], code: "ERR_QUEUE_UNKNOWN" },
      { args: ["drop", "-- nonsense --"], code: "ERR_USAGE" },
      { args: ["drop", "renew-9 \u001b[31m"], code: "ERR_QUEUE_UNKNOWN" },
      { args: ["retry", "trust-3"], code: "ERR_QUEUE_SEQUENCE" },
      { args: ["retry"], code: "ERR_USAGE" },
    ];
    const each = async (): Promise<void> => {
      for (const { args, code } of rows) {
        const { answer } = await ask(site, "queue", ...args);
        assert.equal(answer.error?.code, code, args.join(" "));
      }
    };
    await each();
    await using _agent = await start();
    await each();
  });

  test("a factory reset ends what belongs to the old epoch", async () => {
    const { site } = await stoppedSite();
    await using _ = site;
    await seed(site, async (queue) => {
      await queue.add({ kind: "install", generation: 7 });
      await queue.finish("install-7");
    });
    assert.equal((await ask(site, "store", "reset", "--yes")).code, 0);
    assert.deepEqual((await ask(site, "queue", "list")).answer.entries, []);
    const credentials = await site.issue("microedge");
    const { cert, key, ca } = credentials;
    assert.equal(
      (await ask(site, "cert", "import", "--cert", cert, "--key", key, "--ca", ca)).code,
      0,
    );
    await seed(site, (queue) => queue.add({ kind: "install", generation: 7 }));
    const { entries } = (await ask(site, "queue", "list")).answer;
    assert.deepEqual(
      entries.map(({ id, state }) => `${id} ${state}`),
      ["install-7 waiting"],
      "anew",
    );
  });

  test("a queue that a newer version wrote: commands refuse it, the agent serves and says so", async () => {
    const { site, start } = await stoppedSite();
    await using _ = site;
    const path = join(site.directory, "store", "queue", "intents");
    const bytes = readFileSync(path);
    const newer = await newerThan(bytes);
    writeFileSync(path, newer);
    const refused = await ask(site, "queue", "list");
    assert.equal(refused.answer.error.code, "ERR_QUEUE_FORMAT");
    {
      await using agent = await start();
      await agent.event("queue.failed");
      const { queue } = (await ask(site, "status")).answer;
      assert.partialDeepStrictEqual(queue, { durable: false });
      await agent.stop();
    }
    assert.deepEqual(readFileSync(path), newer, "not touched");
  });
});

/** The same file, as the next version would write it. */
async function newerThan(bytes: Buffer): Promise<Buffer> {
  const { sealLap } = await import("#src/queue/log-format.ts");
  const snapshot = new TextEncoder().encode("{}");
  const lap = sealLap({ kind: "queue", version: 2 }, 9, new Uint8Array(16), snapshot);
  const newer = Buffer.alloc(bytes.length);
  newer.set(lap.bytes);
  return newer;
}
