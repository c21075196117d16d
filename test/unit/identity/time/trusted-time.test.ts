import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { TimeClaim } from "#src/identity/time/time-claim.ts";
import { FLOOR_NOTE, formatFloor, readFloor } from "#src/identity/time/time-floor.ts";
import type { TimeState } from "#src/identity/time/time-view.ts";
import { FakeClock } from "../../../fakes/fake-clock.ts";
import {
  crlClaim,
  DEVICE,
  EPOCH,
  Fleet,
  MemoryNotes,
  type TimeRig,
  timeRig,
} from "../../../fakes/trusted-time.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BUILT = Date.UTC(2026, 0, 1);
const NOW = Date.UTC(2026, 5, 1);
const CA_ENDS = Date.UTC(2036, 0, 1);
const SET = async () => ({ synchronised: true, words: "set by a test" });

suite("states", () => {
  interface Row {
    readonly why: string;
    readonly clockMs: number;
    readonly synchronised?: boolean;
    readonly claim?: TimeClaim;
    readonly state: TimeState;
    readonly wrong: boolean;
    readonly nowMs: number;
  }
  const issued = (atMs: number): TimeClaim =>
    crlClaim(atMs, { source: "certificate", answersUs: true });
  const rows: readonly Row[] = [
    { why: "nobody vouches", clockMs: NOW, state: "unknown", wrong: false, nowMs: NOW },
    {
      why: "1970 is before the build date",
      clockMs: 5000,
      state: "floor",
      wrong: true,
      nowMs: BUILT,
    },
    {
      why: "2015, although a time service says that it has set the clock",
      clockMs: Date.UTC(2015, 0, 1),
      synchronised: true,
      state: "floor",
      wrong: true,
      nowMs: BUILT,
    },
    {
      why: "a time service, past the floor",
      clockMs: NOW,
      synchronised: true,
      state: "network",
      wrong: false,
      nowMs: NOW,
    },
    {
      why: "ten minutes behind a CRL is drift, not a fault; the floor counts",
      clockMs: NOW,
      claim: crlClaim(NOW + 10 * 60_000),
      state: "unknown",
      wrong: false,
      nowMs: NOW + 10 * 60_000,
    },
    {
      why: "a CRL of yesterday says nothing of today",
      clockMs: NOW,
      claim: crlClaim(NOW - DAY),
      state: "unknown",
      wrong: false,
      nowMs: NOW,
    },
    {
      why: "a day behind a CRL",
      clockMs: NOW,
      claim: crlClaim(NOW + DAY),
      state: "floor",
      wrong: true,
      nowMs: NOW + DAY,
    },
    {
      why: "a certificate made for us just now, dated back by an hour",
      clockMs: NOW,
      claim: issued(NOW - HOUR),
      state: "authenticated",
      wrong: false,
      nowMs: NOW,
    },
    {
      why: "a certificate made for us just now, and the clock is ten years ahead: nobody vouches for that",
      clockMs: Date.UTC(2035, 0, 1),
      claim: issued(NOW),
      state: "unknown",
      wrong: false,
      nowMs: Date.UTC(2035, 0, 1),
    },
  ];
  for (const { why, clockMs, synchronised = false, claim, state, wrong, nowMs } of rows) {
    test(`${state}: ${why}`, async () => {
      const timeSync = async () => ({ synchronised, words: "-" });
      const { time } = await timeRig({ clock: new FakeClock(clockMs), timeSync });
      if (claim !== undefined) time.claim(claim);
      const view = time.view();
      assert.deepEqual([view.state, view.clockWrong, view.nowMs], [state, wrong, nowMs]);
      assert.equal(view.words === undefined, state === "network" || state === "authenticated");
      assert.ok(view.floorMs >= BUILT);
    });
  }

  for (const [why, claim, vouched] of [
    ["a list that anybody may have sent", crlClaim(NOW), undefined],
    ["an answer to us", issued(NOW), true],
  ] as const) {
    test(`a wrong clock, and ${why}: the proven time is ${vouched ? "" : "not "}vouched for`, async () => {
      const { time } = await timeRig({ clock: new FakeClock(5000) });
      time.claim(claim);
      assert.deepEqual([time.view().state, time.view().vouched], ["floor", vouched]);
    });
  }

  test("the proven time goes on while the clock stays wrong, and a time service ends it", async () => {
    let synchronised = false;
    const timeSync = async () => ({ synchronised, words: "-" });
    const { time, clock, log } = await timeRig({ clock: new FakeClock(0), timeSync });
    await clock.advance(2 * HOUR);
    assert.equal(time.view().nowMs, BUILT + 2 * HOUR);
    clock.jump(NOW);
    synchronised = true;
    await clock.advance(60_000);
    assert.equal(time.view().state, "network");
    assert.equal(log.of("time.clock.wrong").length, 1);
    assert.equal(log.of("time.clock.right").length, 1);
    assert.deepEqual(
      log.of("time.known").map(({ state }) => state),
      ["floor", "network"],
    );
  });
});

