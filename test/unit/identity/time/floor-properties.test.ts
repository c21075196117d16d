/**
 * Whatever happens in whatever order: the floor rises only by what an authority or the fleet signed, and
 * falls only by a time statement that was accepted. Also over restarts, as far as it was written.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { TimeChallenge } from "#src/identity/time/time-challenge.ts";
import { FakeClock, settle } from "../../../fakes/fake-clock.ts";
import {
  crlClaim,
  DEVICE,
  EPOCH,
  Fleet,
  MemoryNotes,
  type TimeRig,
  timeRig,
} from "../../../fakes/trusted-time.ts";

const DAY = 86_400_000;
const BUILT = Date.UTC(2026, 0, 1);
const moment = fc.integer({ min: 0, max: Date.UTC(2050, 0, 1) });

type Step =
  | { readonly kind: "jump"; readonly ms: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "ntp"; readonly set: boolean }
  | {
      readonly kind: "claim";
      readonly atMs: number;
      readonly endsMs: number;
      readonly answersUs: boolean;
    }
  | { readonly kind: "challenge" }
  | {
      readonly kind: "statement";
      readonly atMs: number;
      readonly by: "fleet" | "stranger";
      readonly device: string;
      /** Answers a challenge of this moment, not the one before. */
      readonly fresh: boolean;
    }
  | { readonly kind: "replay" }
  | { readonly kind: "restart" };

const jump = fc.record({
  kind: fc.constant("jump" as const),
  ms: fc.integer({ min: -80 * 365 * DAY, max: 80 * 365 * DAY }),
});
const pass = fc.record({
  kind: fc.constant("pass" as const),
  ms: fc.integer({ min: 0, max: 1.5 * DAY }),
});
const ntp = fc.record({ kind: fc.constant("ntp" as const), set: fc.boolean() });
const others = [
  fc.record({
    kind: fc.constant("claim" as const),
    atMs: moment,
    endsMs: moment,
    answersUs: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("challenge" as const) }),
  fc.record({
    kind: fc.constant("statement" as const),
    atMs: moment,
    by: fc.constantFrom("fleet" as const, "fleet" as const, "stranger" as const),
    device: fc.constantFrom(DEVICE, DEVICE, "another"),
    fresh: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("replay" as const) }),
  fc.record({ kind: fc.constant("restart" as const) }),
];

interface Run {
  rig: TimeRig;
  synchronised: boolean;
  challenge: TimeChallenge | undefined;
  text: string | undefined;
}

async function start(clock: FakeClock, notes: MemoryNotes): Promise<Run> {
  const run = { synchronised: false, challenge: undefined, text: undefined };
  const rig = await timeRig({
    clock,
    notes,
    timeSync: async () => ({ synchronised: run.synchronised, words: "-" }),
  });
  return Object.assign(run, { rig });
}

/** Returns what the step may do to the floor. */
async function take(run: Run, step: Step): Promise<"nothing" | "raise" | "set" | "restart"> {
  const { clock, time, fleet, notes } = run.rig;
  switch (step.kind) {
    case "jump": {
      // Beyond what certificates and dates can hold there is nothing to ask.
      const landing = clock.now() + step.ms;
      if (landing > 0 && landing < Date.UTC(2100, 0, 1)) clock.jump(step.ms);
      run.rig.jumps.look();
      await settle();
      return "nothing";
    }
    case "pass":
      await clock.advance(step.ms);
      return "nothing";
    case "ntp":
      run.synchronised = step.set;
      await time.askTimeService();
      return "nothing";
    case "claim": {
      const issuers = [{ subject: "CN=CA", notAfter: step.endsMs }];
      const outcome = time.claim(crlClaim(step.atMs, { issuers, answersUs: step.answersUs }));
      await settle();
      assert.ok(outcome.kind !== "raised" || step.atMs <= step.endsMs, "beyond its authority");
      return outcome.kind === "raised" ? "raise" : "nothing";
    }
    case "challenge":
      run.challenge = time.challenge();
      return "nothing";
    case "statement": {
      if (step.fresh) run.challenge = time.challenge();
      const nonce = run.challenge?.nonce ?? "0".repeat(64);
      const signer = step.by === "fleet" ? fleet : new Fleet(9);
      run.text = signer.sign({ device: step.device, epoch: EPOCH, nonce, time: step.atMs });
      return (await time.applyStatement(run.text)).kind === "accepted" ? "set" : "nothing";
    }
    case "replay":
      return (await time.applyStatement(run.text ?? "")).kind === "accepted" ? "set" : "nothing";
    default: {
      await time[Symbol.asyncDispose]();
      run.rig.jumps[Symbol.dispose]();
      const { synchronised, text } = run;
      // The answer of the run before is still in somebody's hands.
      Object.assign(run, await start(clock, notes), { synchronised, text });
      return "restart";
    }
  }
}

suite("the floor of trusted time", () => {
  test("no sequence of jumps, waiting and time services raises it", () =>
    fc.assert(
      fc.asyncProperty(
        moment,
        fc.array(fc.oneof(jump, pass, ntp), { maxLength: 20, size: "max" }),
        async (clockMs, steps) => {
          const run = await start(new FakeClock(clockMs), new MemoryNotes());
          for (const step of steps) await take(run, step);
          assert.equal(run.rig.time.view().floorMs, BUILT);
          assert.equal(run.rig.notes.writes, 0);
        },
      ),
      { numRuns: 40 },
    ));

  test("nothing moves it but what was signed, and nothing lowers it but an accepted statement", () =>
    fc.assert(
      fc.asyncProperty(
        moment,
        fc.array(fc.oneof(jump, pass, ntp, ...others), {
          minLength: 10,
          maxLength: 30,
          size: "max",
        }),
        async (clockMs, steps) => {
          const run = await start(new FakeClock(clockMs), new MemoryNotes());
          let floor = BUILT;
          for (const step of steps) {
            const allowed = await take(run, step);
            const view = run.rig.time.view();
            const { floorMs } = view;
            assert.ok(floorMs >= BUILT, "never below the build date");
            assert.ok(view.nowMs >= floorMs, "the estimate is never before the floor");
            if (allowed === "nothing") assert.equal(floorMs, floor);
            if (allowed === "raise") assert.ok(floorMs > floor);
            // What had not been written, less than a day or within the day, may be forgotten.
            if (allowed === "restart") assert.ok(floorMs <= floor);
            floor = floorMs;
          }
        },
      ),
      { numRuns: 80 },
    ));
});
