/**
 * The process dies after any durable step of an installation, a fall-back, or an overlap of trust bundles:
 * the next one finds a whole identity and takes up what was begun.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { TimeView } from "#src/identity/time/time-view.ts";
import type { Reason } from "#src/identity/validator/candidate-report.ts";
import { testPki } from "../fakes/certificates.ts";
import { settle } from "../fakes/fake-clock.ts";
import { ACCEPTED, PEER, type Process, REFUSED, RotationRig } from "../fakes/rotation-rig.ts";

const IMPORT = { origin: "import" } as const;
const DAY = 86_400_000;

interface Story {
  readonly why: string;
  readonly prepare?: (rig: RotationRig) => void;
  /** What the process does that may die. */
  run(rig: RotationRig, process: Process): Promise<unknown>;
  /** All durable steps, without a death. */
  readonly writes: readonly string[];
  /** In force after a death behind that many steps, and after the next process has done its part. */
  readonly afterwards: readonly string[];
  readonly state: readonly string[];
  /** What "new" trusts in the end; default the same as "old". */
  readonly newBundle?: string;
}

const other = await testPki("New CA", Date.UTC(2026, 5, 1));

const STORIES: readonly Story[] = [
  {
    why: "an installation without peers",
    run: async (rig, { rotator }) => rotator.install(await rig.content("new"), IMPORT),
    writes: ["stage 2", "commit 2"],
    afterwards: ["old", "new", "new"],
    state: ["UNPROVEN", "UNPROVEN", "UNPROVEN"],
  },
  {
    why: "an installation that a peer accepts",
    prepare: (rig) => {
      rig.peers = [PEER];
      rig.answers = () => ACCEPTED;
    },
    run: async (rig, { rotator }) => {
      await rotator.install(await rig.content("new"), IMPORT);
      await rotator.settled();
    },
    writes: ["stage 2", "commit 2", "mark 2 trialled"],
    afterwards: ["old", "new", "new", "new"],
    state: ["ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE"],
  },
  {
    why: "an installation that a peer refuses, which takes the old",
    prepare: (rig) => {
      rig.peers = [PEER];
      rig.answers = (cn) => (cn === "new" ? REFUSED : ACCEPTED);
    },
    run: async (rig, { rotator }) => {
      await rotator.install(await rig.content("new"), IMPORT);
      await rotator.settled();
    },
    writes: ["stage 2", "commit 2", "fallBack 1"],
    afterwards: ["old", "old", "old", "old"],
    state: ["ACTIVE", "ROLLED_BACK", "ROLLED_BACK", "ROLLED_BACK"],
  },
  {
    why: "a candidate that can't shake hands with itself",
    prepare: (rig) => {
      rig.selfHandshake = {
        run: async () => ({ kind: "failed", step: "handshake", cause: "no shared cipher" }),
      };
    },
    run: async (rig, { rotator }) => {
      await assert.rejects(rotator.install(await rig.content("new"), IMPORT));
    },
    writes: ["stage 2", "discardNext 2"],
    afterwards: ["old", "old", "old"],
    state: ["UNPROVEN", "UNPROVEN", "UNPROVEN"],
  },
  {
    why: "a new root beside the old one for a day, then alone, with a chain of its own",
    run: async (rig, { rotator }) => {
      const { key, chainPem } = await rig.content("new", { pki: other });
      const replacement = { overlapMs: DAY, identity: { key, chainPem } };
      await rotator.replaceTrust(other.caPem, replacement);
      await rig.clock.advance(DAY + 1);
      await rotator.settled();
    },
    writes: [
      ...["writeNote trust-overlap", "stage 2", "commit 2"],
      ...["stage 3", "commit 3", "dropNote trust-overlap"],
    ],
    afterwards: ["old", "old", "new", "new", "new", "new", "new"],
    state: Array(7).fill("UNPROVEN"),
    newBundle: other.caPem,
  },
];

for (const { why, prepare, run, writes, afterwards, state, newBundle } of STORIES) {
  suite(why, () => {
    for (let deadAfter = 0; deadAfter <= writes.length; deadAfter++) {
      const where = deadAfter === 0 ? "before the first step" : `after "${writes[deadAfter - 1]}"`;
      test(`the process dies ${where}: then "${afterwards[deadAfter]}" is in force`, async () => {
        const rig = await RotationRig.make();
        const before = await rig.started();
        await before.rotator.install(await rig.content("old"), IMPORT);
        await before.rotator[Symbol.asyncDispose]();
        prepare?.(rig);
        if (rig.peers.length > 0) await rig.store.mark(1, "trialled");
        rig.store.writes.length = 0;
        await dieAfter(rig, deadAfter, run);
        assert.deepEqual(rig.store.writes, writes.slice(0, deadAfter));

        const next = await rig.started();
        await rig.clock.advance(DAY + 60_000);
        await next.rotator.settled();
        assert.equal(rig.inForce(next), afterwards[deadAfter]);
        assert.equal(next.source.current.digest, rig.store.current?.digest);
        assert.equal(next.rotator.status()?.state, state[deadAfter]);
        assert.equal(rig.store.next, undefined, "nothing is left half done");
        assert.equal(await rig.store.readNote("trust-overlap"), undefined);
        const bundle = rig.inForce(next) === "new" ? (newBundle ?? rig.pki.caPem) : rig.pki.caPem;
        assert.equal(next.source.current.trustBundlePem, bundle, "and only what is to be trusted");

        // And it is stable: one more start changes nothing.
        const written = rig.store.writes.length;
        const last = await rig.started();
        await last.rotator.settled();
        assert.equal(rig.inForce(last), afterwards[deadAfter]);
        assert.equal(rig.store.writes.length, written);
      });
    }
  });
}