suite("what an authority says", () => {
  const issuers = [{ subject: "CN=Old", notAfter: NOW + DAY }];
  const rows: readonly { why: string; claim: TimeClaim; expected: string }[] = [
    { why: "thisUpdate of a CRL", claim: crlClaim(NOW), expected: "raised" },
    { why: "of an OCSP answer", claim: crlClaim(NOW, { source: "ocsp" }), expected: "raised" },
    {
      why: "a certificate for our own request",
      claim: crlClaim(NOW, { source: "certificate", answersUs: true }),
      expected: "raised",
    },
    {
      why: "notBefore of a certificate that was made for us before this start",
      claim: crlClaim(NOW, { source: "certificate", answeredUs: true }),
      expected: "raised",
    },
    {
      why: "any other certificate: who asked for it may have chosen its beginning",
      claim: crlClaim(NOW, { source: "certificate" }),
      expected: "not-ours",
    },
    { why: "before the build date", claim: crlClaim(BUILT - DAY), expected: "known" },
    {
      why: "the last moment of its authority",
      claim: crlClaim(NOW + DAY, { issuers }),
      expected: "raised",
    },
    {
      why: "a moment after the end of its authority",
      claim: crlClaim(NOW + DAY + 1, { issuers }),
      expected: "beyond-authority",
    },
    {
      why: "after the end of an authority further up",
      claim: crlClaim(NOW + 2 * DAY, {
        issuers: [{ subject: "CN=Young", notAfter: CA_ENDS }, ...issuers],
      }),
      expected: "beyond-authority",
    },
    { why: "no authority at all", claim: crlClaim(NOW, { issuers: [] }), expected: "malformed" },
    { why: "not a moment", claim: crlClaim(Number.NaN), expected: "malformed" },
  ];
  for (const { why, claim, expected } of rows) {
    test(`${expected}: ${why}`, async () => {
      const { time, log } = await timeRig();
      const outcome = time.claim(claim);
      assert.equal(outcome.kind === "refused" ? outcome.reason : outcome.kind, expected);
      assert.equal(time.view().floorMs, outcome.kind === "raised" ? claim.atMs : BUILT);
      time.claim(claim);
      assert.equal(log.of("time.floor.refused").length, outcome.kind === "refused" ? 1 : 0);
    });
  }
});

