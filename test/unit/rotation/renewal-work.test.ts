import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { IssuerError, type IssuerErrorCode, type IssuerFailure } from "#src/identity/issuer.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { RenewalFailed } from "#src/rotation/renewal-fault.ts";
import { unreachable } from "../../fakes/fake-issuer.ts";
import { DAY_MS, RenewalRig } from "../../fakes/renewal-rig.ts";

test("a renewal that is due makes a new key, puts its certificate in force and leaves no key behind", async () => {
  const rig = await RenewalRig.make();
  const { store, clock } = rig.rotation;
  const before = store.current?.key.spkiSha256;
  const agent = await rig.process();
  assert.deepEqual(agent.queue.list(), []);
  await clock.advance(22 * DAY_MS);
  assert.equal(agent.queue.due(clock.now())[0]?.id, "re-key-2");
  assert.equal(await agent.attempt(), undefined);
  assert.equal(store.current?.number, 2);
  assert.equal(store.current?.origin, "renewal");
  assert.notEqual(store.current?.key.spkiSha256, before);
  await agent.watch.settled();
  assert.equal(store.pendingKeys().size, 0);
  assert.equal(rig.issuer.made.size, 1);
  assert.equal(agent.log.of("renewal.started").length, 1);
  const [told] = agent.log.of("renewal.succeeded");
  assert.equal(told?.["generation"], 2);
  // the authority has just made it: it proves the time
  assert.deepEqual(
    rig.claims.map(({ source, answersUs }) => [source, answersUs]),
    [["certificate", true]],
  );
  // and the next one is planned by its own dates
  await agent.watch.settled();
  const due = agent.watch.view().dueAt ?? 0;
  assert.ok(due > clock.now() + 17 * DAY_MS && due < clock.now() + 22 * DAY_MS);
});

test("renewal.rekey = false keeps the key", async () => {
  const rig = await RenewalRig.make();
  rig.settings = { at: 0.66, rekey: false };
  const before = rig.rotation.store.current?.key.spkiSha256;
  const agent = await rig.process();
  await rig.rotation.clock.advance(22 * DAY_MS);
  assert.equal(await agent.attempt(), undefined);
  assert.deepEqual(rig.issuer.calls, ["renew"]);
  assert.equal(rig.rotation.store.current?.key.spkiSha256, before);
  assert.equal(rig.rotation.store.current?.number, 2);
});

test("an answer that is lost, and a restart: the same key asks again, and there is one certificate", async () => {
  const rig = await RenewalRig.make();
  const { store, clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  rig.issuer.loses = 2;
  const first = await agent.attempt();
  assert.ok(first instanceof RenewalFailed);
  const kept = store.pendingKeys().get("renewal.re-key-2")?.spkiSha256;
  assert.ok(kept !== undefined);
  assert.equal(agent.log.of("renewal.failed")[0]?.["lost_answer"], true);
  await clock.advance(DAY_MS / 24);
  await agent.attempt();
  assert.equal(store.pendingKeys().get("renewal.re-key-2")?.spkiSha256, kept);

  const next = await rig.process();
  await clock.advance(DAY_MS / 24);
  assert.equal(await next.attempt(), undefined);
  assert.equal(store.current?.key.spkiSha256, kept);
  assert.equal(rig.issuer.made.size, 1);
});

test("killed after each durable change: it goes on, with one certificate for the intent", async () => {
  // how many changes there are in all
  const dry = await RenewalRig.make();
  const whole = await dry.process();
  await dry.rotation.clock.advance(22 * DAY_MS);
  const start = dry.rotation.store.writes.length;
  await whole.attempt();
  const changes = dry.rotation.store.writes.slice(start).filter((what) => !what.startsWith("mark"));
  assert.ok(changes.length >= 4, changes.join());
  for (const [index] of changes.entries()) {
    const rig = await RenewalRig.make();
    const { store, clock } = rig.rotation;
    const doomed = await rig.process();
    await clock.advance(22 * DAY_MS);
    await rig.diesAt(index, doomed);

    const agent = await rig.process();
    await clock.advance(DAY_MS / 24);
    await agent.attempt();
    await agent.watch.settled();
    const why = `killed after ${changes[index]}`;
    assert.equal(store.current?.number, 2, why);
    assert.equal(rig.issuer.made.size, 1, why);
    assert.equal(store.pendingKeys().size, 0, why);
    assert.deepEqual(agent.queue.due(clock.now() + DAY_MS), [], why);
  }
});

test("a certificate that has ended: its key is renewed first, and a new key follows in the same attempt", async () => {
  const rig = await RenewalRig.make();
  const { store, clock } = rig.rotation;
  await clock.advance(60 * DAY_MS);
  const agent = await rig.process();
  await agent.watch.settled();
  assert.equal(await agent.attempt(), undefined);
  assert.deepEqual(rig.issuer.calls, ["rekey", "renew", "rekey"]);
  assert.equal(store.current?.number, 3);
  assert.equal(agent.log.of("renewal.bridged").length, 1);
});

const ANSWERS: readonly {
  readonly why: string;
  readonly code: IssuerErrorCode;
  readonly failure: Omit<IssuerFailure, "words">;
  readonly stuck?: boolean;
  /** Least wait, ms. */
  readonly waits?: number;
  /** Counts as being cut off. */
  readonly outage?: boolean;
}[] = [
  {
    why: "429 with Retry-After is waited for",
    code: "ERR_ISSUER_BUSY",
    failure: { reason: "busy", retryAfterMs: 600_000 },
    waits: 600_000,
  },
  {
    why: "503 without one: back-off",
    code: "ERR_ISSUER_BUSY",
    failure: { reason: "server-error" },
  },
  {
    why: "HTML of a captive portal is no authority",
    code: "ERR_ISSUER_UNREACHABLE",
    failure: { reason: "captive-portal" },
    outage: true,
  },
  {
    why: "another authority answers",
    code: "ERR_ISSUER_UNTRUSTED",
    failure: { reason: "untrusted" },
  },
  {
    why: "a life shorter than it may be: refused by the issuer",
    code: "ERR_ISSUER_ANSWER",
    failure: { reason: "answer" },
  },
  {
    why: "only an enrolment helps: asked rarely, and told loudly",
    code: "ERR_ISSUER_ENROL",
    failure: { reason: "needs-enrolment", permanent: true },
    ...{ stuck: true, waits: 900_000 },
  },
];

for (const { why, code, failure, stuck = false, waits = 0, outage = false } of ANSWERS) {
  test(`the authority answers: ${why}`, async () => {
    const rig = await RenewalRig.make();
    const { clock, store } = rig.rotation;
    const agent = await rig.process();
    await clock.advance(22 * DAY_MS);
    rig.issuer.faults.push(new IssuerError(code, { ...failure, words: "said so" }));
    const error = await agent.attempt();
    assert.ok(error instanceof RenewalFailed);
    const [intent] = agent.queue.list();
    assert.equal(intent?.state, "waiting");
    assert.ok((intent?.nextAttemptAt ?? 0) - clock.now() >= waits);
    const view = agent.watch.view();
    assert.equal(view.fault?.reason, failure.reason);
    assert.equal(view.fault?.needsOperator, stuck);
    assert.match(view.lastError ?? "", /said so/);
    assert.match(view.words, /said so/);
    assert.equal(agent.log.of("renewal.failed")[0]?.["code"], code);
    assert.equal(agent.log.of("renewal.stuck").length, stuck ? 1 : 0);
    assert.equal(agent.outages.record.since !== undefined, outage);
    // what is in force stays, and the next attempt succeeds with the same key
    assert.equal(store.current?.number, 1);
    const key = store.pendingKeys().get("renewal.re-key-2")?.spkiSha256;
    await clock.advance(1_800_000);
    assert.equal(await agent.attempt(), undefined);
    assert.equal(store.current?.key.spkiSha256, key);
  });
}

test("an authority that never answers is given up after two minutes", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  rig.issuer.hangs = true;
  const attempt = agent.attempt();
  await clock.advance(119_000);
  assert.equal(agent.queue.list()[0]?.state, "running");
  await clock.advance(2_000);
  const error = await attempt;
  assert.ok(error instanceof RenewalFailed);
  assert.equal(error.fault.reason, "timeout");
});

