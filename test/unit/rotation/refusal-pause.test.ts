import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { IssuerError } from "#src/identity/issuer.ts";
import { MAX_REFUSAL_MS, REFUSAL_NOTE, RefusalPause } from "#src/rotation/refusal-pause.ts";
import { RenewalFailed } from "#src/rotation/renewal-fault.ts";
import { FakeClock, settle } from "../../fakes/fake-clock.ts";
import { unreachable } from "../../fakes/fake-issuer.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { MemoryStore } from "../../fakes/memory-store.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";
import { DAY_MS, type RenewalProcess, RenewalRig } from "../../fakes/renewal-rig.ts";

const HOUR_MS = 3_600_000;
const NEVER = Number.POSITIVE_INFINITY;

function rigOf() {
  const clock = new FakeClock();
  const store = new MemoryStore();
  const log = new RecordingLog();
  const pause = (): RefusalPause =>
    new RefusalPause({ store, clock, log, random: new FakeRandom(1) });
  return { clock, store, log, pause };
}

test("the pause grows from half an hour to six hours, and never beyond", async () => {
  const { pause } = rigOf();
  const one = pause();
  const bounds = [0.5, 1, 2, 4, 6, 6, 6].map((hours) => hours * HOUR_MS);
  for (const bound of bounds) {
    await one.refused("a b", "needs-enrolment", NEVER);
    const left = one.leftMs("a b");
    assert.ok(left >= bound / 2 && left <= bound, `${left} of ${bound}`);
  }
  assert.ok(one.leftMs("a b") <= MAX_REFUSAL_MS);
});

const OTHERS: readonly {
  readonly why: string;
  readonly change: (pause: RefusalPause) => unknown;
  readonly asks?: string;
}[] = [
  { why: "another certificate or authority", change: () => undefined, asks: "a c" },
  { why: "a name that only begins like it", change: () => undefined, asks: "a" },
  { why: "a configuration that was read again", change: (pause) => pause.lift() },
  { why: "it was not refused", change: (pause) => pause.end() },
];
for (const { why, change, asks = "a b" } of OTHERS) {
  test(`the pause is over: ${why}`, async () => {
    const one = rigOf().pause();
    for (let round = 0; round < 5; round++) await one.refused("a b", "refused", NEVER);
    await change(one);
    assert.equal(one.leftMs(asks), 0);
  });
}

test("lifted and refused again it goes on growing; another reason begins anew", async () => {
  const one = rigOf().pause();
  for (let round = 0; round < 5; round++) {
    await one.refused("a b", "refused", NEVER);
    one.lift();
  }
  await one.refused("a b", "refused", NEVER);
  assert.ok(one.leftMs("a b") >= 3 * HOUR_MS);
  await one.refused("a b", "cert-refused", NEVER);
  assert.ok(one.leftMs("a b") <= HOUR_MS / 2);
});

const RESTARTS: readonly {
  readonly why: string;
  readonly setMs: number;
  readonly held: boolean;
}[] = [
  { why: "at once", setMs: 0, held: true },
  { why: "two hours later", setMs: 2 * HOUR_MS, held: true },
  { why: "a day later", setMs: DAY_MS, held: false },
  { why: "with a clock from years ago", setMs: -3_000 * DAY_MS, held: false },
  { why: "with a clock from years ahead", setMs: 3_000 * DAY_MS, held: false },
];
for (const { why, setMs, held } of RESTARTS) {
  test(`a restart ${why}: ${held ? "the pause goes on" : "it is over, whatever the clock says"}`, async () => {
    const { pause, clock } = rigOf();
    const one = pause();
    for (let round = 0; round < 6; round++) await one.refused("a b", "refused", NEVER);
    clock.jump(setMs);
    const next = pause();
    await next.recall();
    assert.equal(next.leftMs("a b") > 0, held);
    assert.ok(next.leftMs("a b") <= MAX_REFUSAL_MS);
    // and it goes on growing where it was
    await next.refused("a b", "refused", NEVER);
    assert.ok(next.leftMs("a b") >= 3 * HOUR_MS);
  });
}

for (const [why, text] of [
  ["not JSON", "{"],
  ["of a later version", '{"version":2}'],
  [
    "with a pause that is none",
    '{"version":1,"subject":"a b","reason":"c","times":1,"pauseMs":-1,"untilAt":1}',
  ],
] as const) {
  test(`a note that is ${why} counts as none`, async () => {
    const { pause, store } = rigOf();
    await store.writeNote(REFUSAL_NOTE, Buffer.from(text));
    const one = pause();
    await one.recall();
    assert.equal(one.leftMs("a b"), 0);
  });
}

test("a disk that takes no note: the pause holds while the process lives, and that is said", async () => {
  const { pause, store, log } = rigOf();
  const one = pause();
  store.failing.set("writeNote", new AgentError("ERR_STORE_IO", "EIO"));
  await one.refused("a b", "refused", NEVER);
  assert.ok(one.leftMs("a b") > 0);
  assert.equal(log.of("renewal.unwritten")[0]?.["note"], REFUSAL_NOTE);
});

