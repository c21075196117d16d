import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { REPORT_NOTE } from "#src/rotation/report-note.ts";
import { testPki } from "../../fakes/certificates.ts";
import { AWAY, ReportRig, sentence } from "../../fakes/report-rig.ts";
import { ACCEPTED, PEER, REFUSED } from "../../fakes/rotation-rig.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const REFUSAL = new AgentError("ERR_REPORT_REFUSED", "400: no such device", {
  fields: { permanent: true },
});
/** As a service that is ill answers, or one that stumbles over what a report says. */
const FAILS = (): AgentError =>
  new AgentError("ERR_RPC_REMOTE", "500: no rows", { fields: { suspect: true } });

suite("reports", () => {
  test("the first says that an epoch begins, and what is in force", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    assert.deepEqual(rig.fleet.said, ["1 epoch begun 1", "2 generation in-force 1"]);
    const [, report] = rig.fleet.arrived;
    const { summary } = agent.source.leaf ?? assert.fail("there is a leaf");
    assert.deepEqual(report, {
      ...{ v: 1, device: "roof-7", epoch: rig.rotation.store.epoch, report: 2 },
      ...{ kind: "generation", outcome: "in-force", generation: 1 },
      ...{ at: rig.rotation.clock.now(), vouched: true },
      ...{ serial: summary.serial, fingerprint: summary.fingerprint, notAfter: summary.notAfter },
      ...{ origin: "import", reasons: [], lost: 0 },
    });
    assert.deepEqual(
      agent.queue.list().map(({ id, state }) => [id, state]),
      [["report-2", "done"]],
    );
  });

  test("a restart with nothing new reports nothing, and writes nothing", async () => {
    const rig = await ReportRig.make();
    {
      await using first = await rig.process();
      await first.idle();
    }
    const { writes } = rig.rotation.store;
    const before = writes.length;
    await using second = await rig.process();
    await rig.rotation.clock.advance(HOUR);
    await second.idle();
    assert.equal(rig.fleet.arrived.length, 2);
    assert.deepEqual(writes.slice(before), []);
  });

  test("confirmed, then another that peers refuse: bad with its reasons, fallen back", async () => {
    const rig = await ReportRig.make();
    rig.rotation.peers = [PEER];
    rig.rotation.answers = (cn) => (cn === "roof-7" ? ACCEPTED : REFUSED);
    await using agent = await rig.process();
    await agent.rotator.settled();
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 generation confirmed 1"]);
    await agent.rotator.install(await rig.rotation.content("other"), { origin: "import" });
    await agent.idle();
    await rig.rotation.clock.advance(HOUR);
    await agent.rotator.settled();
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(3), [
      "4 generation in-force 2",
      "5 generation bad 2",
      "6 generation fallen-back 1",
    ]);
    assert.equal(rig.fleet.arrived[4]?.reasons[0]?.code, "peer-refuses-it");
    assert.equal(rig.fleet.arrived[5]?.serial, rig.fleet.arrived[1]?.serial);
  });

  test("what was refused before it was in force is bad, once", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    const { store } = rig.rotation;
    await store.stage({ ...(await rig.rotation.content("x")), origin: "push" });
    await store.discardNext([{ code: "self-handshake", words: "it does not shake hands" }]);
    await agent.reports.look();
    await agent.reports.look();
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 generation bad 2"]);
  });

  test("given up for a newer one is no failure", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    const { store } = rig.rotation;
    await store.stage({ ...(await rig.rotation.content("x")), origin: "push" });
    await store.discardNext([{ code: "superseded", words: "a newer one came" }]);
    await agent.reports.look();
    await agent.idle();
    assert.equal(rig.fleet.arrived.length, 2);
  });

  test("a trust bundle that is replaced is told as such, not as another identity", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    const { caPem } = await testPki("Next CA", rig.rotation.clock.now());
    const bundle = rig.rotation.pki.caPem + caPem;
    await agent.rotator.replaceTrust(bundle, { overlapMs: 0 });
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 trust replaced 2"]);
  });

  test("an intent that failed for good is told with its error, and again only when it fails again", async () => {
    const rig = await ReportRig.make();
    const broken = Object.assign(new AgentError("ERR_CERT_REFUSED", "its chain is of nobody"), {
      permanent: true,
    });
    await using agent = await rig.process({
      trust: async () => {
        throw broken;
      },
    });
    await agent.idle();
    await agent.queue.add({ kind: "trust", generation: 4 });
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 intent failed 4"]);
    const [, , report] = rig.fleet.arrived;
    assert.equal(report?.intent, "trust-4");
    assert.deepEqual(report?.reasons, [
      { code: "ERR_CERT_REFUSED", words: "its chain is of nobody" },
    ]);
    await agent.reports.look();
    await agent.idle();
    assert.equal(rig.fleet.arrived.length, 3);
    await agent.queue.retry("trust-4");
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(3), ["4 intent failed 4"]);
  });

  test("a renewal that needs somebody is told once, and its end with the next certificate", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    const { clock } = rig.rotation;
    const intent = { id: "re-key-2", state: "waiting", step: undefined, nextAttemptAt: 0 } as const;
    const view = {
      ...({ issuer: "step-ca", dueAt: clock.now(), reason: "share", words: "" } as const),
      ...{ intent, lastAttempt: clock.now(), lastError: "ERR_ISSUER_UNREACHABLE: no route" },
      ...{ fault: undefined, attempts: 3, remarks: [], longestOutageMs: 0 },
    };
    rig.renewal = view;
    await clock.advance(HOUR);
    await agent.idle();
    assert.equal(rig.fleet.arrived.length, 2, "an hour without an authority is nothing");
    const fault = {
      ...({ code: "ERR_ISSUER_REFUSED", reason: "refused", words: "403: not allowed" } as const),
      ...{ fix: "", needsOperator: true, at: clock.now(), times: 1 },
    };
    rig.renewal = { ...view, fault };
    await clock.advance(HOUR);
    // the fault is of this run of the agent: not knowing is not being well
    rig.renewal = { ...view, fault: undefined };
    await clock.advance(HOUR);
    rig.renewal = { ...view, fault };
    await clock.advance(HOUR);
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 renewal stuck 1"]);
    assert.deepEqual(rig.fleet.arrived[2]?.reasons, [
      { code: "ERR_ISSUER_REFUSED", words: "403: not allowed" },
    ]);
    rig.renewal = undefined;
    await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "renewal" });
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(3), ["4 generation in-force 2", "5 renewal recovered 2"]);
  });

  test("a renewal that has failed for a day is stuck, whatever it fails for", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    const { clock } = rig.rotation;
    const intent = { id: "re-key-2", state: "waiting", step: undefined, nextAttemptAt: 0 } as const;
    rig.renewal = {
      ...({ issuer: "step-ca", dueAt: clock.now(), reason: "share", words: "" } as const),
      ...{ intent, lastAttempt: clock.now(), lastError: "ERR_ISSUER_UNREACHABLE: no route" },
      ...{ fault: undefined, attempts: 3, remarks: [], longestOutageMs: 0 },
    };
    await clock.advance(23 * HOUR);
    assert.equal(rig.fleet.arrived.length, 2);
    await clock.advance(2 * HOUR);
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 renewal stuck 1"]);
    assert.equal(rig.fleet.arrived[2]?.reasons[0]?.code, "ERR_ISSUER_UNREACHABLE");
  });

  test("an empty store has nothing to tell, until it has an identity", async () => {
    const made = await ReportRig.make();
    const content = await made.rotation.content("roof-7");
    await made.rotation.store.reset();
    await using agent = await made.process();
    await agent.idle();
    assert.equal(agent.queue.list().length, 0);
    await agent.rotator.install(content, { origin: "enrolment" });
    await agent.idle();
    assert.deepEqual(
      made.fleet.arrived.map(({ kind, origin }) => [kind, origin]),
      [
        ["epoch", "enrolment"],
        ["generation", "enrolment"],
      ],
    );
  });
});

