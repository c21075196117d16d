import assert from "node:assert/strict";
import { test } from "node:test";
import { unreachable } from "../../fakes/fake-issuer.ts";
import { DAY_MS, RenewalRig } from "../../fakes/renewal-rig.ts";

const HOUR_MS = 3_600_000;

test("a restart draws nothing anew; a new certificate does", async () => {
  const rig = await RenewalRig.make();
  const first = await rig.process();
  const due = first.watch.view().dueAt;
  const second = await rig.process();
  assert.equal(second.watch.view().dueAt, due);
  assert.equal(rig.rotation.store.writes.filter((what) => what.includes("renewal-plan")).length, 1);
  const { clock } = rig.rotation;
  const content = await rig.rotation.content("roof-7", { nowMs: clock.now() + 1000 });
  await second.rotator.install(content, { origin: "import" });
  await second.watch.settled();
  assert.notEqual(second.watch.view().dueAt, due);
  assert.equal(rig.rotation.store.writes.filter((what) => what.includes("renewal-plan")).length, 2);
});

test("what a command draws for a certificate that no agent has seen yet is what the agent goes by", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const { watch, rotator } = await rig.process();
  await watch[Symbol.asyncDispose]();
  const due = watch.view().dueAt;
  await watch.recall();
  assert.equal(watch.view().dueAt, due);
  const content = await rig.rotation.content("roof-7", { nowMs: clock.now() + 1000 });
  await rotator.install(content, { origin: "renewal" });
  await watch.recall(clock.now());
  assert.notEqual(watch.view().dueAt, due);
  const next = await rig.process();
  assert.equal(next.watch.view().dueAt, watch.view().dueAt);
});

test("a trust bundle that is replaced draws nothing anew", async () => {
  const rig = await RenewalRig.make();
  const agent = await rig.process();
  const due = agent.watch.view().dueAt;
  const { store } = rig.rotation;
  const { key, chainPem = "" } = store.current ?? {};
  assert.ok(key !== undefined);
  const other = await (await import("../../fakes/certificates.ts")).testPki("Other CA");
  const trustBundlePem = rig.rotation.pki.caPem + other.caPem;
  await agent.rotator.install({ key, chainPem, trustBundlePem }, { origin: "trust" });
  await agent.watch.settled();
  assert.equal(store.current?.number, 2);
  assert.equal(agent.watch.view().dueAt, due);
  const [changed, ...more] = agent.log.of("trust.changed");
  assert.deepEqual([changed?.["generation"], changed?.["how"], more], [2, "trust", []]);
  assert.match(String(changed?.["added"]), /^CN=Other CA, SHA-256 [0-9a-f]{64}$/);
  assert.deepEqual(changed?.["removed"], []);
});

test("a jump that nobody vouches for makes nothing due; vouched for, it does", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  const start = clock.now();
  rig.dueMs = () => start + clock.monotonicMs();
  clock.jump(3650 * DAY_MS);
  rig.jumped();
  await clock.advance(2 * HOUR_MS);
  assert.deepEqual(agent.queue.list(), []);
  assert.equal(agent.log.of("time.deadline.held").length, 1);
  rig.dueMs = () => clock.now();
  await clock.advance(HOUR_MS);
  assert.equal(agent.queue.list().length, 1);
});

test("a clock that went back since the last renewal spaces nothing for years", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  // a clock ten years ahead sees the certificate come
  clock.jump(3650 * DAY_MS);
  const content = await rig.rotation.content("roof-7", { notBefore: clock.now() - 3650 * DAY_MS });
  await agent.rotator.install(content, { origin: "import" });
  await agent.watch.settled();
  clock.jump(-3650 * DAY_MS);
  const { dueAt = 0, reason } = agent.watch.view();
  assert.equal(reason, "share");
  assert.ok(dueAt < clock.now() + 60 * DAY_MS);
});

test("nobody adds a second intent while one is open, and what was dropped comes again within an hour", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(23 * DAY_MS);
  assert.deepEqual(
    agent.queue.list().map(({ id }) => id),
    ["re-key-2"],
  );
  await agent.queue.drop("re-key-2");
  await clock.advance(HOUR_MS + 1);
  assert.equal(agent.queue.list().length, 1);
});

test("asked for: at once, also when it is not due or waits after a failure", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  const intent = await agent.watch.ask();
  assert.equal(agent.watch.view().reason, "asked");
  rig.issuer.faults.push(unreachable());
  await agent.attempt(intent);
  await clock.advance(1);
  const again = await agent.watch.ask();
  assert.equal(again.id, intent.id);
  assert.ok(again.nextAttemptAt <= clock.now());
  assert.equal(await agent.attempt(again), undefined);
  assert.equal(rig.rotation.store.current?.number, 2);
});

