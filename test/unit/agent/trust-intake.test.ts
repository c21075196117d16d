import assert from "node:assert/strict";
import { test } from "node:test";
import { TrustIntake, type TrustIntakeParts } from "#src/agent/trust-intake.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const MINUTE_MS = 60_000;

interface Rig {
  readonly intake: TrustIntake;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly offered: string[];
  /** The stick; `undefined` when it is not there. */
  file: { readonly version: string; readonly text: string } | undefined;
  /** What the server says. */
  reply: string | Error;
  fetches: number;
}

function rig(places: Pick<TrustIntakeParts, "file" | "url">): Rig {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const offered: string[] = [];
  const missing = Object.assign(new Error("no such file"), { code: "ENOENT" });
  const made: Rig = {
    ...{ clock, log, offered, file: undefined, reply: new Error("no route"), fetches: 0 },
    intake: new TrustIntake({
      ...{ ...places, clock, log },
      updates: {
        offer: async (text, source) => {
          offered.push(`${source}: ${text}`);
          return text.startsWith("<html>") ? undefined : { outcome: "taken" };
        },
      },
      files: {
        state: async () => {
          if (made.file === undefined) throw missing;
          return { version: made.file.version, sizeBytes: 1, mode: 0o644 };
        },
        read: async () => Buffer.from(made.file?.text ?? ""),
      },
      http: {
        fetch: async () => {
          made.fetches += 1;
          if (made.reply instanceof Error) throw made.reply;
          const mark = { etag: undefined, lastModified: undefined };
          return { kind: "body", bytes: Buffer.from(made.reply), mark };
        },
      },
    }),
  };
  return made;
}

test("a stick is noticed within a minute, read once, and again when it changes", async () => {
  const own = rig({ file: "/media/usb/updates", url: undefined });
  own.intake.start();
  await own.clock.advance(10 * MINUTE_MS);
  assert.deepEqual(own.offered, []);
  assert.deepEqual(own.log.lines, []);
  own.file = { version: "1", text: "one" };
  await own.clock.advance(MINUTE_MS);
  await own.clock.advance(10 * MINUTE_MS);
  assert.deepEqual(own.offered, ["/media/usb/updates: one"]);
  own.file = { version: "2", text: "two" };
  await own.clock.advance(MINUTE_MS);
  assert.equal(own.offered.length, 2);
  // taken away and put in again: whoever does that wants it looked at
  own.file = undefined;
  await own.clock.advance(MINUTE_MS);
  own.file = { version: "2", text: "two" };
  await own.clock.advance(MINUTE_MS);
  assert.equal(own.offered.length, 3);
  await own.intake[Symbol.asyncDispose]();
  assert.equal(own.clock.timers, 0);
});

test("a file that was refused is read again after a quarter of an hour: by then it may count", async () => {
  const own = rig({ file: "/media/usb/updates", url: undefined });
  own.file = { version: "1", text: "<html>" };
  own.intake.start();
  await own.clock.advance(14 * MINUTE_MS);
  assert.equal(own.offered.length, 1);
  await own.clock.advance(2 * MINUTE_MS);
  assert.equal(own.offered.length, 2);
  own.file = { version: "1", text: "one" };
  await own.clock.advance(15 * MINUTE_MS);
  assert.equal(own.offered.length, 3);
  await own.clock.advance(120 * MINUTE_MS);
  assert.equal(own.offered.length, 3, "once it was taken");
  await own.intake[Symbol.asyncDispose]();
});

test("a URL is asked once a day, and every quarter of an hour after a failure, which is told once", async () => {
  const own = rig({ file: undefined, url: "http://updates.example/trust" });
  own.intake.start();
  await own.clock.advance(60 * MINUTE_MS);
  assert.equal(own.fetches, 5);
  assert.equal(own.log.of("trust.update.refused").length, 1);
  own.reply = "one";
  await own.clock.advance(15 * MINUTE_MS);
  assert.deepEqual(own.offered, ["http://updates.example/trust: one"]);
  const { fetches } = own;
  await own.clock.advance(23 * 60 * MINUTE_MS);
  assert.equal(own.fetches, fetches);
  await own.clock.advance(2 * 60 * MINUTE_MS);
  assert.equal(own.fetches, fetches + 1);
  await own.intake[Symbol.asyncDispose]();
});

test("the page of a captive portal is not the answer of the day", async () => {
  const own = rig({ file: undefined, url: "http://updates.example/trust" });
  own.reply = "<html>welcome";
  own.intake.start();
  await own.clock.advance(20 * MINUTE_MS);
  assert.equal(own.fetches, 2);
  own.reply = "one";
  await own.clock.advance(15 * MINUTE_MS);
  assert.equal(own.offered.at(-1), "http://updates.example/trust: one");
  const { fetches } = own;
  await own.clock.advance(23 * 60 * MINUTE_MS);
  assert.equal(own.fetches, fetches);
  await own.intake[Symbol.asyncDispose]();
});

test("without a place nothing is looked at", async () => {
  const own = rig({ file: undefined, url: undefined });
  own.intake.start();
  await own.clock.advance(60 * MINUTE_MS);
  assert.equal(own.clock.timers, 0);
  assert.deepEqual(own.offered, []);
});
