/**
 * A fleet whose authority is away for a day and comes back: when do its devices ask? Each has the real
 * policy, attempt budget, queue and worker; what takes no part in the timing (disk, keys, TLS) is left out.
 */

import { AgentError } from "#src/base/errors.ts";
import { AttemptBudget } from "#src/queue/attempt-budget.ts";
import { memoryQueue } from "#src/queue/open-intent-queue.ts";
import { QueueWorker } from "#src/queue/queue-worker.ts";
import { renewalDue } from "#src/rotation/renewal-policy.ts";
import { FakeRandom } from "./fake-random.ts";
import { HeapClock } from "./heap-clock.ts";
import { PowerDisk } from "./power-disk.ts";
import { RecordingLog } from "./recording-log.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export interface FleetReport {
  /** Attempts by minute from the beginning of the outage on. */
  readonly perMinute: readonly number[];
  /** Of the return, minutes from the beginning. */
  readonly returnMinute: number;
  readonly waiting: number;
  /** Until the last device that waited had its certificate, minutes. */
  readonly recoveryMinutes: number;
  /** In the recovery window, over {@link BIN_MINUTES} minutes. */
  readonly peakPerMinute: number;
  readonly averagePerMinute: number;
}

/** A load is felt over minutes, not over a single one. */
export const BIN_MINUTES = 2;

/** @param devices Whose certificates of 24 hours were made in the day before, evenly. */
export async function fleetReturns(
  devices: number,
  outageMs: number,
  seed: number,
): Promise<FleetReport> {
  const startMs = Date.UTC(2026, 5, 1);
  const clock = new HeapClock(startMs);
  const random = new FakeRandom(seed);
  const returnAt = startMs + outageMs;
  const minutes = Math.ceil(outageMs / MINUTE_MS) + 120;
  const perMinute = new Array<number>(minutes).fill(0);
  const log = new RecordingLog("error");
  let done = 0;
  let waiting = 0;
  let lastMs = 0;
  const away = new AgentError("ERR_ISSUER_UNREACHABLE", "away");
  for (let device = 0; device < devices; device++) {
    const lifetimeMs = 24 * HOUR_MS;
    const notBefore = startMs - random.draw() * 0.6 * lifetimeMs;
    const { dueAt } = renewalDue(
      { at: 0.66 },
      {
        ...{ notBefore, notAfter: notBefore + lifetimeMs, draw: random.draw() },
        ...{ inForceSince: notBefore, longestOutageMs: 0 },
      },
    );
    if (dueAt >= returnAt) continue;
    waiting += 1;
    const own = new FakeRandom(seed * 1_000_003 + device);
    for (let warm = 0; warm < 5; warm++) own.draw();
    const queue = memoryQueue(away, {
      ...{ path: "/", disk: new PowerDisk(), epoch: "0".repeat(32), device: `device-${device}` },
      ...{ clock, random: own, log },
    });
    const budget = new AttemptBudget({
      clock,
      random: own,
      device: `device-${device}`,
      sinceBootMs: HOUR_MS,
    });
    const handlers = {
      "re-key": async () => {
        const minute = Math.floor((clock.now() - startMs) / MINUTE_MS);
        perMinute[minute] = (perMinute[minute] ?? 0) + 1;
        if (clock.now() < returnAt) throw away;
        done += 1;
        lastMs = clock.now();
      },
    };
    new QueueWorker({ queue, budget, handlers, clock, log }).start();
    clock.setTimer(Math.max(0, dueAt - startMs), () => {
      void queue.add({ kind: "re-key", generation: 2 });
    });
  }
  await clock.run(() => done === waiting);
  const returnMinute = Math.floor(outageMs / MINUTE_MS);
  const recoveryMinutes = Math.max(BIN_MINUTES, Math.ceil((lastMs - returnAt) / MINUTE_MS));
  const recovery = perMinute.slice(returnMinute, returnMinute + recoveryMinutes);
  const bins = recovery
    .map((_, at) => recovery.slice(at, at + BIN_MINUTES))
    .filter((bin) => bin.length === BIN_MINUTES)
    .map((bin) => bin.reduce((sum, each) => sum + each, 0) / BIN_MINUTES);
  const total = recovery.reduce((sum, each) => sum + each, 0);
  return {
    ...{ perMinute, returnMinute, waiting, recoveryMinutes },
    peakPerMinute: Math.max(...bins),
    averagePerMinute: total / recoveryMinutes,
  };
}
