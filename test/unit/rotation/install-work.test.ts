import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import { CandidateRefused } from "#src/rotation/candidate-refused.ts";
import { FALL_BACK_CODES } from "#src/rotation/identity-state.ts";
import { canPass } from "#src/rotation/install-failure.ts";
import type { PushedIdentity } from "#src/rotation/install-note.ts";
import { readLongNote } from "#src/rotation/long-note.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";
import { type Bringing, type PushedDevice, PushRig } from "../../fakes/push-rig.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const push = (brought: Bringing, more: Partial<PushedIdentity> = {}): PushedIdentity => ({
  ...{ ...brought, origin: "push", ...more },
});

/** A device with an identity that its peer has taken. */
async function device(): Promise<{
  rig: PushRig;
  disk: PowerDisk;
  own: PushedDevice;
  first: Bringing;
}> {
  const rig = await PushRig.make();
  const first = await rig.bring();
  const disk = await rig.disk(first);
  return { rig, disk, own: await rig.start(disk), first };
}

function serial({ source }: PushedDevice): string | undefined {
  return source.leaf?.summary.serial;
}

/** A key that belongs to no certificate here. */
const stranger = await (await PushRig.make()).bring();

suite("a push", () => {
  test("is durable when it was accepted, in force after one attempt, and leaves only its number", async () => {
    const { rig, own } = await device();
    const before = serial(own);
    const accepted = await own.installs.accept(push(await rig.bring()), 7);
    assert.deepEqual(accepted, { id: "install-7", generation: 7, state: "waiting" });
    assert.equal(own.queue.find("install-7")?.object, "note/install-7");
    assert.deepEqual([...own.store.pendingKeys().keys()], ["install-key.7"]);
    assert.equal(await own.attempt("install"), "done");
    assert.notEqual(serial(own), before);
    assert.equal(own.store.current?.origin, "push");
    assert.equal(await own.installs.position(), 7);
    await own.installs.sweep();
    assert.deepEqual([...own.store.pendingKeys().keys()], []);
    assert.equal(await readLongNote(own.store, "install-7"), undefined);
  });

  test("on an empty store begins generation 1, but not without a trust bundle", async () => {
    const rig = await PushRig.make();
    await using own = await rig.start(new PowerDisk());
    await assert.rejects(own.installs.accept(push(await rig.bring())), /no trust bundle/);
    assert.deepEqual(own.queue.list(), []);
    const whole = push(await rig.bring(), { trustBundlePem: rig.pki.caPem });
    assert.equal((await own.installs.accept(whole)).id, "install-1");
    assert.equal(await own.attempt("install"), "done");
    assert.equal(own.store.current?.number, 1);
  });

  test("with a key that waits in the store takes that, and removes it when it is in force", async () => {
    const { rig, own } = await device();
    const { chainPem, privateKeyPem } = await rig.bring();
    const key = await rig.keys.import(privateKeyPem);
    await own.store.keepKey("next-year", key);
    await own.installs.accept({ chainPem, origin: "import" });
    assert.deepEqual([...own.store.pendingKeys().keys()], ["next-year"]);
    assert.equal(await own.attempt("install"), "done");
    assert.deepEqual([...own.store.pendingKeys().keys()], []);
    assert.equal(own.store.current?.key.spkiSha256, key.spkiSha256);
  });

  test("for the key in force, with other roots, is in force with that key", async () => {
    const { rig, own, first } = await device();
    const more = rig.pki.caPem + (await PushRig.make()).pki.caPem;
    const key = own.store.current?.key.spkiSha256;
    await own.installs.accept({ chainPem: first.chainPem, trustBundlePem: more, origin: "push" });
    assert.equal(await own.attempt("install"), "done");
    assert.equal(own.store.current?.trustBundlePem.split("BEGIN").length, 3);
    assert.equal(own.store.current?.key.spkiSha256, key);
  });

  test("of more than a note may hold is kept whole, and a lost part is told", async () => {
    const { rig, own } = await device();
    const trustBundlePem = rig.pki.caPem + `# ${"x".repeat(70)}\n`.repeat(3000);
    await own.installs.accept(push(await rig.bring(), { trustBundlePem }), 7);
    const parts = own.store.noteNames().filter((name) => name.startsWith("install-7"));
    assert.ok(parts.length > 3, parts.join());
    await own.installs.accept(push(await rig.bring(), { trustBundlePem }), 8);
    await own.installs.sweep();
    assert.ok(!own.store.noteNames().some((name) => name.startsWith("install-7")));
    await own.store.dropNote("install-8.2");
    assert.match(String(await own.attempt("install")), /missing or damaged/);
    assert.equal(own.queue.find("install-8")?.state, "failed");
  });

  const REFUSED: readonly {
    readonly why: string;
    readonly what: Partial<PushedIdentity>;
    readonly code: string;
  }[] = [
    { why: "no certificate", what: { chainPem: "nothing" }, code: "ERR_IMPORT_INVALID" },
    { why: "no key anywhere", what: { privateKeyPem: undefined }, code: "ERR_IMPORT_INVALID" },
    {
      why: "the key of another",
      what: { privateKeyPem: stranger.privateKeyPem },
      code: "ERR_IMPORT_INVALID",
    },
  ];
  for (const { why, what, code } of REFUSED) {
    test(`that can't be one is refused, and nothing is kept: ${why}`, async () => {
      const { rig, own } = await device();
      await assert.rejects(own.installs.accept(push(await rig.bring(), what), 7), { code });
      assert.deepEqual(own.queue.list(), []);
      assert.deepEqual(
        own.store.noteNames().filter((name) => name.startsWith("install")),
        [],
      );
    });
  }
});