suite("what is written", () => {
  test("a quiet day writes nothing; a time service writes nothing", async () => {
    const { notes, clock } = await timeRig({ timeSync: SET });
    await clock.advance(3 * DAY);
    assert.equal(notes.writes, 0);
  });

  test("a rise of a day is written, once a day at most, and found again", async () => {
    const rig = await timeRig();
    const { time, clock, notes } = rig;
    time.claim(crlClaim(NOW));
    await clock.advance(HOUR);
    assert.equal(notes.writes, 1);
    time.claim(crlClaim(NOW + 2 * DAY));
    await clock.advance(22 * HOUR);
    assert.equal(notes.writes, 1, "not twice in a day");
    await clock.advance(2 * HOUR);
    assert.equal(notes.writes, 2, "but when the day is over");
    time.claim(crlClaim(NOW + 2 * DAY + 23 * HOUR));
    await clock.advance(5 * DAY);
    assert.equal(notes.writes, 2, "less than a day is not worth a write");
    const again = await timeRig({ notes, clock: new FakeClock(0) });
    assert.equal(again.time.view().floorMs, NOW + 2 * DAY);
    assert.equal(again.time.floorSource, "crl");
  });

  test("a disk that fails is said once, tried hourly, and costs no floor", async () => {
    const { time, clock, notes, log } = await timeRig();
    notes.fault = "EROFS: read-only file system";
    time.claim(crlClaim(NOW));
    await clock.advance(5 * HOUR);
    assert.equal(time.view().floorMs, NOW);
    assert.deepEqual(log.of("time.floor.unwritten"), [{ reason: "EROFS: read-only file system" }]);
    notes.fault = undefined;
    await clock.advance(2 * HOUR);
    assert.equal(notes.writes, 1);
  });

  const noted = (floor: object): Uint8Array =>
    formatFloor({
      atMs: NOW,
      source: "crl",
      untilMs: CA_ENDS,
      evidence: "e",
      disproved: [],
      ...floor,
    });
  const whole = noted({});
  const rows: readonly { why: string; bytes: Uint8Array | undefined; fault: RegExp | undefined }[] =
    [
      { why: "none", bytes: undefined, fault: undefined },
      { why: "empty", bytes: new Uint8Array(), fault: /can't be read/ },
      { why: "torn", bytes: whole.slice(0, 40), fault: /can't be read/ },
      {
        why: "a flipped bit",
        bytes: whole.map((byte, at) => (at === 24 ? byte ^ 1 : byte)),
        fault: /checksum|can't be read/,
      },
      { why: "of a later format", bytes: noted({ format: 2 }), fault: /format 2 is not known/ },
      { why: "a text for a number", bytes: noted({ atMs: "soon" }), fault: /wrong type/ },
      {
        why: "beyond its own authority",
        bytes: noted({ atMs: CA_ENDS + 1 }),
        fault: /could vouch/,
      },
      {
        why: "beyond every authority there is",
        bytes: noted({ atMs: NOW + 40 * DAY }),
        fault: /every authority of the trust bundle has ended/,
      },
      {
        why: "the fleet's, without its words",
        bytes: noted({ source: "fleet" }),
        fault: /fleet statement/,
      },
      {
        why: "the fleet's, by a key that is not configured",
        bytes: noted({
          source: "fleet",
          statement: new Fleet(9).sign({
            device: DEVICE,
            epoch: EPOCH,
            nonce: "0".repeat(64),
            time: NOW,
          }),
        }),
        fault: /no fleet key/,
      },
    ];
  for (const { why, bytes, fault } of rows) {
    test(`the build date takes the place of a note that is: ${why}`, async () => {
      const notes = new MemoryNotes();
      if (bytes !== undefined) notes.notes.set(FLOOR_NOTE, bytes);
      const { time, log } = await timeRig({ notes, plausibleUntilMs: NOW + 30 * DAY });
      assert.equal(time.view().floorMs, BUILT);
      const said = log.of("time.floor.unreadable");
      if (fault === undefined) assert.equal(said.length, 0);
      else assert.match(String(said[0]?.["reason"]), fault);
    });
  }
  test("a whole note counts, and a note of the fleet's is checked again by its signature", () => {
    const fleet = new Fleet();
    const context = { builtAt: BUILT, plausibleUntilMs: NOW, fleetKeys: [fleet.key] };
    assert.equal(readFloor(whole, context).floor.atMs, NOW);
    const time = NOW + 40 * DAY;
    const statement = fleet.sign({ device: DEVICE, epoch: EPOCH, nonce: "0".repeat(64), time });
    const bytes = noted({ source: "fleet", atMs: time, statement });
    assert.deepEqual(readFloor(bytes, context).fault, undefined);
    assert.equal(readFloor(bytes, context).floor.atMs, time);
  });
});

suite("time statements", () => {
  /** A device whose floor lies years ahead, by a CRL of an authority whose clock was wrong. */
  async function ahead(): Promise<TimeRig> {
    const rig = await timeRig({ clock: new FakeClock(NOW) });
    rig.time.claim(crlClaim(Date.UTC(2031, 0, 1)));
    assert.equal(rig.time.view().clockWrong, true);
    return rig;
  }

  test("one that answers lowers the floor, on the flash too, and the CRL never counts again", async () => {
    const { time, fleet, notes, log } = await ahead();
    const text = fleet.answer(time.challenge(), NOW);
    assert.deepEqual(await time.applyStatement(text), {
      kind: "accepted",
      floorMs: NOW,
      loweredFromMs: Date.UTC(2031, 0, 1),
    });
    assert.deepEqual([time.view().state, time.view().clockWrong], ["authenticated", false]);
    assert.equal(log.of("time.floor.lowered").length, 1);
    const again = await timeRig({ notes, clock: new FakeClock(NOW) });
    for (const each of [time, again.time]) {
      assert.equal(each.view().floorMs, NOW);
      const outcome = each.claim(crlClaim(Date.UTC(2031, 0, 1)));
      assert.equal(outcome.kind === "refused" && outcome.reason, "disproved");
    }
    const other = time.claim(crlClaim(Date.UTC(2031, 0, 2)));
    assert.equal(other.kind === "refused" && other.reason, "ahead-of-fleet");
  });

  test("one shows a clock that is ten years ahead to be wrong", async () => {
    const { time, fleet, clock } = await timeRig({ clock: new FakeClock(Date.UTC(2036, 5, 1)) });
    await time.applyStatement(fleet.answer(time.challenge(), NOW));
    await clock.advance(HOUR);
    const { state, clockWrong, nowMs } = time.view();
    assert.deepEqual([state, clockWrong, nowMs], ["authenticated", true, NOW + HOUR]);
  });

  interface Row {
    readonly why: string;
    readonly reason: string;
    readonly make: (rig: TimeRig) => string | Promise<string>;
  }
  const other = new Fleet(9);
  const rows: readonly Row[] = [
    { why: "not a statement", reason: "malformed", make: () => "{}" },
    {
      why: "another fleet",
      reason: "unknown-key",
      make: ({ time }) => other.answer(time.challenge(), NOW),
    },
    {
      why: "changed after it was signed",
      reason: "bad-signature",
      make: ({ time, fleet }) =>
        fleet.answer(time.challenge(), NOW).replace(`"time":${NOW}`, `"time":${NOW + 1}`),
    },
    {
      why: "another device's answer",
      reason: "wrong-device",
      make: ({ time, fleet }) => fleet.answer({ ...time.challenge(), device: "roof-8" }, NOW),
    },
    {
      why: "of a store that was wiped",
      reason: "wrong-epoch",
      make: ({ time, fleet }) => fleet.answer({ ...time.challenge(), epoch: "0".repeat(32) }, NOW),
    },
    {
      why: "a nonce that nobody drew",
      reason: "unknown-nonce",
      make: ({ time, fleet }) => fleet.answer({ ...time.challenge(), nonce: "0".repeat(64) }, NOW),
    },
    {
      why: "a nonce of the run before",
      reason: "unknown-nonce",
      make: async ({ fleet }) => {
        const before = await timeRig({
          random: { draw: () => 0.5, bytes: (n) => new Uint8Array(n).fill(9) },
        });
        return fleet.answer(before.time.challenge(), NOW);
      },
    },
    {
      why: "played again",
      reason: "used-nonce",
      make: async ({ time, fleet }) => {
        const text = fleet.answer(time.challenge(), Date.UTC(2031, 0, 1));
        assert.equal((await time.applyStatement(text)).kind, "accepted");
        return text;
      },
    },
    {
      why: "a millisecond over ten minutes",
      reason: "old-nonce",
      make: async ({ time, fleet, clock }) => {
        const challenge = time.challenge();
        await clock.advance(600_001);
        return fleet.answer(challenge, NOW);
      },
    },
    {
      why: "within ten minutes by a clock that was set back, but not in truth",
      reason: "old-nonce",
      make: async ({ time, fleet, clock }) => {
        const challenge = time.challenge();
        await clock.advance(600_001);
        clock.jump(-600_001);
        return fleet.answer(challenge, NOW);
      },
    },
    {
      why: "earlier than the program itself",
      reason: "before-build",
      make: ({ time, fleet }) => fleet.answer(time.challenge(), BUILT - 1),
    },
  ];
  for (const { why, reason, make } of rows) {
    test(`refused, ${reason}: ${why}`, async () => {
      const rig = await ahead();
      const text = await make(rig);
      const floorMs = rig.time.view().floorMs;
      const outcome = await rig.time.applyStatement(text);
      assert.equal(outcome.kind === "refused" ? outcome.reason : outcome.kind, reason);
      assert.equal(rig.time.view().floorMs, floorMs);
      assert.equal(rig.log.of("time.statement.refused")[0]?.["code"], reason);
    });
  }

  test("a refused one does not spend the nonce; ten minutes to the millisecond is in time", async () => {
    const { time, fleet, clock } = await ahead();
    const challenge = time.challenge();
    await time.applyStatement(other.answer(challenge, NOW));
    await clock.advance(600_000);
    assert.equal((await time.applyStatement(fleet.answer(challenge, NOW))).kind, "accepted");
  });

  test("without keys, name or store there is no challenge, and the reason is said", async () => {
    const { time } = await timeRig({ fleetKeys: [] });
    assert.throws(() => time.challenge(), /time\.fleet_keys/);
    const nameless = await timeRig({ device: () => undefined });
    assert.throws(() => nameless.time.challenge(), /no certificate/);
  });
});
