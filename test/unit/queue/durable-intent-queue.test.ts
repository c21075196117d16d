import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { INTENT_KINDS, objectNamed } from "#src/queue/intent.ts";
import { QUEUE_LIMITS } from "#src/queue/intent-plan.ts";
import type { IntentChange, IntentQueue } from "#src/queue/intent-queue.ts";
import { sealLap } from "#src/queue/log-format.ts";
import { encodeSnapshot } from "#src/queue/queue-state.ts";
import { MAX_WAIT_MS } from "#src/queue/saved-attempts.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";
import { contentsOf, EPOCH, openQueue, QUEUE_PATH } from "../../fakes/rotation-queue.ts";

const BUSY = new AgentError("ERR_RPC_OVERLOADED", "the CA is busy");
const idsOf = (queue: IntentQueue): readonly string[] => queue.list().map(({ id }) => id);

suite("adding", () => {
  test("the same again is the one that is there, and costs no write", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    const first = await queue.add({ kind: "renew", generation: 7 });
    await queue.begin("renew-7", "request");
    const steps = disk.steps.length;
    const again = await queue.add({
      kind: "renew",
      generation: 7,
      object: objectNamed("key", "other"),
    });
    assert.deepEqual(again, { ...first, ...queue.find("renew-7") });
    assert.equal(again.attempts, 1);
    assert.equal(disk.steps.length, steps);
  });

  test("what was done is not done again, not even after a restart", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "install", generation: 7 });
    await queue.begin("install-7", "stage");
    await queue.finish("install-7");
    await queue[Symbol.asyncDispose]();
    const { queue: later } = await openQueue(disk);
    assert.equal((await later.add({ kind: "install", generation: 7 })).state, "done");
    assert.deepEqual(later.due(Number.MAX_SAFE_INTEGER), []);
  });

  test("the newest generation wins, one that runs gives way as well", async () => {
    const { queue, log } = await openQueue(new PowerDisk());
    await queue.add({ kind: "install", generation: 7 });
    await queue.begin("install-7", "stage");
    await queue.add({ kind: "install", generation: 9 });
    assert.equal(queue.find("install-7")?.state, "superseded");
    assert.equal((await queue.add({ kind: "install", generation: 8 })).state, "superseded");
    assert.deepEqual(idsOf(queue), ["install-7", "install-9"]);
    await assert.rejects(queue.advance("install-7", "commit"), { code: "ERR_QUEUE_SEQUENCE" });
    await assert.rejects(queue.finish("install-7"), { code: "ERR_QUEUE_SEQUENCE" });
    assert.deepEqual(log.of("queue.intent.superseded"), [{ id: "install-7", by: "install-9" }]);
  });

  test("one kind does not supersede another", async () => {
    const { queue } = await openQueue(new PowerDisk());
    for (const kind of INTENT_KINDS) await queue.add({ kind, generation: 3 });
    assert.equal(queue.due(Number.MAX_SAFE_INTEGER).length, INTENT_KINDS.length);
  });

  test("reports don't supersede each other", async () => {
    const { queue } = await openQueue(new PowerDisk());
    await queue.add({ kind: "report", generation: 1 });
    await queue.add({ kind: "report", generation: 2 });
    assert.deepEqual(idsOf(queue), ["report-1", "report-2"]);
  });

  for (const generation of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
    test(`generation ${generation} is none`, async () => {
      const { queue } = await openQueue(new PowerDisk());
      const adding = queue.add({ kind: "renew", generation });
      await assert.rejects(adding, { code: "ERR_QUEUE_CONTENT" });
    });
  }

  test("a name that did not come from objectNamed is refused", async () => {
    const { queue } = await openQueue(new PowerDisk());
    const object = "-----BEGIN PRIVATE KEY-----" as ReturnType<typeof objectNamed>;
    const adding = queue.add({ kind: "renew", generation: 1, object });
    await assert.rejects(adding, { code: "ERR_QUEUE_CONTENT" });
    await queue.add({ kind: "renew", generation: 1 });
    await queue.begin("renew-1", "request");
    const advancing = queue.advance("renew-1", "install", object);
    await assert.rejects(advancing, { code: "ERR_QUEUE_CONTENT" });
    assert.equal(queue.find("renew-1")?.step, "request");
  });
});