suite("a push that can never go in force", () => {
  const tomorrow = { notBefore: Date.UTC(2026, 5, 2) };
  const reason = (code: string) => () => [{ code, words: code, fix: "" }];
  const HOPELESS: readonly {
    readonly why: string;
    readonly judge: PushRig["judge"];
    readonly more?: Partial<PushedIdentity>;
    readonly words: RegExp;
  }[] = [
    { why: "another name", judge: reason("wrong-name"), words: /^wrong-name$/ },
    {
      why: "another name, and its time has not come",
      judge: reason("wrong-name"),
      words: /^wrong-name; its time has not come$/,
    },
    { why: "another epoch", judge: () => [], more: { epoch: "f".repeat(32) }, words: /epoch/ },
  ];
  for (const { why, judge, more, words } of HOPELESS) {
    test(`is refused at once, and one that waits keeps its place: ${why}`, async () => {
      const { rig, own } = await device();
      await own.installs.accept(push(await rig.bring("roof-7", tomorrow)), 7);
      rig.judge = judge;
      const later = /has not come/.test(words.source) ? tomorrow : {};
      const bad = push(await rig.bring("roof-7", later), more);
      await assert.rejects(own.installs.accept(bad, 8), (error) => {
        assert.ok(error instanceof CandidateRefused);
        assert.match(error.message, words);
        return true;
      });
      rig.judge = () => [];
      assert.equal(own.queue.find("install-7")?.state, "waiting");
      assert.equal(own.queue.find("install-8"), undefined);
      assert.deepEqual([...own.store.pendingKeys().keys()], ["install-key.7"]);
      assert.equal(await readLongNote(own.store, "install-8"), undefined);
      assert.equal(own.log.of("certificate.refused").length, 1);
      await rig.clock.advance(2 * DAY_MS);
      assert.equal(await own.attempt("install"), "done");
    });
  }

  test("but one that fell back before is refused, and with force it is taken", async () => {
    const { rig, own } = await device();
    const bad = await rig.bring();
    await own.installs.accept(push(bad), 7);
    await own.attempt("install");
    const { number = 0 } = own.store.current ?? {};
    await own.store.fallBack([{ code: FALL_BACK_CODES.refused, words: "peers refuse it" }]);
    assert.ok(own.store.history().some((old) => old.number === number && old.mark === "bad"));
    await assert.rejects(own.installs.accept(push(bad), 8), /failed before/);
    assert.equal((await own.installs.accept(push(bad, { force: true }), 8)).state, "waiting");
  });

  test("with keys that can't be opened just now it is judged later", async () => {
    const { rig, own } = await device();
    const brought = push(await rig.bring());
    const { open } = rig.keys;
    rig.keys.open = async () => {
      throw new AgentError("ERR_KEY_SEALING_UNAVAILABLE", "the TPM sleeps");
    };
    rig.judge = reason("wrong-name");
    assert.equal((await own.installs.accept(brought, 7)).state, "waiting");
    rig.keys.open = open.bind(rig.keys);
    assert.equal(await own.attempt("install"), "wrong-name");
  });
});

