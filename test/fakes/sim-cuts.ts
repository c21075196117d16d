/**
 * The power goes at every step that a renewal makes on the disk, from the wish in the queue to the
 * certificate in force, and each of the disks that it may leave is started from.
 */
import { FakeClock } from "./fake-clock.ts";
import { SimDevice } from "./sim-device.ts";
import { never, SimAuthority } from "./sim-world.ts";
import { TrustSigner } from "./trust-signer.ts";

const HOUR_MS = 3_600_000;

export interface CutOptions {
  /** Disks that are tried of those that a cut may leave. */
  readonly worlds: readonly number[];
  readonly naive?: boolean;
}

export interface CutReport {
  readonly steps: number;
  readonly starts: number;
  readonly violations: readonly string[];
}

export async function cutEverywhere({ worlds, naive = false }: CutOptions): Promise<CutReport> {
  const whole = await prepared(naive);
  const first = whole.device.disk.steps.length + 1;
  await whole.truth.advance(HOUR_MS);
  const last = whole.device.disk.steps.length;
  if (whole.device.generation !== 2) throw new Error("nothing was renewed");
  const violations: string[] = [];
  let starts = 0;
  for (let step = first; step <= last; step++) {
    for (const world of worlds) {
      starts += 1;
      const { truth, device, authority } = await prepared(naive);
      const { notAfter } = device;
      device.disk.fault = { step, what: "power" };
      await truth.advance(HOUR_MS);
      const name = `${device.disk.steps[step - 1] ?? step}, world ${world}`;
      device.cutPower(world);
      await device.boot(false);
      await truth.advance(HOUR_MS);
      // What the cut left of the first renewal is done, and no second one is due yet.
      if (device.notAfter <= notAfter) violations.push(`${name}: the old certificate is in force`);
      if (authority.certificates !== 2) {
        violations.push(`${name}: ${authority.certificates - 1} certificates for one intent`);
      }
      if (device.pendingKeys.length > 0) violations.push(`${name}: a key is left`);
      device.cutPower(0);
    }
  }
  return { steps: last - first + 1, starts, violations };
}

/** A minute before its certificate of ten hours is due. */
async function prepared(naive: boolean) {
  const truth = new FakeClock(Date.UTC(2026, 5, 1));
  const authority = new SimAuthority(truth, 10 * HOUR_MS, 1);
  const device = new SimDevice({
    ...{ truth, authority, signer: new TrustSigner(), seed: 1, naive },
    online: () => true,
    fetchUpdates: () => never(),
  });
  await device.boot(false);
  while ((device.dueAt ?? Number.POSITIVE_INFINITY) - truth.now() > 60_000) {
    await truth.advance(Math.max(1_000, (device.dueAt ?? 0) - truth.now() - 60_000));
  }
  return { truth, authority, device };
}