suite("a full queue", () => {
  test("the oldest report gives way to a newer one, and it is said", async () => {
    const { queue, log } = await openQueue(new PowerDisk());
    const room = QUEUE_LIMITS.maxIntents - QUEUE_LIMITS.reserved;
    for (let generation = 1; generation <= room; generation++) {
      await queue.add({ kind: "report", generation });
    }
    assert.deepEqual(log.of("queue.report.displaced"), []);
    await queue.add({ kind: "report", generation: room + 1 });
    assert.deepEqual(log.of("queue.report.displaced"), [
      { id: "report-1", by: `report-${room + 1}` },
    ]);
    assert.equal(queue.list().length, room);
    assert.equal(queue.find("report-1"), undefined);
  });

  test("what the identity hangs on always has its place", async () => {
    const { queue, log } = await openQueue(new PowerDisk());
    for (let generation = 1; generation <= 80; generation++) {
      await queue.add({ kind: "report", generation });
    }
    const before = log.of("queue.report.displaced").length;
    for (const kind of ["renew", "re-key", "install"] as const) {
      await queue.add({ kind, generation: 1 });
    }
    assert.equal(log.of("queue.report.displaced").length, before, "without anything giving way");
  });

  test("renewal, re-key and installation never give way; without a report, others are refused", async () => {
    const limits = { maxIntents: 4, reserved: 3 };
    const { queue, log } = await openQueue(new PowerDisk(), { limits });
    for (const kind of ["renew", "re-key", "install", "trust"] as const) {
      await queue.add({ kind, generation: 1 });
    }
    const before = contentsOf(queue);
    const refused = queue.add({ kind: "revocation", generation: 1 });
    await assert.rejects(refused, { code: "ERR_QUEUE_FULL" });
    await assert.rejects(queue.add({ kind: "report", generation: 1 }), { code: "ERR_QUEUE_FULL" });
    assert.equal(contentsOf(queue), before);
    assert.equal(log.of("queue.full").length, 2);
    await queue.add({ kind: "trust", generation: 2 });
    await queue.add({ kind: "renew", generation: 2 });
    assert.equal(
      queue.find("renew-2")?.state,
      "waiting",
      "a newer one takes the older one's place",
    );
  });

  test("a report that is being sent does not give way", async () => {
    const limits = { maxIntents: 2, reserved: 0 };
    const { queue } = await openQueue(new PowerDisk(), { limits });
    await queue.add({ kind: "report", generation: 1 });
    await queue.add({ kind: "report", generation: 2 });
    await queue.begin("report-1", "send");
    await queue.add({ kind: "report", generation: 3 });
    assert.deepEqual(idsOf(queue), ["report-1", "report-3"]);
  });

  test("as large as it can be, it fits its file, with room for records", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    const long = new AgentError("ERR_RPC_OVERLOADED", "\u{10ffff} ".repeat(300));
    const object = objectNamed("note", "abcdefghijkl-abcdefghijkl-abcdefghijkl");
    for (let generation = 1e15; generation < 1e15 + 60; generation++) {
      const { id } = await queue.add({ kind: "report", generation, object });
      await queue.begin(id, "abcdefghijkl-abcdefghijk");
      await queue.fail(id, long);
    }
    for (const kind of INTENT_KINDS) await queue.add({ kind, generation: 2e15, object });
    await queue[Symbol.asyncDispose]();
    const { queue: later } = await openQueue(disk);
    const steps = disk.steps.length;
    for (let attempt = 0; attempt < 8; attempt++) await later.begin("renew-2000000000000000", "go");
    assert.deepEqual(later.health, { durable: true, fault: undefined, healed: [] });
    assert.equal(disk.steps.length - steps, 16, "a write and a sync each");
  });
});

