import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Watchdog } from "#src/agent/watchdog.ts";
import { type LogEvent, SILENT } from "#src/base/log.ts";
import type { ServiceNotifier } from "#src/host/systemd.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

function watchdog(prove: (signal: AbortSignal) => Promise<unknown>, watchdogMs?: number) {
  const clock = new FakeClock();
  const logged: LogEvent[] = [];
  let alive = 0;
  const quiet = async (): Promise<void> => undefined;
  const notifier: ServiceNotifier = {
    ready: quiet,
    reloading: quiet,
    stopping: quiet,
    status: quiet,
    alive: async () => {
      alive += 1;
    },
    watchdogMs,
  };
  const log = { ...SILENT, emit: (event: LogEvent) => logged.push(event) };
  const part = new Watchdog({ notifier, clock, log, prove });
  return { clock, part, logged, alive: () => alive };
}

suite("watchdog", () => {
  test("is fed once per interval while the agent answers itself", async () => {
    const { clock, part, alive, logged } = watchdog(async () => undefined, 15_000);
    await part.start();
    await clock.advance(45_000);
    assert.equal(alive(), 3);
    assert.deepEqual(logged, []);
    await part[Symbol.asyncDispose]();
    assert.equal(clock.timers, 0);
  });

  test("is not fed when the agent answers itself with an error", async () => {
    const { clock, part, alive, logged } = watchdog(() => Promise.reject(new Error("no")), 1_000);
    await part.start();
    await clock.advance(2_000);
    assert.equal(alive(), 0);
    assert.deepEqual(logged, ["watchdog.missed", "watchdog.missed"]);
    await part[Symbol.asyncDispose]();
  });

  test("is not fed when there is no answer; the next round asks again", async () => {
    let asked = 0;
    const { clock, part, alive, logged } = watchdog((signal) => {
      asked += 1;
      if (asked > 1) return Promise.resolve();
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }, 1_000);
    await part.start();
    await clock.advance(2_000);
    assert.deepEqual([alive(), logged], [0, ["watchdog.missed"]]);
    await clock.advance(1_000);
    assert.equal(alive(), 1);
    await part[Symbol.asyncDispose]();
  });

  test("stopping ends a round under way, silently", async () => {
    const { clock, part, logged } = watchdog(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
      1_000,
    );
    await part.start();
    await clock.advance(1_000);
    await part[Symbol.asyncDispose]();
    assert.deepEqual([logged, clock.timers], [[], 0]);
  });

  test("does nothing when systemd asks for none", async () => {
    const { clock, part } = watchdog(() => Promise.reject(new Error("asked")), undefined);
    await part.start();
    assert.equal(clock.timers, 0);
    await part[Symbol.asyncDispose]();
  });
});