suite("delivery of reports", () => {
  test("nobody there: the oldest alone is tried; then all come at once, in order", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = AWAY;
    await using agent = await rig.process();
    const { clock } = rig.rotation;
    for (let number = 2; number <= 6; number++) {
      await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
      await clock.advance(HOUR);
    }
    const tried = agent.queue.list().filter(({ attempts }) => attempts > 0);
    assert.deepEqual(
      tried.map(({ id }) => id),
      ["report-1"],
    );
    rig.fleet.answer = () => undefined;
    await clock.advance(30 * MINUTE);
    assert.deepEqual(rig.fleet.said, [
      "1 epoch begun 1",
      ...[1, 2, 3, 4, 5, 6].map((number) => `${number + 1} generation in-force ${number}`),
    ]);
    assert.equal(agent.queue.list().filter(({ state }) => state !== "done").length, 0);
  });

  test("a service that is down for three months costs at most a hundred attempts a day", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = AWAY;
    await using agent = await rig.process();
    await rig.rotation.clock.advance(24 * HOUR);
    const before = agent.queue.wear.operations;
    const tried = rig.fleet.attempts;
    const notes = rig.rotation.store.writes.length;
    for (let day = 0; day < 90; day++) await rig.rotation.clock.advance(24 * HOUR);
    const daily = (agent.queue.wear.operations - before) / 90;
    assert.ok(daily > 40 && daily < 150, `${daily} operations a day`);
    assert.ok(rig.fleet.attempts - tried < 90 * 75);
    assert.equal(rig.rotation.store.writes.length, notes, "and nothing in the store");
  });

  test("one that is refused for good does not hold up those after it", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = ({ report }) => (report === 1 ? REFUSAL : undefined);
    await using agent = await rig.process();
    await agent.idle();
    assert.deepEqual(rig.fleet.said, ["2 generation in-force 1"]);
    assert.equal(rig.fleet.arrived[0]?.lost, 0, "it was refused in the same attempt");
    assert.equal(agent.log.of("report.refused").length, 1);
    await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
    await agent.idle();
    assert.equal(rig.fleet.arrived[1]?.lost, 1);
  });

  test("one at which the service fails each time is given up once it takes the next, and never before", async () => {
    const rig = await ReportRig.make();
    const { clock } = rig.rotation;
    rig.fleet.answer = FAILS;
    await using agent = await rig.process();
    await clock.advance(24 * HOUR);
    assert.equal(rig.fleet.arrived.length, 0, "a service that fails at everything loses nothing");
    assert.equal(agent.queue.list().filter(({ state }) => state === "waiting").length, 2);
    rig.fleet.answer = (report) => (report.report === 1 ? FAILS() : undefined);
    await clock.advance(HOUR);
    assert.deepEqual(rig.fleet.said, ["2 generation in-force 1"]);
    const [refused, ...more] = agent.log.of("report.refused");
    assert.match(String(refused?.["reason"]), /it failed \d+ times, and report 2 was taken: 500/);
    assert.deepEqual([refused?.["report"], more], [1, []]);
    await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(1), ["3 generation in-force 2"]);
    assert.equal(rig.fleet.arrived[1]?.lost, 1, "the gap is told");
    assert.ok(agent.queue.list().every(({ state }) => state === "done"));
  });

  test("a service that recovers between two reports of an attempt gets both", async () => {
    const rig = await ReportRig.make();
    const { clock } = rig.rotation;
    let isWell = false;
    rig.fleet.answer = ({ report }) => {
      isWell ||= report === 2 && rig.fleet.attempts > 12;
      return isWell ? undefined : FAILS();
    };
    await using agent = await rig.process();
    await clock.advance(24 * HOUR);
    assert.deepEqual(rig.fleet.said, ["2 generation in-force 1", "1 epoch begun 1"]);
    assert.deepEqual(agent.log.of("report.refused"), []);
    assert.ok(agent.queue.list().every(({ state }) => state === "done"));
  });

  test("two in a row: each has its turn; a service that fails at all is not asked for all", async () => {
    const rig = await ReportRig.make();
    const { clock } = rig.rotation;
    rig.fleet.answer = FAILS;
    await using agent = await rig.process();
    for (let number = 2; number <= 20; number++) {
      await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
    }
    await clock.advance(72 * HOUR);
    const before = rig.fleet.attempts;
    await clock.advance(24 * HOUR);
    assert.ok(rig.fleet.attempts - before <= 75 * 5, `${rig.fleet.attempts - before} calls a day`);
    rig.fleet.answer = ({ report }) => (report <= 2 ? FAILS() : undefined);
    await clock.advance(HOUR);
    assert.equal(rig.fleet.arrived.length, 19);
    assert.deepEqual(
      agent.log.of("report.refused").map(({ report }) => report),
      [1, 2],
    );
  });

  test("one that is through is asked for again in the same attempt: nothing is lost, also at the next start", async () => {
    const rig = await ReportRig.make();
    const busy = Promise.withResolvers<undefined>();
    rig.fleet.answer = ({ report }) => (report === 2 ? busy.promise : undefined);
    {
      await using agent = await rig.process();
      await agent.idle();
      assert.equal(agent.queue.find("report-1")?.state, "running");
      await agent.queue.retry("report-1");
      await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
      await agent.idle();
      rig.fleet.answer = AWAY;
      busy.resolve(undefined);
      await agent.idle();
    }
    rig.fleet.answer = () => undefined;
    await using agent = await rig.process();
    await rig.rotation.clock.advance(30 * MINUTE);
    await agent.idle();
    assert.deepEqual(rig.fleet.said, [
      "1 epoch begun 1",
      "2 generation in-force 1",
      "3 generation in-force 2",
    ]);
    assert.ok(rig.fleet.arrived.every(({ lost }) => lost === 0));
  });

  test("one that was refused before the restart, and is asked for again, is not lost any more", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = ({ report }) => (report === 2 ? REFUSAL : undefined);
    {
      await using agent = await rig.process();
      await agent.idle();
    }
    rig.fleet.answer = () => undefined;
    await using agent = await rig.process();
    await agent.idle();
    await agent.queue.retry("report-2");
    await agent.idle();
    assert.deepEqual(rig.fleet.said, ["1 epoch begun 1", "2 generation in-force 1"]);
    assert.equal(rig.fleet.arrived[1]?.lost, 0);
  });

  test("one among many that is refused ends as failed; an operator's retry sends it", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = ({ report }) => (report === 2 ? REFUSAL : undefined);
    await using agent = await rig.process();
    await agent.idle();
    assert.deepEqual(
      agent.queue.list().map(({ id, state, lastError }) => [id, state, lastError]),
      [["report-2", "failed", "ERR_REPORT_REFUSED: 400: no such device"]],
    );
    rig.fleet.answer = () => undefined;
    await agent.queue.retry("report-2");
    await agent.idle();
    assert.deepEqual(rig.fleet.said, ["1 epoch begun 1", "2 generation in-force 1"]);
    assert.equal(rig.fleet.arrived[1]?.lost, 0);
    assert.equal(agent.queue.find("report-2")?.state, "done");
  });

  test("a full queue: the oldest give way, and the receiver sees the gap and how many are lost", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = AWAY;
    const { store, clock } = rig.rotation;
    {
      await using agent = await rig.process();
      for (let number = 2; number <= 70; number++) {
        await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
        await agent.idle();
      }
      assert.equal(agent.queue.list().length, 56);
    }
    const note = await store.readNote(REPORT_NOTE);
    assert.ok((note?.length ?? 0) < 60 * 1024, `${note?.length} bytes`);
    rig.fleet.answer = () => undefined;
    await using agent = await rig.process();
    await clock.advance(30 * MINUTE);
    await agent.idle();
    const numbers = rig.fleet.arrived.map(({ report }) => report);
    assert.equal(numbers.length, 56);
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(numbers.at(-1), 71);
    assert.equal(numbers[0], 16);
    assert.ok(rig.fleet.arrived.every(({ lost }) => lost === 15));
    assert.equal(rig.fleet.arrived.map(sentence).at(-1), "71 generation in-force 70");
  });

  test("a report that an operator drops is not sent, and counts as lost", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = AWAY;
    await using agent = await rig.process();
    await agent.idle();
    await agent.queue.drop("report-1");
    rig.fleet.answer = () => undefined;
    await rig.rotation.clock.advance(30 * MINUTE);
    await agent.idle();
    assert.deepEqual(rig.fleet.said, ["2 generation in-force 1"]);
    assert.equal(rig.fleet.arrived[0]?.lost, 1);
  });

  test("a note that can't be written is written later: no change is lost", async () => {
    const rig = await ReportRig.make();
    await using agent = await rig.process();
    await agent.idle();
    const { store, clock } = rig.rotation;
    store.failing.set("writeNote", new AgentError("ERR_STORE_FULL", "the disk is full"));
    await agent.rotator.install(await rig.rotation.content("roof-7"), { origin: "import" });
    await agent.idle();
    assert.equal(rig.fleet.arrived.length, 2);
    assert.ok(agent.log.of("report.unwritten").length > 0);
    store.failing.clear();
    await clock.advance(10 * MINUTE);
    await agent.idle();
    assert.deepEqual(rig.fleet.said.slice(2), ["3 generation in-force 2"]);
  });

  test("a note that is gone: numbers go on, and the receiver is told that something may be missing", async () => {
    const rig = await ReportRig.make();
    rig.fleet.answer = AWAY;
    {
      await using first = await rig.process();
      await first.idle();
    }
    await rig.rotation.store.dropNote(REPORT_NOTE);
    rig.fleet.answer = () => undefined;
    await using agent = await rig.process();
    await rig.rotation.clock.advance(30 * MINUTE);
    await agent.idle();
    assert.deepEqual(rig.fleet.said, ["3 epoch begun 1", "4 generation in-force 1"]);
    assert.equal(rig.fleet.arrived[0]?.reasons[0]?.code, "note-lost");
  });
});