suite("an attempt", () => {
  test("that fails waits, with the error that it had", async () => {
    const { queue, clock } = await openQueue(new PowerDisk());
    await queue.add({ kind: "renew", generation: 7 });
    assert.equal(queue.due(clock.now()).length, 1);
    await queue.begin("renew-7", "request");
    const failed = await queue.fail("renew-7", BUSY, 90_000);
    assert.equal(failed.state, "waiting");
    assert.equal(failed.lastError, "ERR_RPC_OVERLOADED: the CA is busy");
    assert.equal(failed.nextAttemptAt, clock.now() + 90_000);
    assert.equal(failed.step, "request", "how far it came");
    assert.deepEqual(queue.due(clock.now() + 89_999), []);
    assert.equal(queue.due(clock.now() + 90_000).length, 1);
  });

  test("Retry-After is honoured no longer than half an hour", async () => {
    const { queue, clock } = await openQueue(new PowerDisk());
    await queue.add({ kind: "renew", generation: 7 });
    await queue.begin("renew-7", "request");
    const failed = await queue.fail("renew-7", BUSY, 86_400_000);
    assert.equal(failed.nextAttemptAt, clock.now() + MAX_WAIT_MS);
  });

  test("that has begun waits after a crash as if it had failed", async () => {
    const disk = new PowerDisk();
    const { queue, clock } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    let longest = 0;
    for (let crash = 1; crash <= 40; crash++) {
      const { nextAttemptAt, attempts } = await queue.begin("renew-7", "request");
      assert.equal(attempts, crash);
      longest = Math.max(longest, nextAttemptAt - clock.now());
    }
    assert.ok(longest > 10 * 60_000 && longest <= MAX_WAIT_MS, `${longest} ms`);
  });

  test("that was given up is tried again when somebody says so, and not before", async () => {
    const { queue, clock } = await openQueue(new PowerDisk());
    await queue.add({ kind: "renew", generation: 7 });
    await queue.begin("renew-7", "request");
    await queue.giveUp("renew-7", BUSY);
    assert.deepEqual(queue.due(Number.MAX_SAFE_INTEGER), []);
    assert.equal((await queue.add({ kind: "renew", generation: 7 })).state, "failed");
    const again = await queue.retry("renew-7");
    assert.equal(again.state, "waiting");
    assert.equal(again.attempts, 0);
    assert.equal(again.lastError, "ERR_RPC_OVERLOADED: the CA is busy");
    assert.equal(queue.due(clock.now()).length, 1);
  });

  test("cannot go on before it has begun", async () => {
    const { queue } = await openQueue(new PowerDisk());
    await queue.add({ kind: "renew", generation: 7 });
    await assert.rejects(queue.advance("renew-7", "install"), { code: "ERR_QUEUE_SEQUENCE" });
  });

  test("of what is not there is an error that names it", async () => {
    const { queue } = await openQueue(new PowerDisk());
    for (const asking of [
      queue.begin("renew-7", "go"),
      queue.retry("renew-7"),
      queue.drop("renew-7"),
    ]) {
      await assert.rejects(asking, { code: "ERR_QUEUE_UNKNOWN", message: /renew-7/ });
    }
  });

  test("what has ended well is not tried again", async () => {
    const { queue } = await openQueue(new PowerDisk());
    await queue.add({ kind: "renew", generation: 7 });
    await queue.finish("renew-7");
    await assert.rejects(queue.retry("renew-7"), { code: "ERR_QUEUE_SEQUENCE", message: /done/ });
  });
});

suite("what is due", () => {
  test("comes with the identity's first", async () => {
    const { queue, clock } = await openQueue(new PowerDisk());
    for (const kind of ["report", "revocation", "trust", "install", "renew"] as const) {
      await queue.add({ kind, generation: 1 });
    }
    const kinds = queue.due(clock.now()).map(({ kind }) => kind);
    assert.deepEqual(kinds, ["install", "renew", "report", "revocation", "trust"]);
  });

  const YEAR = 365 * 86_400_000;
  for (const [name, jump] of [
    ["ten years back", -10 * YEAR],
    ["ten years on", 10 * YEAR],
    ["back to 1970", -Date.UTC(2026, 5, 1)],
    ["back by half an hour and a second", -MAX_WAIT_MS - 1000],
  ] as const) {
    test(`a clock that jumped ${name} parks nothing and loses nothing, over a restart as well`, async () => {
      const disk = new PowerDisk();
      const { queue, clock } = await openQueue(disk);
      for (const kind of ["renew", "report"] as const) {
        await queue.add({ kind, generation: 7 });
        await queue.begin(`${kind}-7`, "request");
        await queue.fail(`${kind}-7`, BUSY, 20 * 60_000);
      }
      assert.deepEqual(queue.due(clock.now()), []);
      clock.jump(jump);
      assert.equal(queue.due(clock.now()).length, 2);
      const before = contentsOf(queue);
      await queue[Symbol.asyncDispose]();
      const { queue: later } = await openQueue(disk, { clock });
      assert.equal(later.due(clock.now()).length, 2);
      assert.equal(contentsOf(later), before);
      // Under the wrong clock it works as under any other.
      await later.begin("renew-7", "request");
      const failed = await later.fail("renew-7", BUSY, 60_000);
      assert.equal(failed.nextAttemptAt, clock.now() + 60_000);
    });
  }

  test("a clock set back by less than that makes a pause longer, to half an hour at most", async () => {
    const { queue, clock } = await openQueue(new PowerDisk());
    await queue.add({ kind: "renew", generation: 7 });
    await queue.begin("renew-7", "request");
    await queue.fail("renew-7", BUSY, 10 * 60_000);
    clock.jump(-20 * 60_000);
    assert.deepEqual(queue.due(clock.now()), []);
    await clock.advance(MAX_WAIT_MS);
    assert.equal(queue.due(clock.now()).length, 1);
  });
});

