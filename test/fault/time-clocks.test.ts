/**
 * Whole processes whose clock says something else: 1970, 2015, ten years ahead, and jumps while
 * connected. libfaketime sets the clock that OpenSSL and the agent's code see alike.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import type { NotYetValidPolicy, TimeView } from "#src/identity/time/time-view.ts";
import { testPki } from "../fakes/certificates.ts";
import { Child } from "../fakes/child.ts";
import type { FakedClockInput } from "../fakes/faked-clock.ts";
import { without } from "../fakes/needs.ts";
import { Fleet } from "../fakes/trusted-time.ts";

const DAY = 86_400_000;
const NOW = Date.now();
const [library = "/usr/lib/faketime/libfaketime.so.1"] = globSync(
  "/usr/lib/{*/,}faketime/libfaketime.so.1",
);
const skip = without("libfaketime (apt install faketime)", existsSync(library));
if (skip !== false)
  console.warn(`LEFT OUT: the clock of a whole process at 1970, 2015, 2036: ${skip}`);

const directory = mkdtempSync(join(tmpdir(), "microedge-clock-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const fleet = new Fleet();
const pki = await testPki("CA of today", NOW - 100 * DAY);
const own = await pki.issue("us", { days: 200 });

interface Faked extends AsyncDisposable {
  ask<T>(question: string): Promise<T>;
  /** Sets the clock of the running process. */
  set(clockMs: number): void;
}

/** Starts the program with its clock at `clockMs`; it goes on from there. */
function faked(clockMs: number, policy: NotYetValidPolicy): Faked {
  const file = join(directory, `clock-${Math.random()}`);
  const startedAt = performance.now();
  // An offset, so that the clock runs; libfaketime reads the file at every look at the clock.
  const set = (ms: number): void => {
    const right = NOW + (performance.now() - startedAt);
    writeFileSync(file, `${ms >= right ? "+" : "-"}${Math.abs(ms - right) / 1000}`);
  };
  set(clockMs);
  const input: FakedClockInput = {
    chainPem: own.certificatePem,
    keyPem: own.keyPem,
    trustBundlePem: pki.caPem,
    // A program of yesterday: certificates were valid by then.
    builtAt: NOW - DAY,
    policy,
    fleetKey: fleet.text,
  };
  const child = new Child([process.execPath, "test/fakes/faked-clock.ts"], {
    env: {
      FAKED_CLOCK_INPUT: JSON.stringify(input),
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      // Nobody can set the monotonic clock of a real machine either.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
  let asked = 0;
  return {
    async ask<T>(question: string): Promise<T> {
      asked += 1;
      const head = `${asked} `;
      child.write(`${head}${question}\n`);
      const pick = (line: string): string | undefined =>
        line.startsWith(head) ? line.slice(head.length) : undefined;
      return JSON.parse(await child.waitFor(`answer to ${question}`, pick)) as T;
    },
    set,
    async [Symbol.asyncDispose]() {
      child.endInput();
      await child.ended;
    },
  };
}

suite("a process whose clock is wrong from the start", { skip }, () => {
  for (const year of [1970, 2015]) {
    test(`${year}: the clock is known to be wrong, and peers that are good by the build date are let in`, async () => {
      await using process = faked(Date.UTC(year, 0, 2), "proven");
      const clockMs = await process.ask<number>("clock");
      assert.equal(new Date(clockMs).getUTCFullYear(), year, "libfaketime works");
      const view = await process.ask<TimeView>("view");
      assert.deepEqual([view.state, view.clockWrong], ["floor", true]);
      assert.ok(view.nowMs >= NOW - DAY);
      assert.equal(await process.ask("dial"), "echo:hello");
    });

    test(`${year}: under "refuse" nobody is let in, and the clock is blamed`, async () => {
      await using process = faked(Date.UTC(year, 0, 2), "refuse");
      assert.match(
        await process.ask<string>("dial"),
        /not yet valid by the clock, which is wrong \(the clock says (1970|2015)-01-02T/,
      );
    });
  }

  test("ten years ahead: refused as ended, until the fleet says what time it is; nothing is written", async () => {
    await using process = faked(NOW + 3650 * DAY, "tolerate");
    assert.match(await process.ask<string>("dial"), /expired/);
    assert.equal((await process.ask<TimeView>("view")).state, "unknown");
    const challenge = await process.ask<Parameters<Fleet["answer"]>[0]>("challenge");
    const outcome = await process.ask<{ kind: string }>(
      `statement ${fleet.answer(challenge, NOW)}`,
    );
    assert.equal(outcome.kind, "accepted");
    const view = await process.ask<TimeView>("view");
    assert.deepEqual([view.state, view.clockWrong], ["authenticated", true]);
    assert.ok(Math.abs(view.nowMs - NOW) < 60_000);
    // OpenSSL's "expired" gives way to nothing but a grace that is configured.
    assert.match(await process.ask<string>("dial"), /expired/);
  });
});

suite("a clock that jumps while connected", { skip }, () => {
  const rows = [
    { why: "to 1970", toMs: Date.UTC(1970, 0, 2), wrong: true, dials: true },
    { why: "to 2015", toMs: Date.UTC(2015, 0, 2), wrong: true, dials: true },
    { why: "ten years ahead", toMs: NOW + 3650 * DAY, wrong: false, dials: false },
    { why: "a day ahead", toMs: NOW + DAY, wrong: false, dials: true },
  ];
  for (const { why, toMs, wrong, dials } of rows) {
    test(`${why}: it is seen, the open connection goes on, and new ones are judged anew`, async () => {
      await using process = faked(NOW, "proven");
      assert.equal(await process.ask("dial"), "echo:hello");
      process.set(toMs);
      const [jump] = await process.ask<{ kind: string; sizeMs: number }[]>("look");
      assert.equal(jump?.kind, "jump");
      assert.ok(Math.abs((jump?.sizeMs ?? 0) - (toMs - NOW)) < 60_000);
      assert.ok((await process.ask<string[]>("events")).includes("time.jumped"));
      assert.equal(await process.ask("echo"), "echo:hello");
      assert.equal((await process.ask<TimeView>("view")).clockWrong, wrong);
      const said = await process.ask<string>("dial");
      if (dials) assert.equal(said, "echo:hello");
      else assert.match(said, /expired/);
      process.set(NOW);
      const [back] = await process.ask<{ sizeMs: number }[]>("look");
      assert.ok(Math.abs((back?.sizeMs ?? 0) - (NOW - toMs)) < 60_000);
      assert.equal(await process.ask("dial"), "echo:hello");
      assert.equal(await process.ask("writes"), 0);
    });
  }
});