suite("generations", () => {
  test("the same again is the one that is there, whatever became of it", async () => {
    const { rig, own } = await device();
    const brought = push(await rig.bring());
    await own.installs.accept(brought, 7);
    assert.equal((await own.installs.accept(brought, 7)).state, "waiting");
    assert.equal((await own.installs.accept(brought)).id, "install-7", "a command given twice");
    await own.attempt("install");
    const writes = own.store.wear.operations;
    assert.equal((await own.installs.accept(brought, 7)).state, "done");
    assert.equal(own.store.wear.operations, writes);
  });

  test("a number that was given to something else is refused with a word to whoever pushes", async () => {
    const { rig, own } = await device();
    await own.installs.accept(push(await rig.bring()), 7);
    const other = push(await rig.bring());
    await assert.rejects(own.installs.accept(other, 7), { code: "ERR_INSTALL_NUMBER" });
    await own.attempt("install");
    await assert.rejects(own.installs.accept(other, 7), { code: "ERR_INSTALL_NUMBER" });
    assert.equal((await own.installs.accept(other, 8)).state, "waiting");
  });

  test("the newest wins: the one before leaves with its objects, and an older one is not kept", async () => {
    const { rig, own } = await device();
    await own.installs.accept(push(await rig.bring()), 7);
    await own.installs.accept(push(await rig.bring()), 9);
    await own.installs.sweep();
    assert.equal(own.queue.find("install-7")?.state, "superseded");
    assert.deepEqual([...own.store.pendingKeys().keys()], ["install-key.9"]);
    assert.equal((await own.installs.accept(push(await rig.bring()), 8)).state, "superseded");
    assert.deepEqual([...own.store.pendingKeys().keys()], ["install-key.9"]);
  });

  test("with the queue lost an old number counts no more", async () => {
    const { rig, own } = await device();
    const brought = push(await rig.bring());
    await own.installs.accept(brought, 7);
    await own.attempt("install");
    await own.queue.drop("install-7");
    assert.equal((await own.installs.accept(brought, 7)).state, "done");
    assert.equal((await own.installs.accept(push(await rig.bring()), 6)).state, "superseded");
    assert.deepEqual(own.queue.list(), []);
    assert.equal((await own.installs.accept(push(await rig.bring()))).id, "install-8");
  });

  test("dropped: its objects go; given up: they stay for a retry", async () => {
    const { rig, own } = await device();
    await own.installs.accept(push(await rig.bring()), 7);
    rig.judge = () => [{ code: "wrong-eku", words: "no client auth", fix: "" }];
    assert.equal(await own.attempt("install"), "no client auth");
    assert.equal(own.queue.find("install-7")?.state, "failed");
    assert.match(own.queue.find("install-7")?.lastError ?? "", /ERR_CERT_REFUSED: no client auth/);
    await own.installs.sweep();
    assert.deepEqual([...own.store.pendingKeys().keys()], ["install-key.7"]);
    rig.judge = () => [];
    await own.queue.retry("install-7");
    assert.equal(await own.attempt("install"), "done");
    await own.installs.accept(push(await rig.bring()), 8);
    await own.queue.drop("install-8");
    await own.installs.sweep();
    assert.deepEqual([...own.store.pendingKeys().keys()], []);
    assert.equal(await readLongNote(own.store, "install-8"), undefined);
  });

  test("a key that somebody keeps under a name of his own is left alone", async () => {
    const { rig, own } = await device();
    await own.store.keepKey("install-7", await rig.keys.create());
    await own.store.keepKey("installer", await rig.keys.create());
    await own.installs.sweep();
    assert.deepEqual([...own.store.pendingKeys().keys()].toSorted(), ["install-7", "installer"]);
  });
});

