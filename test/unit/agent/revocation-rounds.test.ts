import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RevocationRounds } from "#src/agent/revocation-rounds.ts";
import { refuse } from "#src/identity/revocation/refusal.ts";
import { AttemptBudget } from "#src/queue/attempt-budget.ts";
import type { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import { QueueWorker } from "#src/queue/queue-worker.ts";
import type { FetchFailure } from "#src/transport/http-fetch.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";
import { openQueue } from "../../fakes/rotation-queue.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const URL = "http://ca.example/site.crl";

/** One list by URL and a staple, as far as rounds see them. */
class Sources {
  readonly clock: FakeClock;
  /** Of a list. Ms. */
  period = HOUR;
  dueAt = 0;
  asked = 0;
  failure: (FetchFailure & { readonly words: string }) | undefined;
  stapleDueAt = Number.POSITIVE_INFINITY;
  stapleAsked = 0;
  stapleFault: string | undefined;
  readonly trace: string[] = [];

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  /** What `CrlSources.askedBefore` does with the list that was kept. */
  recall(agoMs: number | undefined): void {
    this.dueAt = 0;
    if (agoMs !== undefined && agoMs < this.period)
      this.dueAt = this.clock.monotonicMs() + this.period - agoMs;
  }

  readonly lists = {
    urlsDueInMs: (): number => Math.max(0, this.dueAt - this.clock.monotonicMs()),
    askDue: async () => {
      if (this.dueAt > this.clock.monotonicMs()) return { asked: 0, failures: [] };
      this.asked += 1;
      this.trace.push("lists");
      const { failure } = this;
      if (failure === undefined) this.dueAt = this.clock.monotonicMs() + this.period;
      if (failure === undefined) return { asked: 1, failures: [] };
      const error = Object.assign(refuse("fetch", failure.words), failure);
      return { asked: 1, failures: [{ source: URL, error, restMs: failure.retryAfterMs ?? 0 }] };
    },
  };

  readonly staple = {
    dueInMs: (): number | undefined =>
      this.stapleDueAt === Number.POSITIVE_INFINITY
        ? undefined
        : Math.max(0, this.stapleDueAt - this.clock.monotonicMs()),
    ask: async (): Promise<string | undefined> => {
      this.stapleAsked += 1;
      this.trace.push("staple");
      if (this.stapleFault === undefined) this.stapleDueAt = this.clock.monotonicMs() + DAY;
      return this.stapleFault;
    },
  };
}

interface Running extends AsyncDisposable {
  readonly rounds: RevocationRounds;
  readonly queue: DurableIntentQueue | undefined;
  readonly budget: AttemptBudget;
  readonly worker: QueueWorker | undefined;
  readonly log: RecordingLog;
}

/** An agent as far as this goes. Disposing it is its orderly end, and the disk stays. */
async function run(sources: Sources, disk: PowerDisk | undefined, seed = 1): Promise<Running> {
  const { clock } = sources;
  const log = new RecordingLog();
  const random = new FakeRandom(seed);
  const opened = disk === undefined ? undefined : await openQueue(disk, { clock }, seed);
  const queue = opened?.queue;
  const saved = queue?.savedAttempts;
  const budget = new AttemptBudget({ clock, random, device: "d", sinceBootMs: HOUR, saved });
  queue?.keepAttempts(() => budget.save());
  const { lists, staple } = sources;
  const rounds = new RevocationRounds({ lists, staple, budget, queue, clock, random, log });
  sources.recall(rounds.askedAgoMs());
  rounds.start();
  const handlers = { revocation: rounds.handler };
  const worker =
    queue === undefined
      ? undefined
      : new QueueWorker({ queue, budget, handlers, clock, log: new RecordingLog() });
  worker?.start();
  await clock.advance(0);
  return {
    ...{ rounds, queue, budget, worker, log },
    async [Symbol.asyncDispose]() {
      await worker?.[Symbol.asyncDispose]();
      await rounds[Symbol.asyncDispose]();
      await queue?.[Symbol.asyncDispose]();
    },
  };
}

const states = (queue: DurableIntentQueue | undefined): string =>
  (queue?.list() ?? []).map(({ id, state, attempts }) => `${id} ${state} ${attempts}`).join("; ");

suite("rounds of fetching revocation data", () => {
  test("one intent each, numbered on; a day of them costs so many bytes", async () => {
    const sources = new Sources(new FakeClock());
    await using device = await run(sources, new PowerDisk());
    assert.equal(states(device.queue), "revocation-1 done 1");
    await sources.clock.advance(HOUR);
    assert.equal(states(device.queue), "revocation-2 done 1");
    const before = device.queue?.wear;
    await sources.clock.advance(DAY);
    const wear = device.queue?.wear;
    assert.equal(sources.asked, 26);
    const operations = (wear?.operations ?? 0) - (before?.operations ?? 0);
    assert.equal(operations, 24 * 3, "added, begun, done");
    const bytes = (wear?.bytesWritten ?? 0) - (before?.bytesWritten ?? 0);
    assert.ok(bytes > 0 && bytes <= 350_000, `${bytes} bytes a day, as docs/queue.md says`);
  });

  test("a device that is switched on and off does not ask anew each time", async () => {
    const sources = new Sources(new FakeClock());
    const disk = new PowerDisk();
    for (let starts = 1; starts <= 50; starts++) {
      await using _ = await run(sources, disk, starts);
      await sources.clock.advance(MINUTE);
    }
    assert.equal(sources.asked, 1, "fifty starts within an hour, one question");
    await using _ = await run(sources, disk, 51);
    await sources.clock.advance(11 * MINUTE);
    assert.equal(sources.asked, 2, "and the next one when its hour is over");
  });

  test("nor with a server that is dead: pauses outlive restarts", async () => {
    const sources = new Sources(new FakeClock());
    sources.failure = { words: "refused the connection" };
    const disk = new PowerDisk();
    for (let starts = 1; starts <= 200; starts++) {
      await using device = await run(sources, disk, starts);
      await sources.clock.advance(MINUTE);
      assert.match(states(device.queue), /^revocation-1 (waiting|running) \d+$/);
    }
    assert.ok(sources.asked > 5 && sources.asked < 45, `${sources.asked} questions in 200 starts`);
    await using device = await run(sources, disk, 201);
    const [open] = device.queue?.list() ?? [];
    assert.equal(
      open?.lastError,
      "ERR_REVOCATION_SOURCE: http://ca.example/site.crl: refused the connection",
    );
    assert.equal(open?.attempts, sources.asked);
  });

  test("a server that is dead for 30 days: bounded, and taken up again soon after it is back", async () => {
    const sources = new Sources(new FakeClock());
    const disk = new PowerDisk();
    await using device = await run(sources, disk);
    sources.failure = { words: "dead" };
    const before = device.queue?.wear.bytesWritten ?? 0;
    await sources.clock.advance(30 * DAY);
    const perDay = sources.asked / 30;
    assert.ok(perDay > 24 && perDay < 110, `${perDay} questions a day`);
    const bytes = ((device.queue?.wear.bytesWritten ?? 0) - before) / 30;
    assert.ok(bytes < 1_000_000, `${bytes} bytes a day, as docs/queue.md says`);
    const asked = sources.asked;
    sources.failure = undefined;
    await sources.clock.advance(61 * MINUTE);
    assert.ok(sources.asked > asked, "within two caps");
    assert.match(states(device.queue), /^revocation-\d+ done/);
  });

  test("rounds within minutes leave no trace, unless they fail", async () => {
    const sources = new Sources(new FakeClock());
    sources.period = 10_000;
    await using device = await run(sources, new PowerDisk());
    const before = device.queue?.wear.operations ?? 0;
    await sources.clock.advance(9 * MINUTE);
    assert.ok(sources.asked > 50, `${sources.asked} asked`);
    assert.equal(device.queue?.wear.operations, before);
    await sources.clock.advance(DAY - 9 * MINUTE);
    const operations = (device.queue?.wear.operations ?? 0) - before;
    assert.ok(operations <= 144 * 3, `${operations} operations a day`);
    sources.failure = { words: "gone" };
    await sources.clock.advance(5 * MINUTE);
    assert.match(states(device.queue), /revocation-\d+ waiting [1-9]/, "a failure is written down");
  });

  test("without a store the same pauses are kept in memory", async () => {
    const sources = new Sources(new FakeClock());
    sources.failure = { words: "503", answered: true };
    await using device = await run(sources, undefined);
    await sources.clock.advance(DAY);
    assert.ok(sources.asked > 24 && sources.asked < 130, `${sources.asked} questions a day`);
    const { asked } = sources;
    sources.failure = undefined;
    device.rounds.due(true);
    await sources.clock.advance(0);
    assert.equal(sources.asked, asked + 1, "a reload does not wait for the pause");
    await sources.clock.advance(HOUR - 1);
    assert.equal(sources.asked, asked + 1);
    await sources.clock.advance(1);
    assert.equal(sources.asked, asked + 2);
  });

  test("a reload asks at once, also in a pause of the queue", async () => {
    const sources = new Sources(new FakeClock());
    sources.failure = { words: "busy", answered: true, retryAfterMs: 20 * MINUTE };
    await using device = await run(sources, new PowerDisk());
    assert.equal(sources.asked, 1);
    await sources.clock.advance(20 * MINUTE - 1);
    assert.equal(sources.asked, 1, "Retry-After is honoured");
    sources.failure = undefined;
    device.rounds.due(true);
    await sources.clock.advance(0);
    assert.equal(sources.asked, 2);
    assert.match(states(device.queue), /^revocation-1 done/);
  });

  test("somebody who answers, and be it badly, holds up no other work; a dead network does", async () => {
    for (const [failure, waits, why] of [
      [{ words: "503", answered: true }, false, "there is a network"],
      [{ words: "refused" }, true, "nobody answers"],
    ] as const) {
      const sources = new Sources(new FakeClock());
      sources.failure = failure;
      await using device = await run(sources, new PowerDisk());
      await sources.clock.advance(HOUR);
      const { budget } = device;
      assert.equal(budget.save().other.failures > 0, waits, why);
      assert.equal(budget.waitMs("renewal"), 0, "renewal never waits for a list");
    }
  });

  test("the staple comes after the lists, and a restart does not ask for these again", async () => {
    const sources = new Sources(new FakeClock());
    sources.stapleDueAt = 0;
    sources.stapleFault = "no answer";
    const disk = new PowerDisk();
    {
      await using device = await run(sources, disk);
      assert.deepEqual(sources.trace, ["lists", "staple"]);
      assert.equal(device.queue?.list()[0]?.step, "staple");
    }
    sources.stapleFault = undefined;
    await using device = await run(sources, disk, 2);
    await sources.clock.advance(HOUR - MINUTE);
    assert.deepEqual(sources.trace, ["lists", "staple", "staple"]);
    assert.equal(states(device.queue), "revocation-1 done 2");
  });

  test("a disk that fails costs the memory of a restart, not the round", async () => {
    const sources = new Sources(new FakeClock());
    const disk = new PowerDisk();
    await using device = await run(sources, disk);
    disk.readOnly = true;
    await sources.clock.advance(3 * HOUR);
    assert.equal(sources.asked, 4);
    assert.equal(device.queue?.health.durable, false);
  });

  test("a bug in a round that no queue knows of is in the log, and the next round is made", async () => {
    const sources = new Sources(new FakeClock());
    const { askDue } = sources.lists;
    sources.lists.askDue = async () => {
      throw new TypeError("no list");
    };
    await using device = await run(sources, undefined);
    const [told] = device.log.of("queue.handler.failed");
    assert.match(String(told?.["stack"]), /^TypeError: no list\n.*revocation-rounds\.test/s);
    sources.lists.askDue = askDue;
    await sources.clock.advance(HOUR);
    assert.equal(sources.asked, 1);
  });

  test("a number is given once in a run, also when its intent was dropped", async () => {
    const sources = new Sources(new FakeClock());
    await using device = await run(sources, new PowerDisk());
    await sources.clock.advance(HOUR);
    await device.queue?.drop("revocation-2");
    await sources.clock.advance(HOUR);
    assert.equal(states(device.queue), "revocation-3 done 1");
  });

  test("when the network is back, what waits in a pause is tried at once", async () => {
    const sources = new Sources(new FakeClock());
    sources.failure = { words: "dead" };
    await using device = await run(sources, new PowerDisk());
    await sources.clock.advance(DAY);
    const { asked } = sources;
    sources.failure = undefined;
    device.worker?.networkIsBack();
    await sources.clock.advance(0);
    assert.equal(sources.asked, asked + 1);
    assert.match(states(device.queue), /^revocation-1 done/);
  });
});