suite("opening", () => {
  test("what belongs to another epoch of the store is taken out, and it is said", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    const { queue: later, log } = await openQueue(disk, { epoch: "f".repeat(32) });
    assert.deepEqual(later.list(), []);
    assert.equal(log.of("queue.discarded").length, 1);
    assert.match(later.health.healed.join(), /1 intents of an earlier epoch/);
    await later[Symbol.asyncDispose]();
    assert.deepEqual((await openQueue(disk)).queue.list(), [], "durably");
  });

  test("so is what another device has left on the card", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    const { queue: later } = await openQueue(disk, { device: "device-8" });
    assert.deepEqual(later.list(), []);
  });

  test("a device that has no name yet, or gets its first, keeps its intents", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk, { device: undefined });
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    const { queue: named } = await openQueue(disk, { device: "device-7" });
    assert.deepEqual(idsOf(named), ["renew-7"]);
    await named[Symbol.asyncDispose]();
    assert.deepEqual(idsOf((await openQueue(disk, { device: undefined })).queue), ["renew-7"]);
  });

  test("a queue of a newer version is refused, and not touched", async () => {
    const disk = new PowerDisk(["/state", "/state/queue"]);
    const state = { device: undefined, epoch: EPOCH, intents: new Map(), attempts: undefined };
    const format = { kind: "queue", version: 2 };
    const newer = new Uint8Array(256 * 1024);
    newer.set(sealLap(format, 9, new Uint8Array(16), encodeSnapshot(state)).bytes, 128 * 1024);
    disk.plant(QUEUE_PATH, newer);
    await assert.rejects(openQueue(disk), { code: "ERR_QUEUE_FORMAT", message: /format 2/ });
    assert.deepEqual(disk.bytesOf(QUEUE_PATH), newer);
  });

  for (const [name, bytes] of [
    ["empty", new Uint8Array(0)],
    ["all zero", new Uint8Array(256 * 1024)],
    ["garbage", new Uint8Array(256 * 1024).fill(0x41)],
    ["far too long", new Uint8Array(2 * 1024 * 1024)],
  ] as const) {
    test(`a file that is ${name} is begun anew, and it is said`, async () => {
      const disk = new PowerDisk(["/state", "/state/queue"]);
      disk.plant(QUEUE_PATH, bytes);
      const { queue, log } = await openQueue(disk);
      assert.equal(log.of("queue.healed").length, 1);
      await queue.add({ kind: "renew", generation: 7 });
      await queue[Symbol.asyncDispose]();
      const { queue: later } = await openQueue(disk);
      assert.deepEqual(idsOf(later), ["renew-7"]);
      assert.deepEqual(later.health.healed, []);
    });
  }

  test("a queue of another size is read, and goes on in this one's", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk, { logBytes: 64 * 1024 });
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    const { queue: later } = await openQueue(disk);
    await later.begin("renew-7", "request");
    assert.equal(disk.bytesOf(QUEUE_PATH).length, 256 * 1024);
    await later[Symbol.asyncDispose]();
    assert.equal((await openQueue(disk)).queue.find("renew-7")?.attempts, 1);
  });

  test("a file that others can read becomes private", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue[Symbol.asyncDispose]();
    disk.plant(QUEUE_PATH, disk.bytesOf(QUEUE_PATH), { mode: 0o644 });
    const { log } = await openQueue(disk);
    assert.equal((await disk.look(QUEUE_PATH))?.mode, 0o600);
    assert.equal(log.of("queue.healed").length, 1);
  });

  test("of a queue that is well writes nothing", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    const steps = disk.steps.length;
    const { queue: later } = await openQueue(disk);
    assert.deepEqual(disk.steps.slice(steps), [`syncbytes ${QUEUE_PATH}`]);
    assert.equal(later.wear.bytesWritten, 0);
  });
});