suite("when it goes in force", () => {
  test("a certificate of tomorrow waits without a write, and is in force by itself then", async () => {
    const { rig, own, disk } = await device();
    const notBefore = rig.clock.now() + DAY_MS;
    await own.installs.accept(push(await rig.bring("roof-7", { notBefore })), 7);
    assert.match(
      String(await own.attempt("install")),
      /counts from 2026-06-02T.* goes in force by itself/,
    );
    const steps = disk.steps.length;
    assert.equal(own.installs.holds(own.queue.list()[0] as never)?.by, "early");
    await rig.clock.advance(DAY_MS - 2 * 60_000);
    assert.equal(await own.attempt("install"), undefined, "held");
    assert.equal(disk.steps.length, steps);
    await rig.clock.advance(3 * 60_000);
    assert.equal(await own.attempt("install"), "done");
    assert.equal(own.log.of("install.waits").length, 1);
  });

  test("nor is it by a clock that jumped and that nobody vouches for", async () => {
    const { rig, own } = await device();
    const before = serial(own);
    const notBefore = rig.clock.now() + DAY_MS;
    await own.installs.accept(push(await rig.bring("roof-7", { notBefore })), 7);
    rig.clock.jump(30 * DAY_MS);
    rig.time = { state: "unknown" };
    rig.unconfirmedMs = 30 * DAY_MS;
    await own.attempt("install");
    assert.equal(serial(own), before);
    assert.equal(own.queue.find("install-7")?.state, "waiting");
    rig.time = {};
    rig.unconfirmedMs = 0;
    assert.equal(await own.attempt("install"), "done");
  });

  test("with a clock that is known to be behind it waits for the time", async () => {
    const { rig, own } = await device();
    const now = rig.clock.now();
    await own.installs.accept(push(await rig.bring("roof-7", { notBefore: now })), 7);
    rig.clock.jump(-3650 * DAY_MS);
    rig.time = { state: "floor", clockWrong: true, nowMs: now - DAY_MS, floorMs: now - DAY_MS };
    await own.attempt("install");
    assert.equal(own.queue.find("install-7")?.state, "waiting");
    rig.time = { nowMs: now + 1 };
    assert.equal(await own.attempt("install"), "done");
  });

  test("ended, by a clock that nobody vouches for: tried again; by one that somebody does: given up", async () => {
    const { rig, own } = await device();
    await own.installs.accept(push(await rig.bring("roof-7", { days: 30 })), 7);
    rig.time = { state: "unknown", nowMs: rig.clock.now() + 3650 * DAY_MS };
    await own.attempt("install");
    assert.equal(own.queue.find("install-7")?.state, "waiting");
    rig.time = { nowMs: rig.clock.now() + 3650 * DAY_MS };
    await own.attempt("install");
    assert.equal(own.queue.find("install-7")?.state, "failed");
  });

  test("while no peer has taken what is in force it waits, but not for ever", async () => {
    const { rig, disk, own } = await device();
    rig.accepts = false;
    await own.installs.accept(push(await rig.bring()), 7);
    assert.equal(await own.attempt("install"), "done");
    const unproven = serial(own);
    await own.installs.accept(push(await rig.bring()), 8);
    await rig.clock.advance(60_000);
    assert.match(String(await own.attempt("install")), /on probation/);
    assert.equal(serial(own), unproven);
    let attempts = 1;
    for (; attempts < 50 && serial(own) === unproven; attempts++) {
      await rig.clock.advance(5 * 60_000);
      await own.attempt("install");
    }
    assert.equal(attempts, 13, "an hour");
    // accepted: at once
    await own.installs.accept(push(await rig.bring()), 9);
    assert.match(String(await own.attempt("install")), /on probation/);
    rig.accepts = true;
    await rig.clock.advance(HOUR_MS);
    assert.equal(await own.attempt("install"), "done");
    assert.ok(disk.steps.length > 0);
  });

  test("forced by an operator it does not wait for peers", async () => {
    const { rig, own } = await device();
    rig.accepts = false;
    await own.installs.accept(push(await rig.bring()), 7);
    await own.attempt("install");
    await own.installs.accept(push(await rig.bring(), { force: true, origin: "import" }), 8);
    assert.equal(await own.attempt("install"), "done");
  });

  test("interrupted after it was in force, with something newer come since: not put in force again", async () => {
    const { rig, own } = await device();
    await own.installs.accept(push(await rig.bring()), 7);
    const { writeNote } = own.store;
    own.store.writeNote = async (name, bytes) => {
      if (name === "pushed-position") throw new AgentError("ERR_STORE_FULL", "full");
      await writeNote.call(own.store, name, bytes);
    };
    assert.equal(await own.attempt("install"), "full");
    assert.equal(own.queue.find("install-7")?.step, "clean");
    own.store.writeNote = writeNote;
    const newer = await rig.bring();
    const key = await rig.keys.import(newer.privateKeyPem);
    const content = { key, chainPem: newer.chainPem, trustBundlePem: rig.pki.caPem };
    await own.rotator.install(content, { origin: "renewal" });
    const inForce = own.store.current?.number;
    assert.equal(await own.attempt("install"), "done");
    assert.equal(own.store.current?.number, inForce);
  });
});

