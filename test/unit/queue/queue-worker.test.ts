import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { AttemptBudget } from "#src/queue/attempt-budget.ts";
import type { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import type { IntentHandlers, IntentSteps } from "#src/queue/handlers.ts";
import type { Intent } from "#src/queue/intent.ts";
import { FIRST_STEP, QueueWorker } from "#src/queue/queue-worker.ts";
import { MAX_WAIT_MS } from "#src/queue/saved-attempts.ts";
import { type FakeClock, settle } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";
import type { RecordingLog } from "../../fakes/recording-log.ts";
import { openQueue } from "../../fakes/rotation-queue.ts";

const MINUTE = 60_000;
const BUSY = new AgentError("ERR_RPC_OVERLOADED", "the CA is busy");

interface Rig extends AsyncDisposable {
  readonly queue: DurableIntentQueue;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly budget: AttemptBudget;
  readonly worker: QueueWorker;
  readonly disk: PowerDisk;
}

async function rigOf(
  handlers: IntentHandlers,
  { disk = new PowerDisk(), attemptMs = 10 * MINUTE } = {},
): Promise<Rig> {
  const { queue, clock, log } = await openQueue(disk);
  const random = new FakeRandom();
  const budget = new AttemptBudget({ clock, random, device: "d", sinceBootMs: MINUTE });
  const worker = new QueueWorker({ queue, budget, handlers, clock, log, attemptMs });
  const stop = (): Promise<void> => worker[Symbol.asyncDispose]();
  return { queue, clock, log, budget, worker, disk, [Symbol.asyncDispose]: stop };
}

/** A handler that waits to be told how it ends. */
function held(): {
  readonly handler: (intent: Intent, steps: IntentSteps, signal: AbortSignal) => Promise<void>;
  readonly calls: {
    readonly intent: Intent;
    readonly steps: IntentSteps;
    readonly signal: AbortSignal;
  }[];
  end(error?: unknown): void;
} {
  const calls: { intent: Intent; steps: IntentSteps; signal: AbortSignal }[] = [];
  const waiting: PromiseWithResolvers<void>[] = [];
  return {
    calls,
    handler: (intent, steps, signal) => {
      calls.push({ intent, steps, signal });
      const ending = Promise.withResolvers<void>();
      waiting.push(ending);
      signal.addEventListener("abort", () => ending.reject(signal.reason));
      return ending.promise;
    },
    end: (error) => {
      const ending = waiting.shift();
      if (error === undefined) ending?.resolve();
      else ending?.reject(error);
    },
  };
}

suite("the worker", () => {
  test("carries out what is due, each step written down before the handler goes on", async () => {
    const seen: string[] = [];
    await using rig = await rigOf({
      renew: async (intent, steps) => {
        seen.push(`begun at ${intent.step}, written: ${rig.queue.find(intent.id)?.step}`);
        const writes = rig.disk.steps.length;
        await steps.advance("request");
        seen.push(
          `then ${rig.queue.find(intent.id)?.step}, ${rig.disk.steps.length - writes} steps`,
        );
      },
    });
    rig.worker.start();
    await rig.queue.add({ kind: "renew", generation: 7 });
    await settle();
    assert.deepEqual(seen, [
      `begun at ${FIRST_STEP}, written: ${FIRST_STEP}`,
      "then request, 2 steps",
    ]);
    assert.equal(rig.queue.find("renew-7")?.state, "done");
    assert.deepEqual(rig.worker.counters, { attempts: 1, succeeded: 1, failed: 0 });
    assert.equal(rig.clock.timers, 0, "and an empty queue costs nothing");
  });

  test("tries again when the pause is over, from the step that it came to", async () => {
    const steps: (string | undefined)[] = [];
    await using rig = await rigOf({
      renew: async (intent, { advance }) => {
        steps.push(intent.step);
        if (steps.length === 1) await advance("request");
        if (steps.length < 3)
          throw Object.assign(new AgentError("ERR_RPC_OVERLOADED", "busy"), {
            retryAfterMs: 5 * MINUTE,
          });
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await settle();
    assert.equal(rig.queue.find("renew-7")?.lastError, "ERR_RPC_OVERLOADED: busy");
    await rig.clock.advance(5 * MINUTE - 1);
    assert.equal(steps.length, 1);
    await rig.clock.advance(MINUTE);
    assert.equal(steps.length, 2);
    await rig.clock.advance(7 * MINUTE);
    assert.deepEqual(steps, [FIRST_STEP, "request", "request"]);
    assert.equal(rig.queue.find("renew-7")?.state, "done");
  });

  test("a bug in a handler is an attempt that failed, and its place is in the log without secrets", async () => {
    await using rig = await rigOf({
      renew: async () => {
        throw new TypeError("no such thing as Bearer 0123456789abcdef");
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await settle();
    assert.equal(rig.queue.find("renew-7")?.state, "waiting");
    const [told] = rig.log.of("queue.handler.failed");
    assert.equal(told?.["id"], "renew-7");
    assert.match(
      String(told?.["stack"]),
      /^TypeError: .* Bearer \[left out\]\n.*queue-worker\.test/s,
    );
  });

  test("gives up what its handler calls permanent", async () => {
    let calls = 0;
    await using rig = await rigOf({
      renew: async () => {
        calls += 1;
        throw Object.assign(new AgentError("ERR_RPC_OVERLOADED", "revoked"), { permanent: true });
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await rig.clock.advance(24 * 60 * MINUTE);
    assert.equal(calls, 1);
    assert.equal(rig.queue.find("renew-7")?.state, "failed");
    await rig.queue.retry("renew-7");
    await settle();
    assert.equal(calls, 2);
  });

  test("one at a time of a kind, kinds beside each other", async () => {
    const report = held();
    const renew = held();
    await using rig = await rigOf({ report: report.handler, renew: renew.handler });
    rig.worker.start();
    await rig.queue.add({ kind: "report", generation: 1 });
    await rig.queue.add({ kind: "report", generation: 2 });
    await rig.queue.add({ kind: "renew", generation: 7 });
    await settle();
    assert.deepEqual([report.calls.length, renew.calls.length], [1, 1]);
    report.end();
    await settle();
    assert.equal(report.calls.length, 2);
    assert.equal(report.calls[1]?.intent.id, "report-2");
  });

  test("leaves alone what nobody handles", async () => {
    await using rig = await rigOf({});
    rig.worker.start();
    await rig.queue.add({ kind: "report", generation: 1 });
    await rig.clock.advance(60 * MINUTE);
    assert.equal(rig.queue.find("report-1")?.state, "waiting");
    assert.equal(rig.clock.timers, 0);
  });

  test("a person who retries does not wait for the back-off", async () => {
    let calls = 0;
    await using rig = await rigOf({
      renew: async () => {
        calls += 1;
        throw Object.assign(BUSY, { retryAfterMs: 29 * MINUTE });
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await rig.clock.advance(MINUTE);
    assert.equal(calls, 1);
    await rig.queue.retry("renew-7");
    await settle();
    assert.equal(calls, 2);
  });

  test("a newer generation stops the one that runs, and nobody has failed", async () => {
    const install = held();
    await using rig = await rigOf({ install: install.handler });
    rig.worker.start();
    await rig.queue.add({ kind: "install", generation: 7 });
    await settle();
    await rig.queue.add({ kind: "install", generation: 8 });
    await settle();
    assert.equal(install.calls[0]?.signal.aborted, true);
    await assert.rejects(async () => install.calls[0]?.steps.advance("commit"), {
      code: "ERR_QUEUE_SEQUENCE",
    });
    assert.equal(rig.queue.find("install-7")?.state, "superseded");
    assert.equal(install.calls[1]?.intent.id, "install-8");
    assert.equal(rig.budget.waitMs("renewal"), 0);
  });

  test("what is too early is held without a write, however long, until its time or a person comes", async () => {
    let early = true;
    const seen: string[] = [];
    const handle = async ({ id }: Intent): Promise<void> => void seen.push(id);
    await using rig = await rigOf({ install: Object.assign(handle, { holds: () => early }) });
    rig.worker.start();
    await rig.queue.add({ kind: "install", generation: 7 });
    const writes = rig.disk.steps.length;
    await rig.clock.advance(300 * MINUTE);
    assert.deepEqual([seen, rig.disk.steps.length], [[], writes]);
    early = false;
    await rig.clock.advance(MINUTE);
    assert.deepEqual(seen, ["install-7"]);
    early = true;
    await rig.queue.add({ kind: "install", generation: 8 });
    await rig.queue.retry("install-8");
    await settle();
    assert.deepEqual(seen, ["install-7", "install-8"]);
  });

  test("what is done on the device itself waits for no authority that is down, and holds none up", async () => {
    const seen: string[] = [];
    const fails = async ({ id }: Intent): Promise<void> => {
      seen.push(id);
      throw BUSY;
    };
    await using rig = await rigOf({ renew: fails, install: fails });
    for (let taken = 0; rig.budget.take("renewal") !== undefined; taken++) assert.ok(taken < 100);
    rig.worker.start();
    await rig.queue.add({ kind: "renew", generation: 2 });
    await rig.queue.add({ kind: "install", generation: 7 });
    await settle();
    assert.deepEqual(seen, ["install-7"]);
    assert.ok(rig.budget.waitMs("renewal") <= 2000, "a token, and no back-off");
  });

  test("a failure that is its own holds no other work up, and ends nobody's back-off", async () => {
    const why = Object.assign(new AgentError("ERR_RPC_CONNECT", "nobody"), { apart: true });
    await using rig = await rigOf({
      report: async () => {
        throw why;
      },
    });
    rig.worker.start();
    for (let number = 1; number <= 5; number++) {
      await rig.queue.add({ kind: "report", generation: number });
      await settle();
    }
    assert.equal(rig.worker.counters.failed, 5);
    assert.equal(rig.budget.waitMs("other"), 0);
    assert.equal(rig.budget.save().other.failures, 0);
    const [first] = rig.queue.list();
    assert.ok((first?.nextAttemptAt ?? 0) > rig.clock.now(), "it has a pause of its own");
  });

  test("a drop stops the attempt", async () => {
    const install = held();
    await using rig = await rigOf({ install: install.handler });
    rig.worker.start();
    await rig.queue.add({ kind: "install", generation: 7 });
    await settle();
    await rig.queue.drop("install-7");
    await settle();
    assert.equal(install.calls[0]?.signal.aborted, true);
    assert.deepEqual(rig.queue.list(), []);
    assert.equal(rig.clock.timers, 0);
  });

  test("an attempt that hangs is told to stop, and counts as failed", async () => {
    const renew = held();
    await using rig = await rigOf({ renew: renew.handler }, { attemptMs: MINUTE });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await settle();
    await rig.clock.advance(MINUTE);
    assert.match(rig.queue.find("renew-7")?.lastError ?? "", /^ERR_QUEUE_ATTEMPT_TIMEOUT/);
    await rig.clock.advance(MINUTE);
    assert.equal(renew.calls.length, 2);
  });

  test("stops: what runs is told so, nothing is written of it, and the next start resumes it", async () => {
    const disk = new PowerDisk();
    const renew = held();
    const rig = await rigOf({ renew: renew.handler }, { disk });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await settle();
    await renew.calls[0]?.steps.advance("request");
    const writes = disk.steps.length;
    await rig[Symbol.asyncDispose]();
    assert.equal(renew.calls[0]?.signal.aborted, true);
    assert.equal(disk.steps.length, writes);
    await rig.queue[Symbol.asyncDispose]();
    const again = held();
    await using later = await rigOf({ renew: again.handler }, { disk });
    later.worker.start();
    await later.clock.advance(MINUTE);
    assert.equal(again.calls[0]?.intent.step, "request");
    assert.equal(again.calls[0]?.intent.attempts, 2);
  });

  test("interrupted after many attempts it waits its pause, unless somebody asks for it", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    for (let crash = 0; crash < 14; crash++) await queue.begin("renew-7", "request");
    await queue[Symbol.asyncDispose]();
    const renew = held();
    await using rig = await rigOf({ renew: renew.handler }, { disk });
    rig.worker.start();
    await rig.clock.advance(MINUTE);
    assert.equal(renew.calls.length, 0);
    await rig.queue.retry("renew-7");
    await settle();
    assert.equal(renew.calls.length, 1);
    await rig.queue.retry("renew-7");
    await settle();
    assert.equal(renew.calls.length, 1, "what is under way is not begun a second time");
  });

  test("a handler that does not stop holds nobody up for ever", async () => {
    const rig = await rigOf({ renew: () => new Promise<never>(() => undefined) });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await settle();
    let stopped = false;
    const stopping = rig[Symbol.asyncDispose]().then(() => {
      stopped = true;
    });
    await rig.clock.advance(9_999);
    assert.equal(stopped, false);
    await rig.clock.advance(1);
    await stopping;
  });

  test("a clock that jumps ten years back is noticed within a minute: the attempt is made", async () => {
    let calls = 0;
    await using rig = await rigOf({
      report: async () => {
        calls += 1;
        throw Object.assign(BUSY, { retryAfterMs: undefined });
      },
    });
    await rig.queue.add({ kind: "report", generation: 1 });
    rig.worker.start();
    while (rig.queue.find("report-1")?.attempts !== 12) await rig.clock.advance(MINUTE);
    const before = calls;
    rig.clock.jump(-10 * 365 * 86_400_000);
    // The pause of the budget goes by another clock, and goes on.
    await rig.clock.advance(rig.budget.waitMs("other") + MINUTE);
    assert.ok(calls > before);
  });

  test("a CA that is down for a fortnight is asked a bounded number of times a day", async () => {
    const days: number[] = [];
    let calls = 0;
    await using rig = await rigOf({
      renew: async () => {
        calls += 1;
        throw Object.assign(BUSY, { retryAfterMs: undefined });
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    for (let day = 0; day < 14; day++) {
      const before = calls;
      for (let minute = 0; minute < 24 * 60; minute += 10) await rig.clock.advance(10 * MINUTE);
      days.push(calls - before);
    }
    // Two draws, the longer counts: 20 minutes between two attempts on average.
    for (const day of days.slice(1)) assert.ok(day >= 48 && day <= 110, `${day} attempts`);
  });

  test("comes back within half an hour of the network, after any outage", async () => {
    let up = false;
    await using rig = await rigOf({
      renew: async () => {
        if (!up) throw Object.assign(BUSY, { retryAfterMs: 86_400_000 });
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await rig.clock.advance(3 * 86_400_000);
    up = true;
    await rig.clock.advance(MAX_WAIT_MS + MINUTE);
    assert.equal(rig.queue.find("renew-7")?.state, "done");
  });
});

suite("the worker on a disk that fails", () => {
  test("what was done is not done again while the process lives, and is written when the disk is back", async () => {
    let calls = 0;
    await using rig = await rigOf({
      renew: async () => {
        calls += 1;
        rig.disk.fault = { step: rig.disk.steps.length + 1, what: "EIO", lasting: 30 };
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.worker.start();
    await settle();
    assert.equal(rig.queue.find("renew-7")?.state, "done");
    assert.equal(rig.queue.health.durable, false);
    assert.equal(rig.log.of("queue.outcome.unwritten").length, 1);
    assert.equal(rig.log.of("queue.failed").length, 1);
    for (let minute = 0; !rig.queue.health.durable; minute++) {
      assert.ok(minute < 60, "the disk is tried again every minute");
      await rig.clock.advance(MINUTE);
    }
    assert.equal(rig.log.of("queue.recovered").length, 1);
    await rig.queue[Symbol.asyncDispose]();
    assert.equal((await openQueue(rig.disk)).queue.find("renew-7")?.state, "done");
    assert.equal(calls, 1);
  });

  test("an attempt whose beginning can't be written is not made, and is made a little later", async () => {
    let calls = 0;
    await using rig = await rigOf({
      renew: async () => {
        calls += 1;
      },
    });
    await rig.queue.add({ kind: "renew", generation: 7 });
    rig.disk.fault = { step: rig.disk.steps.length + 1, what: "ENOSPC", lasting: 1 };
    rig.worker.start();
    await settle();
    assert.equal(calls, 0);
    await rig.clock.advance(2 * MINUTE);
    assert.equal(calls, 1);
    assert.equal(rig.queue.find("renew-7")?.state, "done");
  });

  const WAITS: readonly {
    readonly why: string;
    readonly before: (rig: Rig) => Promise<unknown>;
    readonly hold: { readonly by: string; readonly forMs: number | undefined } | undefined;
  }[] = [
    { why: "nothing", before: async () => undefined, hold: undefined },
    {
      why: "other attempts have failed",
      before: async ({ budget }) => budget.take("renewal")?.failed(5 * MINUTE),
      hold: { by: "back-off", forMs: 5 * MINUTE },
    },
    {
      why: "no tokens",
      before: async ({ budget }) => {
        while (budget.take("renewal") !== undefined);
      },
      hold: { by: "tokens", forMs: 2_000 },
    },
  ];
  for (const { why, before, hold } of WAITS) {
    test(`says what holds an intent back that is due: ${why}`, async () => {
      await using rig = await rigOf({ renew: held().handler });
      const intent = await rig.queue.add({ kind: "renew", generation: 7 });
      await before(rig);
      assert.deepEqual(rig.worker.hold(intent), hold);
    });
  }

  test("says that another of its kind is under way, that its handler waits, and that it has none", async () => {
    const hold = { by: "refused", forMs: 90_000 } as const;
    const renew = Object.assign(held().handler, { holds: () => hold });
    await using rig = await rigOf({ report: held().handler, renew });
    rig.worker.start();
    await rig.queue.add({ kind: "report", generation: 1 });
    const report = await rig.queue.add({ kind: "report", generation: 2 });
    await settle();
    assert.equal(rig.worker.hold(report)?.by, "another");
    const trust = await rig.queue.add({ kind: "trust", generation: 1 });
    assert.equal(rig.worker.hold(trust)?.by, "no-handler");
    const renewal = await rig.queue.add({ kind: "renew", generation: 7 });
    await settle();
    assert.equal(rig.queue.find("renew-7")?.state, "waiting");
    assert.deepEqual(rig.worker.hold(renewal), hold);
    // who asks is not held up
    await rig.queue.retry("renew-7");
    await settle();
    assert.equal(rig.queue.find("renew-7")?.state, "running");
  });
});
