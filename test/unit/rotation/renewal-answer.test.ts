import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import type { Intent } from "#src/queue/intent.ts";
import { ANSWER_NOTE } from "#src/rotation/renewal-answer.ts";
import { unreachable } from "../../fakes/fake-issuer.ts";
import { DAY_MS, type RenewalProcess, RenewalRig } from "../../fakes/renewal-rig.ts";

const EARLY = { code: "not-yet-valid", words: "it has not begun", fix: "set the clock" };

/** Its authority makes another certificate whenever it is asked. */
async function forgetful(rekey = true): Promise<RenewalRig> {
  const rig = await RenewalRig.make();
  rig.settings = { at: 0.66, rekey };
  rig.issuer.remembers = false;
  return rig;
}

const KILLS: readonly {
  readonly why: string;
  readonly rekey: boolean;
  readonly afterDays: number;
  /** Certificates, for as many keys. */
  readonly certificates: number;
}[] = [
  { why: "a new key", rekey: true, afterDays: 22, certificates: 1 },
  { why: "the same key", rekey: false, afterDays: 22, certificates: 1 },
  { why: "after expiry: the old key, then a new one", rekey: true, afterDays: 60, certificates: 2 },
];

for (const { why, rekey, afterDays, certificates } of KILLS) {
  test(`killed after each durable change, at an authority that can't tell: ${why}`, async () => {
    const dry = await forgetful(rekey);
    const whole = await dry.process();
    await dry.rotation.clock.advance(afterDays * DAY_MS);
    const start = dry.rotation.store.writes.length;
    await whole.attempt();
    await whole.watch.settled();
    const changes = dry.rotation.store.writes.slice(start);
    assert.ok(changes.length >= 4, changes.join());
    for (const [index, change] of changes.entries()) {
      const rig = await forgetful(rekey);
      const { store, clock } = rig.rotation;
      const doomed = await rig.process();
      await clock.advance(afterDays * DAY_MS);
      await rig.diesAt(index, doomed);

      const agent = await rig.process();
      await clock.advance(DAY_MS / 24);
      await agent.attempt();
      await agent.watch.settled();
      const { signed } = rig.issuer;
      assert.equal(signed.length, certificates, `killed after ${change}`);
      assert.equal(new Set(signed).size, certificates, `killed after ${change}`);
      assert.equal(store.current?.key.spkiSha256, signed.at(-1), `killed after ${change}`);
      assert.equal(await store.readNote(ANSWER_NOTE), undefined, `killed after ${change}`);
    }
  });
}

test("an answer that could not be stored is installed by the next attempt, and nobody is asked again", async () => {
  const rig = await forgetful();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  store.failing.set("stage", new AgentError("ERR_STORE_FULL", "no space"));
  await agent.attempt();
  store.failing.clear();
  rig.issuer.faults.push(unreachable());
  await clock.advance(1_800_000);
  assert.equal(await agent.attempt(), undefined);
  assert.deepEqual(rig.issuer.calls, ["rekey"]);
  assert.equal(store.current?.number, 2);
});

test("killed after each durable change, and started with a clock that is lost: one key, one certificate", async () => {
  const changes: string[] = [];
  for (let index = 0; index === 0 || index < changes.length; index++) {
    const rig = await forgetful();
    const { store, clock } = rig.rotation;
    const doomed = await rig.process();
    await clock.advance(22 * DAY_MS);
    const start = store.writes.length;
    await rig.diesAt(index, doomed);
    const why = `killed after ${store.writes.at(-1)}`;

    // What was proven is older than what was made for us, until what was made for us proves it.
    rig.rotation.time = { state: "floor", clockWrong: true };
    rig.claims.length = 0;
    const made = rig.issuer.signed.length;
    // OpenSSL goes by the wrong clock, which counts only until something answers us, or has done so.
    rig.rotation.objections = (_, purpose) =>
      rig.claims.length > 0 && (made === 0 || purpose === "answered") ? [] : [EARLY];
    const agent = await rig.process();
    await clock.advance(DAY_MS / 24);
    await agent.attempt();
    await agent.watch.settled();
    // What was answered before this start says nothing of the present.
    assert.ok(
      rig.claims.every(({ answersUs, answeredUs }) => answeredUs && answersUs === (made === 0)),
      why,
    );
    assert.equal(rig.issuer.signed.length, 1, why);
    assert.equal(store.current?.key.spkiSha256, rig.issuer.signed[0], why);
    assert.equal(store.pendingKeys().size, 0, why);
    // The first life, killed at its first change, says what there is to be killed at.
    if (index === 0)
      changes.push(...store.writes.slice(start).filter((what) => !/drop|mark/.test(what)));
  }
  assert.ok(
    changes.includes("stage 2") && changes.includes(`writeNote ${ANSWER_NOTE}`),
    `${changes}`,
  );
});