test("asked for while the budget rests after failures: made due past it, and the view tells the same wait", async () => {
  const rig = await RenewalRig.make();
  const agent = await rig.process({ heldMs: () => 1_500_000 });
  const retried: string[] = [];
  agent.queue.onChange(({ what, intent }) => {
    if (what === "retried") retried.push(intent.id);
  });
  const intent = await agent.watch.ask();
  assert.deepEqual(retried, [intent.id]);
  assert.match(agent.watch.view().words, /^asked for; next attempt in 25 minutes$/);
  rig.issuer.faults.push(unreachable());
  await agent.attempt(intent);
  assert.match(agent.watch.view().words, /^asked for, and failed: .*; next attempt in 25 minutes$/);
});

test("the wait is told by the clock that it was written down by, not by the trusted time", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  rig.dueMs = () => clock.now() - 3650 * DAY_MS;
  const intent = await agent.watch.ask();
  await agent.queue.begin(intent.id, "request");
  await agent.queue.fail(intent.id, unreachable(), 600_000);
  assert.match(agent.watch.view().words, /next attempt in (9|10|11|12) minutes$/);
});

test("another identity, while a renewal waits after a failure: it is over at once, and nothing is told any more", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  const intent = await agent.watch.ask();
  rig.issuer.faults.push(unreachable());
  await agent.attempt(intent);
  await agent.queue.begin(intent.id, "request");
  await agent.queue.fail(intent.id, unreachable(), 1_800_000);
  assert.match(String(agent.watch.view().lastError), /ERR_ISSUER_UNREACHABLE/);
  // and the clock that the intent was made by was years ahead
  clock.jump(-3650 * DAY_MS);
  const content = await rig.rotation.content("roof-7", { nowMs: clock.now() });
  await agent.rotator.install(content, { origin: "enrolment" });
  await agent.watch.settled();
  const calls = rig.issuer.calls.length;
  const [due] = agent.queue.due(clock.now());
  assert.equal(due?.id, intent.id);
  assert.equal(await agent.attempt(due), undefined);
  assert.equal(rig.issuer.calls.length, calls);
  assert.equal(agent.log.of("renewal.obsolete").length, 1);
  assert.equal(agent.watch.view().lastError, undefined);
});

test("near the end of a life the back-off is cut short", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(30 * DAY_MS - 20 * 60_000);
  const [intent] = agent.queue.list();
  assert.ok(intent !== undefined);
  // many failures, and then a long wait
  for (let attempt = 0; attempt < 12; attempt++) {
    rig.issuer.faults.push(unreachable());
    await agent.attempt(agent.queue.find(intent.id));
  }
  await agent.queue.begin(intent.id, "request");
  await agent.queue.fail(intent.id, unreachable(), 1_800_000);
  const waits = (agent.queue.find(intent.id)?.nextAttemptAt ?? 0) - clock.now();
  assert.equal(waits, 1_800_000);
  await clock.advance(5 * 60_000 + 1);
  assert.deepEqual(
    agent.queue.due(clock.now()).map(({ id }) => id),
    [intent.id],
  );
});

test("the device's own outages bring the next renewal forward, also after a restart", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  for (let hour = 0; hour < 6 * 24; hour++) {
    rig.issuer.faults.push(unreachable());
    await agent.attempt(agent.queue.list()[0]);
    await clock.advance(HOUR_MS);
  }
  assert.equal(await agent.attempt(agent.queue.list()[0]), undefined);
  const notes = rig.rotation.store.writes.filter((what) => what === "writeNote outages");
  assert.equal(notes.length, 2);
  const next = await rig.process();
  const { reason, dueAt = 0, longestOutageMs } = next.watch.view();
  assert.equal(longestOutageMs, 6 * DAY_MS);
  assert.equal(reason, "outages");
  const notAfter = next.source.leaf?.summary.notAfter ?? 0;
  assert.ok(notAfter - dueAt >= 18 * DAY_MS);
});

test("keys of renewals that are over go at the start; others stay", async () => {
  const rig = await RenewalRig.make();
  const { store, keys } = rig.rotation;
  await store.keepKey("renewal.re-key-9", await keys.create());
  await store.keepKey("spare", await keys.create());
  await rig.process();
  assert.deepEqual([...store.pendingKeys().keys()], ["spare"]);
});