const EARLY = { code: "not-yet-valid", words: "it has not begun", fix: "set the clock" };
const LATE = { ...EARLY, code: "expired" };
const OTHER = { ...EARLY, code: "wrong-eku" };

/** Staged when the power went; the next start finds something against it. */
const REFUSALS: readonly {
  readonly why: string;
  readonly reasons: readonly Reason[];
  readonly time: Partial<TimeView>;
  /** Stays staged until the clock is set. */
  readonly waits: boolean;
}[] = [
  { why: "1970, after a lost clock", reasons: [EARLY], time: { state: "unknown" }, waits: true },
  {
    ...{ why: "the floor, which is hours old", reasons: [EARLY] },
    ...{ time: { state: "floor", clockWrong: true }, waits: true },
  },
  {
    ...{ why: "and its authority is younger than the clock, too", time: { state: "unknown" } },
    ...{ reasons: [EARLY, { ...EARLY, code: "authority-not-yet-valid" }], waits: true },
  },
  { why: "a clock far ahead", reasons: [LATE], time: { state: "unknown" }, waits: true },
  {
    ...{ why: "it is proven to be over", reasons: [LATE] },
    ...{ time: { state: "unknown", floorMs: Date.UTC(2100, 0, 1) }, waits: false },
  },
  { why: "the network says the time", reasons: [EARLY], time: { state: "network" }, waits: false },
  { why: "not only dates", reasons: [EARLY, OTHER], time: { state: "unknown" }, waits: false },
];

for (const { why, reasons, time, waits } of REFUSALS) {
  test(`staged, and then refused at the start, ${waits ? "waits" : "is given up"}: ${why}`, async () => {
    const rig = await RotationRig.make();
    const before = await rig.started();
    await before.rotator.install(await rig.content("old"), IMPORT);
    await before.rotator[Symbol.asyncDispose]();
    await rig.store.stage({ ...(await rig.content("new")), origin: "import" });
    rig.objections = (cn) => (cn === "new" ? reasons : []);
    rig.time = time;
    const next = await rig.started();
    assert.equal(rig.inForce(next), "old");
    assert.deepEqual(
      next.log.of("certificate.refused").map((each) => each["reasons"]),
      [reasons],
    );
    assert.equal(rig.store.next?.number, waits ? 2 : undefined);
    assert.equal(rig.store.history().filter(({ mark }) => mark === "bad").length, waits ? 0 : 1);

    rig.time = { state: "network" };
    rig.objections = () => [];
    next.rotator.clockChanged();
    await next.rotator.settled();
    assert.equal(rig.inForce(next), waits ? "new" : "old");
    assert.equal(rig.store.next, undefined);
  });
}

test("what waits for the clock is forgotten when another identity comes", async () => {
  const rig = await RotationRig.make();
  await rig.store.stage({ ...(await rig.content("new")), origin: "import" });
  rig.objections = (cn) => (cn === "new" ? [EARLY] : []);
  rig.time = { state: "unknown" };
  const process = await rig.started();
  assert.equal(process.source.snapshot, undefined);
  await process.rotator.install(await rig.content("newest"), IMPORT);
  rig.objections = () => [];
  process.rotator.clockChanged();
  await process.rotator.settled();
  assert.equal(rig.inForce(process), "newest");
  assert.equal(rig.store.current?.number, 2);
});

/** Runs until that many steps are durable; then nothing of that process ever goes on. */
async function dieAfter(
  rig: RotationRig,
  steps: number,
  run: (rig: RotationRig, process: Process) => Promise<unknown>,
): Promise<void> {
  if (steps === 0) return;
  const { promise: dead, resolve: die } = Promise.withResolvers<void>();
  let alive = true;
  rig.store.afterWrite = () => {
    if (!alive || rig.store.writes.length < steps) return undefined;
    alive = false;
    die();
    return new Promise<void>(() => undefined);
  };
  const process = await rig.started();
  void run(rig, process).catch((error: unknown) => {
    if (alive) throw error;
  });
  // The peers of a fall-back are asked with pauses between.
  for (let turn = 0; alive && turn < 200; turn++) {
    await rig.clock.advance(1000);
    await settle();
  }
  await dead;
  rig.store.afterWrite = () => undefined;
}