test("what the validator refuses is not put in force, and its key is kept for the next answer", async () => {
  const rig = await RenewalRig.make();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  rig.rotation.objections = () => [{ code: "wrong-eku", words: "no client auth", fix: "template" }];
  const error = await agent.attempt();
  assert.ok(error instanceof RenewalFailed);
  assert.equal(error.code, "ERR_CERT_REFUSED");
  assert.equal(agent.watch.view().fault?.needsOperator, true);
  assert.equal(store.current?.number, 1);
  rig.rotation.objections = () => [];
  await clock.advance(1_800_000);
  assert.equal(await agent.attempt(), undefined);
  assert.equal(rig.issuer.made.size, 1);
});

test("another identity came meanwhile: the renewal is over, its key gone, nobody asked", async () => {
  const rig = await RenewalRig.make();
  const { clock, store, keys } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  await store.keepKey("renewal.re-key-2", await keys.create());
  const fresh = await rig.rotation.content("roof-7", { nowMs: clock.now() });
  await agent.rotator.install(fresh, { origin: "import" });
  assert.equal(await agent.attempt(), undefined);
  assert.deepEqual(rig.issuer.calls, []);
  assert.equal(agent.log.of("renewal.obsolete").length, 1);
  await agent.watch.settled();
  assert.equal(store.pendingKeys().size, 0);
});

test("a full disk fails the attempt, and the next one goes on", async () => {
  const rig = await RenewalRig.make();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  store.failing.set("stage", new AgentError("ERR_STORE_FULL", "no space"));
  const error = await agent.attempt();
  assert.ok(error instanceof RenewalFailed);
  assert.equal(error.fault.reason, "store-full");
  store.failing.clear();
  await clock.advance(1_800_000);
  assert.equal(await agent.attempt(), undefined);
  assert.equal(rig.issuer.made.size, 1);
});

test("months of failures are told in a few lines", async () => {
  const rig = await RenewalRig.make();
  const { clock } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  for (let attempt = 0; attempt < 100; attempt++) {
    rig.issuer.faults.push(unreachable());
    const [intent] = agent.queue.list();
    assert.ok((await agent.attempt(intent)) instanceof RenewalFailed);
    await clock.advance(1_000);
  }
  assert.ok(agent.log.of("renewal.failed").length <= 8);
  assert.ok(agent.log.of("renewal.started").length <= 8);
  assert.equal(agent.watch.view().fault?.times, 100);
});

test("the certificate that is asked for has the names of the one in force", async () => {
  const rig = await RenewalRig.make();
  const { clock, store } = rig.rotation;
  const agent = await rig.process();
  await clock.advance(22 * DAY_MS);
  await agent.attempt();
  const leaf = parseCertificate(store.current?.chainPem ?? "");
  assert.deepEqual(leaf.commonNames, ["roof-7"]);
  assert.deepEqual(leaf.names.dnsNames, ["localhost"]);
});
