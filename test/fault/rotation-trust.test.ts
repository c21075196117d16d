/** Trust bundles that overlap: clocks that jump, decisions in between, ends that can't be. */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { OVERLAP_NOTE } from "#src/rotation/trust-overlap.ts";
import { testPki } from "../fakes/certificates.ts";
import {
  ACCEPTED,
  DISTRUSTED,
  PEER,
  type Process,
  REFUSED,
  RotationRig,
} from "../fakes/rotation-rig.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const [two, three] = (
  await Promise.all(["Two", "Three"].map((cn) => testPki(cn, Date.UTC(2026, 5, 1))))
).map(({ caPem }) => caPem) as [string, string];

let rig: RotationRig;
let process: Process;
let one: string;
beforeEach(async () => {
  rig = await RotationRig.make();
  one = rig.pki.caPem;
  process = await rig.started();
  await process.rotator.install(await rig.content("device"), { origin: "import" });
});

const bundle = (): string => process.source.current.trustBundlePem;
const leaving = (): number | undefined => process.rotator.status()?.overlap?.leaving.length;

/** The time in steps of an hour, as timers have it. */
async function pass(ms: number): Promise<void> {
  await rig.clock.advance(ms);
  await process.rotator.settled();
}

suite("a window of ten days", () => {
  beforeEach(() => process.rotator.replaceTrust(two, { overlapMs: 10 * DAY }));

  test("both are trusted in it, the new alone after it; no timer is longer than an hour", async () => {
    assert.equal(bundle(), two + one);
    assert.ok((rig.clock.nextInMs ?? Infinity) <= HOUR);
    await pass(10 * DAY - 1);
    assert.equal(bundle(), two + one);
    await pass(HOUR);
    assert.equal(bundle(), two);
    assert.equal(leaving(), undefined);
    assert.equal(await rig.store.readNote(OVERLAP_NOTE), undefined);
    assert.equal(process.log.of("trust.overlap.ended").length, 1);
    assert.equal(rig.store.current?.origin, "trust");
  });

  test("a clock that jumps a year ahead does not end it", async () => {
    rig.clock.jump(365 * DAY);
    await pass(2 * HOUR);
    assert.equal(bundle(), two + one);
    await pass(10 * DAY);
    assert.equal(bundle(), two, "the time that this process has run does");
  });

  test("a clock that is known to be wrong does not end it", async () => {
    rig.clockWrong = true;
    rig.clock.jump(365 * DAY);
    await pass(2 * HOUR);
    assert.equal(bundle(), two + one);
  });

  test("where nobody vouches for the clock it ends when this process has run so long, not an hour later", async () => {
    rig.timeState = "unknown";
    const write = rig.store.writeNote.bind(rig.store);
    // The end is a time of day; what this process has watched begins when that is written down.
    rig.store.writeNote = async (...note) => {
      await write(...note);
      await rig.clock.advance(20);
    };
    await process.rotator.replaceTrust(one, { overlapMs: 0 });
    await process.rotator.replaceTrust(two, { overlapMs: DAY });
    await pass(DAY + 100);
    assert.equal(bundle(), two);
  });

  test("after a restart the rest of it is still to come", async () => {
    await pass(5 * DAY);
    await process.rotator[Symbol.asyncDispose]();
    process = await rig.started();
    assert.equal(leaving(), 1);
    await pass(4 * DAY);
    assert.equal(bundle(), two + one);
    await pass(DAY + HOUR);
    assert.equal(bundle(), two);
  });

  test("a renewal under the same authorities leaves it as it is", async () => {
    const renewed = await rig.content("device", { bundle: bundle() });
    await process.rotator.install(renewed, { origin: "renewal" });
    assert.equal(leaving(), 1);
    await pass(11 * DAY);
    assert.equal(bundle(), two);
    assert.equal(rig.store.current?.key.spkiSha256, renewed.key.spkiSha256);
  });

  test("an import with other authorities is a new decision and voids it", async () => {
    await process.rotator.install(await rig.content("device", { bundle: one + three }), {
      origin: "import",
    });
    assert.equal(leaving(), undefined);
    await pass(11 * DAY);
    assert.equal(bundle(), one + three);
  });

  test("a third authority on top: the first two leave together, later", async () => {
    await pass(5 * DAY);
    await process.rotator.replaceTrust(three, { overlapMs: 10 * DAY });
    assert.equal(bundle(), three + two + one);
    assert.equal(leaving(), 2);
    await pass(6 * DAY);
    assert.equal(bundle(), three + two + one);
    await pass(5 * DAY);
    assert.equal(bundle(), three);
  });

  test("a further bundle that is refused leaves the window as it was", async () => {
    rig.store.failing.set("stage", new AgentError("ERR_STORE_FULL", "full"));
    await assert.rejects(process.rotator.replaceTrust(three, { overlapMs: DAY }), {
      code: "ERR_STORE_FULL",
    });
    rig.store.failing.clear();
    assert.equal(bundle(), two + one);
    assert.equal(leaving(), 1);
    await pass(11 * DAY);
    assert.equal(bundle(), two);
  });

  test("the end can't be written: said once, tried again every hour", async () => {
    rig.store.failing.set("stage", new AgentError("ERR_STORE_READ_ONLY", "read-only"));
    await pass(11 * DAY);
    assert.equal(bundle(), two + one);
    assert.equal(process.log.of("trust.overlap.stuck").length, 1);
    rig.store.failing.clear();
    await pass(HOUR);
    assert.equal(bundle(), two);
  });

  test("the agent stops while the end waits its turn: the next start ends it", async () => {
    const slow = Promise.withResolvers<void>();
    rig.store.afterWrite = () => slow.promise;
    const renewed = await rig.content("device", { bundle: bundle() });
    const installing = process.rotator.install(renewed, { origin: "renewal" });
    await rig.clock.advance(11 * DAY);
    const stopped = process.rotator[Symbol.asyncDispose]();
    rig.store.afterWrite = () => undefined;
    slow.resolve();
    await Promise.all([installing, stopped]);
    assert.notEqual(await rig.store.readNote(OVERLAP_NOTE), undefined);
    process = await rig.started();
    await process.rotator.settled();
    assert.equal(bundle(), two);
  });

  test("a peer that still uses the old authority does not bring it back", async () => {
    await pass(9 * DAY);
    rig.peers = [PEER];
    rig.answers = () => (bundle() === two ? DISTRUSTED : ACCEPTED);
    // Not until it is settled: probation goes on.
    await rig.clock.advance(2 * DAY);
    assert.equal(bundle(), two);
    assert.equal(process.log.of("certificate.fallback").length, 0);
    await process.rotator[Symbol.asyncDispose]();
  });
});