/** Lets time pass as the queue's worker does: an attempt when the intent is due and nothing holds it. */
async function live(rig: RenewalRig, agent: RenewalProcess, forMs: number): Promise<void> {
  const { clock } = rig.rotation;
  for (let passed = 0; passed < forMs; passed += 60_000) {
    await clock.advance(60_000);
    const [intent] = agent.queue.due(clock.now());
    if (intent !== undefined && agent.work.holds(intent) === undefined) await agent.attempt(intent);
  }
}

function refusal(): IssuerError {
  const words = "the certificate was revoked";
  return new IssuerError("ERR_ISSUER_ENROL", { reason: "needs-enrolment", words, permanent: true });
}

test("an authority that refuses for good is asked a few times a day, and again within six hours of its change", async () => {
  const rig = await RenewalRig.make();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(40 * DAY_MS);
  // each attempt asks for a new key, and as that is over, for the old one
  const asked = (): number => rig.issuer.calls.filter((call) => call === "renew").length;
  rig.issuer.faults.push(...Array.from({ length: 100 }, refusal));
  await live(rig, agent, DAY_MS);
  const first = asked();
  await live(rig, agent, DAY_MS);
  const second = asked() - first;
  assert.ok(first <= 12, `${first} on the first day`);
  assert.ok(second >= 3 && second <= 9, `${second} on the second`);
  rig.issuer.faults.length = 0;
  await live(rig, agent, MAX_REFUSAL_MS + HOUR_MS / 2);
  assert.ok((store.current?.number ?? 0) > 1);
  assert.equal(await store.readNote(REFUSAL_NOTE), undefined);
});

test("an authority that was out of reach for a day is found within an hour of its return", async () => {
  const rig = await RenewalRig.make();
  const agent = await rig.process();
  await rig.rotation.clock.advance(22 * DAY_MS);
  rig.issuer.faults.push(...Array.from({ length: 1_000 }, unreachable));
  await live(rig, agent, DAY_MS);
  rig.issuer.faults.length = 0;
  await live(rig, agent, HOUR_MS);
  assert.equal(rig.rotation.store.current?.number, 2);
});

test("a life that goes on is not slept through: no pause after a refusal is longer than a quarter of the rest", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(30 * DAY_MS - 4 * HOUR_MS);
  rig.issuer.faults.push(...Array.from({ length: 100 }, refusal));
  for (let round = 0; round < 6; round++) {
    assert.ok((await agent.attempt(agent.queue.list()[0])) instanceof RenewalFailed);
  }
  const [open] = agent.queue.list();
  assert.ok(open !== undefined);
  const held = agent.work.holds(open);
  assert.equal(held?.by, "refused");
  assert.ok((held?.forMs ?? 0) <= HOUR_MS, `${held?.forMs}`);
});

test("an entry that somebody retried, perhaps while no agent ran, is not held up", async () => {
  const rig = await RenewalRig.make();
  const agent = await rig.process();
  await rig.rotation.clock.advance(22 * DAY_MS);
  rig.issuer.faults.push(refusal(), refusal(), refusal());
  for (let round = 0; round < 3; round++) await agent.attempt(agent.queue.list()[0]);
  const [open] = agent.queue.list();
  assert.ok(open !== undefined && agent.work.holds(open) !== undefined);
  await agent.watch[Symbol.asyncDispose]();
  await agent.queue.retry(open.id);
  await agent.queue[Symbol.asyncDispose]();
  const next = await rig.process();
  const [found] = next.queue.due(rig.rotation.clock.now());
  assert.ok(found !== undefined);
  assert.equal(next.work.holds(found), undefined);
});

test("a configuration that is read again asks at once after a refusal, and not in an outage", async () => {
  const rig = await RenewalRig.make();
  const agent = await rig.process();
  await rig.rotation.clock.advance(22 * DAY_MS);
  rig.issuer.faults.push(refusal(), refusal(), unreachable());
  for (let round = 0; round < 2; round++) await agent.attempt(agent.queue.list()[0]);
  agent.watch.settingsChanged();
  await settle();
  assert.equal(agent.queue.list()[0]?.attempts, 0);
  await agent.attempt(agent.queue.list()[0]);
  agent.watch.settingsChanged();
  await settle();
  assert.equal(agent.queue.list()[0]?.attempts, 1);
});

test("an outage after refusals is an outage: nothing but the queue's pauses is waited for", async () => {
  const rig = await RenewalRig.make();
  const agent = await rig.process();
  await rig.rotation.clock.advance(22 * DAY_MS);
  rig.issuer.faults.push(refusal(), refusal(), refusal(), unreachable());
  for (let round = 0; round < 4; round++) await agent.attempt(agent.queue.list()[0]);
  const [open] = agent.queue.list();
  assert.ok(open !== undefined);
  assert.equal(agent.work.holds(open), undefined);
});