suite("what can pass", () => {
  const now = Date.UTC(2026, 5, 1);
  const secure: TimeView = {
    state: "network",
    nowMs: now,
    floorMs: 0,
    clockWrong: false,
    words: undefined,
  };
  const doubtful: TimeView = { ...secure, state: "unknown" };
  const reasons = (...codes: readonly string[]): AgentError =>
    new CandidateRefused(codes.map((code) => ({ code, words: code, fix: "" })));
  const cases: readonly {
    readonly why: string;
    readonly error: AgentError;
    readonly time?: TimeView;
    readonly passes: boolean;
  }[] = [
    { why: "its time will come", error: reasons("not-yet-valid"), passes: true },
    {
      why: "one other reason spoils it",
      error: reasons("not-yet-valid", "wrong-eku"),
      passes: false,
    },
    { why: "revoked", error: reasons("revoked"), passes: false },
    { why: "older than what is in force", error: reasons("older"), passes: false },
    { why: "failed before", error: reasons("known-bad"), passes: false },
    { why: "ended", error: reasons("expired"), passes: false },
    { why: "ended, says a clock", error: reasons("expired"), time: doubtful, passes: true },
    {
      why: "ended, and that is proven",
      error: reasons("expired"),
      time: { ...doubtful, floorMs: now + 2 },
      passes: false,
    },
    { why: "the disk is full", error: new AgentError("ERR_STORE_FULL", ""), passes: true },
    {
      why: "the TPM sleeps",
      error: new AgentError("ERR_KEY_SEALING_UNAVAILABLE", ""),
      passes: true,
    },
    { why: "a key that is gone", error: new AgentError("ERR_KEY_DAMAGED", ""), passes: false },
    {
      why: "another came meanwhile",
      error: new AgentError("ERR_CERT_SUPERSEDED", ""),
      passes: true,
    },
    { why: "this device can't use it", error: new AgentError("ERR_CERT_LOCAL", ""), passes: false },
  ];
  for (const { why, error, time = secure, passes } of cases) {
    test(`${why}: ${passes ? "tried again" : "given up"}`, () => {
      assert.equal(canPass(error, time, now + 1), passes);
    });
  }
});