suite("a trust bundle that may not be", () => {
  test("our own chain does not verify under it alone: refused, nothing is written", async () => {
    const before = [...rig.store.writes];
    rig.objections = () => [
      { code: "unknown-authority", words: "no issuer", fix: "bring a chain" },
    ];
    await assert.rejects(process.rotator.replaceTrust(two, { overlapMs: DAY }), {
      code: "ERR_CERT_REFUSED",
    });
    assert.deepEqual(rig.store.writes, before);
    assert.equal(bundle(), one);
    assert.equal(process.log.of("certificate.refused").length, 1);
  });

  test("a window of more than a year, or of nothing", async () => {
    for (const overlapMs of [367 * DAY, -1, Number.NaN]) {
      await assert.rejects(process.rotator.replaceTrust(two, { overlapMs }), {
        code: "ERR_CERT_INVALID",
      });
    }
    assert.equal(bundle(), one);
  });

  test("in an empty store", async () => {
    const empty = await RotationRig.make();
    const { rotator } = await empty.started();
    await assert.rejects(rotator.replaceTrust(two, { overlapMs: 0 }), { code: "ERR_CERT_REFUSED" });
  });
});

test("at once, with a new chain: never back to the authority that was dropped", async () => {
  rig.peers = [PEER];
  rig.answers = (cn) => (cn === "new" ? REFUSED : ACCEPTED);
  const { key, chainPem } = await rig.content("new");
  await process.rotator.replaceTrust(two, { overlapMs: 0, identity: { key, chainPem } });
  await rig.clock.advance(HOUR);
  assert.equal(rig.inForce(process), "new");
  assert.equal(bundle(), two);
  const [withheld] = process.log.of("certificate.fallback.withheld");
  assert.match(JSON.stringify(withheld), /distrusted/);
  await process.rotator[Symbol.asyncDispose]();
});
