/**
 * The power goes at each step of a change and of its report, on the real store and the real queue: once the
 * change is durable its report arrives, and no change ever has two numbers.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { GenerationContent } from "#src/identity/store/generation.ts";
import { hasEnded } from "#src/queue/intent.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import type { ReportDocument } from "#src/rotation/report-document.ts";
import { openReportWork, type ReportWork } from "#src/rotation/report-work.ts";
import { FakeRandom } from "../fakes/fake-random.ts";
import { PowerDisk, STORE_DIR } from "../fakes/power-disk.ts";
import { FakeFleet, sentence } from "../fakes/report-rig.ts";
import { openStore, storeContents } from "../fakes/store.ts";

type Act = (store: CertificateStore, reports: ReportWork) => Promise<void>;

/** A run of the agent, from its start to its end: what is kept, what is sent. */
async function live(disk: PowerDisk, fleet: FakeFleet, seed: number, act: Act): Promise<void> {
  const { store, clock, log } = await openStore(disk, {}, seed);
  const random = new FakeRandom(seed);
  const queue = await openIntentQueue({
    ...{ path: join(STORE_DIR, "queue", "intents"), disk, epoch: store.epoch, device: "roof-7" },
    ...{ clock, random, log },
  });
  const view = () => ({
    ...{ state: "network" as const, nowMs: clock.now(), floorMs: 0, clockWrong: false },
    words: undefined,
  });
  const reports = await openReportWork({
    ...{ store, queue, clock, log, delivery: fleet },
    source: { subscribe: () => () => undefined, leaf: undefined },
    rotator: { status: () => undefined, onChange: () => () => undefined },
    device: () => (store.current === undefined ? undefined : "roof-7"),
    renewal: () => undefined,
    time: { view, dueMs: () => clock.now() },
  });
  await reports.look();
  await act(store, reports);
  await reports.look();
  const steps = { advance: () => Promise.reject(new Error("there is one step")) };
  for (const { id } of queue.list()) {
    const found = queue.find(id);
    if (found === undefined || hasEnded(found)) continue;
    const begun = await queue.begin(id, "begin");
    await reports.handle(begun, steps, new AbortController().signal);
    await queue.finish(id);
  }
  await reports[Symbol.asyncDispose]();
  await queue[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
}

/** What has been sent in all lives of a device: one content for each number, and none twice. */
function contradictions(arrived: readonly ReportDocument[], where: string): readonly string[] {
  const contents = new Map<number, string>();
  const found: string[] = [];
  for (const report of arrived) {
    const said = sentence(report);
    if (contents.has(report.report) && contents.get(report.report) !== said) {
      found.push(`${where}: ${report.report} is "${contents.get(report.report)}" and "${said}"`);
    }
    contents.set(report.report, said);
  }
  const changes = [...contents.values()].map((said) => said.replace(/^\d+ /, ""));
  if (new Set(changes).size !== changes.length) found.push(`${where}: ${changes.join()} twice`);
  const numbers = [...contents.keys()].toSorted((a, b) => a - b);
  const gap = numbers.some((number, index) => number !== index + 1);
  return gap ? [...found, `${where}: numbers ${numbers.join()}`] : found;
}

function put(content: GenerationContent): Act {
  return async (store) => {
    await store.stage(content);
    await store.commit();
  };
}

const CHANGES: readonly { readonly name: string; readonly act: Act; readonly why: string }[] = [
  {
    name: "another generation",
    act: put((await storeContents(2))[1] as GenerationContent),
    why: "the report that the operator waits for",
  },
  {
    name: "another generation, and back",
    act: async (store, reports) => {
      await put((await storeContents(2))[1] as GenerationContent)(store, reports);
      await reports.look();
      await store.fallBack([{ code: "peer-refuses-it", words: "nobody takes it" }]);
    },
    why: "three reports, made at two moments",
  },
];

for (const { name, act, why } of CHANGES) {
  test(`power lost at each step of ${name}: ${why}`, { timeout: 120_000 }, async (context) => {
    const [first, , third] = await storeContents(3);
    assert.ok(first !== undefined && third !== undefined);
    const prepare = async (fleet: FakeFleet): Promise<PowerDisk> => {
      const disk = new PowerDisk();
      await live(disk, fleet, 1, put(first));
      return disk;
    };
    const whole = await prepare(new FakeFleet());
    const from = whole.steps.length + 1;
    await live(whole, new FakeFleet(), 2, act);
    const violations: string[] = [];
    let worlds = 0;
    for (let step = from; step <= whole.steps.length; step++) {
      const sent = new FakeFleet();
      const disk = await prepare(sent);
      disk.fault = { step, what: "power" };
      // What the power cut makes of it depends on where it comes.
      await live(disk, sent, 2, act).catch((error: unknown) => {
        if (!disk.isOff) throw error;
      });
      disk.cutPower();
      for (const [world, left] of disk.worlds()) {
        worlds += 1;
        const where = `before ${step} (${whole.steps[step - 1]}), ${world}`;
        const after = new FakeFleet();
        after.arrived.push(...sent.arrived);
        // The next change gets the next number, whatever became of the one before.
        await live(left, after, 3, put(third));
        violations.push(...contradictions(after.arrived, where));
        const stands = new FakeFleet();
        const expected: string[] = [];
        await live(left, stands, 4, async (store) => {
          for (const { mark, number } of store.history()) {
            if (mark !== "bad") expected.push(`generation in-force ${number}`);
            else expected.push(`generation bad ${number}`, "generation fallen-back 1");
          }
        });
        if (stands.arrived.length > 0) violations.push(`${where}: told again`);
        const said = new Set(after.arrived.map((report) => sentence(report).replace(/^\d+ /, "")));
        for (const each of expected) if (!said.has(each)) violations.push(`${where}: no ${each}`);
      }
    }
    context.diagnostic(`${whole.steps.length - from + 1} steps, ${worlds} disks`);
    assert.ok(worlds > 50, `${worlds} disks`);
    assert.deepEqual(violations, []);
  });
}

test("the control: whoever numbers before it is durable is caught", () => {
  const made = (report: number, generation: number): ReportDocument => ({
    ...{
      v: 1,
      device: "d",
      epoch: "e",
      report,
      kind: "generation",
      outcome: "in-force",
      generation,
    },
    ...{ at: 0, vouched: true, serial: "1", fingerprint: "f", notAfter: 0, origin: "import" },
    ...{ reasons: [], lost: 0 },
  });
  assert.match(contradictions([made(1, 1), made(1, 2)], "x").join(), /1 is "1 .* 1" and "1 .* 2"/);
  assert.match(contradictions([made(1, 1), made(2, 1)], "x").join(), /twice/);
  assert.match(contradictions([made(1, 1), made(3, 2)], "x").join(), /numbers 1,3/);
  assert.deepEqual(contradictions([made(1, 1), made(1, 1), made(2, 2)], "x"), []);
});