test("a commit that fails spends neither the key nor the answer", async () => {
  const rig = await forgetful();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  store.failing.set("commit", new AgentError("ERR_STORE_IO", "EIO"));
  await agent.attempt();
  assert.equal(store.history().find(({ number }) => number === 2)?.mark, "bad");
  store.failing.clear();
  await clock.advance(1_800_000);
  assert.equal(await agent.attempt(), undefined);
  assert.equal(rig.issuer.signed.length, 1);
  assert.equal(store.current?.key.spkiSha256, rig.issuer.signed[0]);
});

test("an answer that is refused is tried once more; refused again, the authority is asked for another", async () => {
  const rig = await forgetful();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  rig.rotation.objections = () => [{ code: "wrong-eku", words: "no client auth", fix: "template" }];
  await agent.attempt();
  await clock.advance(1_800_000);
  await agent.attempt();
  assert.equal(rig.issuer.signed.length, 2);
  rig.rotation.objections = () => [];
  await clock.advance(1_800_000);
  assert.equal(await agent.attempt(), undefined);
  assert.equal(rig.issuer.signed.length, 2);
  assert.equal(store.current?.number, 2);
});

test("a disk that takes no note fails no renewal", async () => {
  const rig = await forgetful();
  const agent = await rig.process();
  await rig.rotation.clock.advance(22 * DAY_MS);
  rig.rotation.store.failing.set("writeNote", new AgentError("ERR_STORE_FULL", "no space"));
  assert.equal(await agent.attempt(), undefined);
  assert.equal(rig.rotation.store.current?.number, 2);
  assert.equal(agent.log.of("renewal.unwritten")[0]?.["note"], ANSWER_NOTE);
});

/** What makes an answer in hand none: the authority is asked again, and the renewal succeeds. */
const UNUSED: readonly {
  readonly why: string;
  spoil(note: Record<string, unknown>): unknown;
  readonly laterMs?: number;
}[] = [
  { why: "it has ended meanwhile", spoil: (note) => note, laterMs: 40 * DAY_MS },
  { why: "of another epoch", spoil: (note) => ({ ...note, epoch: "f".repeat(32) }) },
  { why: "of another intent", spoil: (note) => ({ ...note, intent: "re-key-9" }) },
  { why: "for another key", spoil: (note) => ({ ...note, spkiSha256: "0".repeat(64) }) },
  { why: "of a later version", spoil: (note) => ({ ...note, version: 2 }) },
  { why: "without its chain", spoil: (note) => ({ ...note, chainPem: "" }) },
  { why: "not JSON", spoil: () => undefined },
];

for (const { why, spoil, laterMs = 1_800_000 } of UNUSED) {
  test(`an answer in hand that is not used: ${why}`, async () => {
    const rig = await forgetful();
    const { clock, store } = rig.rotation;
    const agent = await rig.process();
    await clock.advance(22 * DAY_MS);
    store.failing.set("stage", new AgentError("ERR_STORE_FULL", "no space"));
    await agent.attempt();
    store.failing.clear();
    const note = JSON.parse(Buffer.from((await store.readNote(ANSWER_NOTE)) ?? []).toString());
    const spoilt = spoil(note as Record<string, unknown>);
    await store.writeNote(
      ANSWER_NOTE,
      Buffer.from(spoilt === undefined ? "{" : JSON.stringify(spoilt)),
    );
    await clock.advance(laterMs);
    assert.equal(await agent.attempt(), undefined);
    assert.ok(rig.issuer.signed.length >= 2);
    await agent.watch.settled();
    assert.equal(await store.readNote(ANSWER_NOTE), undefined);
  });
}

const ENDS: readonly {
  readonly why: string;
  end(rig: RenewalRig, agent: RenewalProcess, open: Intent): Promise<unknown>;
}[] = [
  { why: "dropped", end: async (_, { queue }, { id }) => queue.drop(id) },
  {
    why: "superseded",
    end: async (_, { queue }) => queue.add({ kind: "re-key", generation: 9 }),
  },
  {
    why: "another identity has come",
    async end({ rotation }, { rotator, attempt }) {
      const { clock } = rotation;
      const content = await rotation.content("roof-7", { nowMs: clock.now() });
      await rotator.install(content, { origin: "import" });
      await clock.advance(1_800_000);
      assert.equal(await attempt(), undefined);
    },
  },
  {
    why: "ended while no agent ran: the next start",
    async end(rig, { watch, queue }, { id }) {
      await watch[Symbol.asyncDispose]();
      await queue.drop(id);
      await queue[Symbol.asyncDispose]();
      await rig.process();
    },
  },
];

for (const { why, end } of ENDS) {
  test(`the answer goes with its intent: ${why}`, async () => {
    const rig = await forgetful();
    const { clock, store } = rig.rotation;
    const agent = await rig.process();
    await clock.advance(22 * DAY_MS);
    store.failing.set("stage", new AgentError("ERR_STORE_FULL", "no space"));
    await agent.attempt();
    store.failing.clear();
    const [open] = agent.queue.list();
    assert.ok(open !== undefined && (await store.readNote(ANSWER_NOTE)) !== undefined);
    await end(rig, agent, open);
    await agent.watch.settled();
    assert.equal(await store.readNote(ANSWER_NOTE), undefined);
    assert.equal(rig.issuer.signed.length, 1);
  });
}