suite("changes", () => {
  test("are told, in the order in which they became durable", async () => {
    const { queue } = await openQueue(new PowerDisk());
    const told: IntentChange[] = [];
    const unlisten = queue.onChange((change) => told.push(change));
    await Promise.all([
      queue.add({ kind: "renew", generation: 7 }),
      queue.begin("renew-7", "request"),
      queue.add({ kind: "renew", generation: 8 }),
      queue.drop("renew-8"),
    ]);
    unlisten();
    await queue.add({ kind: "report", generation: 1 });
    const words = told.map(({ what, intent }) => `${what} ${intent.id} ${intent.state}`);
    assert.deepEqual(words, [
      "added renew-7 waiting",
      "begun renew-7 running",
      "ended renew-7 superseded",
      "added renew-8 waiting",
      "dropped renew-8 waiting",
    ]);
  });

  test("after the end are refused, those before it are finished", async () => {
    const { queue } = await openQueue(new PowerDisk());
    const adding = queue.add({ kind: "renew", generation: 7 });
    await queue[Symbol.asyncDispose]();
    assert.equal((await adding).id, "renew-7");
    const late = queue.add({ kind: "renew", generation: 8 });
    await assert.rejects(late, { code: "ERR_QUEUE_CLOSED" });
  });

  test("that wait for a slow disk are bounded", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    const gate = Promise.withResolvers<void>();
    disk.pause = () => gate.promise;
    const adding = Array.from({ length: 100 }, (_, index) =>
      queue.add({ kind: "report", generation: index + 1 }).then(
        () => "added",
        (error: AgentError) => error.code,
      ),
    );
    gate.resolve();
    const outcomes = await Promise.all(adding);
    assert.equal(outcomes.filter((each) => each === "added").length, 64);
    assert.equal(outcomes.filter((each) => each === "ERR_QUEUE_IO").length, 36);
  });

  test("the state of the attempt budget goes with them, and outlives a restart", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    const saved = {
      renewal: { failures: 3, notBeforeAt: 5 },
      other: { failures: 0, notBeforeAt: 0 },
    };
    queue.keepAttempts(() => saved);
    const steps = disk.steps.length;
    await queue.add({ kind: "renew", generation: 7 });
    assert.equal(disk.steps.length - steps, 2, "by the same write");
    await queue[Symbol.asyncDispose]();
    assert.deepEqual((await openQueue(disk)).queue.savedAttempts, saved);
  });
});

suite("no secret is in the file", () => {
  const secrets = [
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9",
    "-----BEGIN EC PRIVATE KEY-----",
    "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  ];

  test("whatever a handler throws or names, over a whole lap and the next", async () => {
    const disk = new PowerDisk();
    const { queue } = await openQueue(disk);
    await queue.add({ kind: "renew", generation: 7 });
    for (let round = 0; round < 12; round++) {
      for (const secret of secrets) {
        await queue.begin("renew-7", "request");
        await assert.rejects(queue.advance("renew-7", secret));
        await assert.rejects(async () =>
          queue.advance("renew-7", "go", objectNamed("key", secret)),
        );
        await queue.fail("renew-7", new AgentError("ERR_RPC_OVERLOADED", `the CA said ${secret}`));
        await queue.fail("renew-7", new Error(secret));
      }
    }
    const text = Buffer.from(disk.bytesOf(QUEUE_PATH)).toString("latin1");
    assert.ok(text.includes("ERR_RPC_OVERLOADED: the CA said"), "the right file");
    for (const secret of secrets) assert.ok(!text.includes(secret), secret.slice(0, 8));
    assert.ok(!text.includes("BEGIN"));
  });
});
