import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { WatchedCertificate } from "#src/identity/time/expiry-reading.ts";
import { ExpiryWatch } from "#src/identity/time/expiry-watch.ts";
import { judgeClockTrust, judgeExpiries, timeLine } from "#src/identity/time/time-checks.ts";
import { FakeClock } from "../../../fakes/fake-clock.ts";
import { timeRig } from "../../../fakes/trusted-time.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 5, 1);

function watched(
  role: WatchedCertificate["role"],
  leftDays: number,
  lifeDays = 365,
): WatchedCertificate {
  const notAfter = NOW + leftDays * DAY;
  const notBefore = notAfter - lifeDays * DAY;
  const name = `${role}-${leftDays}`;
  const names = { subject: `CN=${name}`, issuer: "CN=CA", serial: "01", fingerprint: name };
  return { role, certificate: { summary: { ...names, notBefore, notAfter } } };
}

async function watch(list: WatchedCertificate[], clockMs = NOW, synchronised = true) {
  const rig = await timeRig({
    clock: new FakeClock(clockMs),
    timeSync: async () => ({ synchronised, words: "set by a test" }),
  });
  const expiry = new ExpiryWatch({ certificates: () => list, view: () => rig.time.view(), ...rig });
  expiry.start();
  const told = (): string[] =>
    rig.log.lines
      .filter(({ event }) => event.startsWith("certificate.expiry"))
      .map(
        ({ event, fields }) => `${event.slice(19)} ${fields["subject"] ?? fields["certificates"]}`,
      );
  return { ...rig, expiry, told, list };
}

suite("the watch over certificates that end", () => {
  test("the levels of a year's leaf are said when they are reached, and daily after that", async () => {
    const { clock, told, expiry, list } = await watch([watched("leaf", 31)]);
    await clock.advance(DAY);
    assert.deepEqual(told(), []);
    await clock.advance(HOUR);
    assert.deepEqual(told(), ["warning CN=leaf-31"]);
    await clock.advance(2 * DAY);
    assert.equal(told().length, 3, "once a day");
    await clock.advance(20 * DAY);
    assert.equal(told().filter((each) => each.startsWith("warning")).length, 23);
    await clock.advance(2 * DAY);
    assert.equal(told().at(-1), "critical CN=leaf-31");
    list[0] = watched("leaf", 400, 800);
    expiry.look();
    await clock.advance(3 * DAY);
    assert.equal(told().at(-1), "critical CN=leaf-31", "the new one has nothing to say");
  });

  test("intermediates and every authority are watched, the worst comes first", async () => {
    const { told, expiry } = await watch([
      watched("leaf", 100),
      watched("intermediate", 20),
      watched("anchor", -1),
      watched("anchor", 5),
      watched("anchor", 500, 3650),
    ]);
    assert.deepEqual(told(), [
      "critical CN=anchor--1",
      "critical CN=anchor-5",
      "warning CN=intermediate-20",
    ]);
    const readings = expiry.look();
    assert.deepEqual(
      readings.map(({ level }) => level),
      ["expired", "critical", "warn", "good", "good"],
    );
    assert.equal(told().length, 3, "nothing is said twice");
    const { result, reason } = judgeExpiries(readings);
    assert.equal(result, "fail");
    assert.match(reason, /"CN=anchor--1" ended 1 day ago \(2026-05-31T00:00:00Z\); 2 more deserve/);
  });

  test("a wrong clock is no alarm: one line says that dates mean little", async () => {
    const list = [watched("leaf", 100), watched("anchor", 500, 3650)];
    const { clock, told, expiry } = await watch(list, 0, false);
    assert.deepEqual(told(), ["unclear 2"]);
    await clock.advance(DAY);
    assert.deepEqual(told(), ["unclear 2", "unclear 2"]);
    const finding = judgeExpiries(expiry.look());
    assert.equal(finding.result, "warn");
    assert.match(finding.reason, /the clock is wrong, so this date means little/);
    clock.jump(NOW - DAY);
    expiry.look();
    assert.equal(told().length, 2, "all is good again, and there was no alarm to take back");
  });

  test("what has ended by the proven time has ended, whatever the clock says", async () => {
    // The build date is 2026-01-01, 151 days before NOW.
    const { told } = await watch([watched("leaf", -152)], Date.UTC(2015, 0, 1), false);
    assert.deepEqual(told(), ["critical CN=leaf--152"]);
  });

  test("ends with its owner", async () => {
    const { clock, expiry, time } = await watch([]);
    expiry[Symbol.dispose]();
    await time[Symbol.asyncDispose]();
    assert.equal(clock.timers, 0);
  });
});

suite("what doctor says of the clock", () => {
  const rows = [
    {
      clockMs: NOW,
      synchronised: true,
      result: "ok",
      words: /2026-06-01T00:00:00Z, set by a test/,
    },
    { clockMs: NOW, synchronised: false, result: "warn", words: /but set by a test/ },
    {
      clockMs: 0,
      synchronised: false,
      result: "fail",
      words: /says 1970-01-01T00:00:00Z, but it is 2026-01-01T00:00:00Z at least/,
    },
  ];
  for (const { clockMs, synchronised, result, words } of rows) {
    test(`${result}: ${words.source}`, async () => {
      const { time } = await watch([], clockMs, synchronised);
      const finding = judgeClockTrust(time.view(), time.timeService);
      assert.equal(finding.result, result);
      assert.match(finding.reason, words);
      assert.equal(finding.fix !== undefined, result !== "ok");
      assert.notEqual(timeLine(time.view()), "");
    });
  }
});
