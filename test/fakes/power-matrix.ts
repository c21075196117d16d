/**
 * Power lost after every step: runs an operation again and again on a {@link PowerDisk}, each time
 * with the power gone at another step, opens what each possible world holds, and lists what it should
 * not have found. It knows nothing of the store, so that a careless writer can be put through it.
 */
import { PowerDisk } from "./power-disk.ts";

export interface Subject {
  /** Brings a new disk to where the operation starts; its work is durable. */
  readonly prepare: (disk: PowerDisk) => Promise<void>;
  /** Resolves when what it did is acknowledged. */
  readonly operate: (disk: PowerDisk) => Promise<void>;
  /** What a start finds, as text; rejects when it finds nothing whole. */
  readonly view: (disk: PowerDisk) => Promise<string>;
  /** The start alone, without anything that a view does beyond; default the view. */
  readonly start?: (disk: PowerDisk) => Promise<void>;
  /** Views that are as good as old and new: what the operation passes through. */
  readonly between?: readonly string[];
}

export interface MatrixResult {
  /** Steps at which the power was lost, the last one being after the acknowledgement. */
  readonly points: number;
  /** Disks that were opened. */
  readonly worlds: number;
  readonly violations: readonly string[];
}

/** @param twice Also loses the power at each step of the start that follows. */
export async function powerMatrix(subject: Subject, twice = false): Promise<MatrixResult> {
  const { prepare, operate, view, start = view, between = [] } = subject;
  const whole = new PowerDisk();
  await prepare(whole);
  const before = await view(survivor(whole));
  const first = whole.steps.length + 1;
  await operate(whole);
  const last = whole.steps.length;
  const after = await view(survivor(whole));
  const violations: string[] = [];
  let worlds = 0;
  const judge = async (disk: PowerDisk, where: string, allowed: readonly string[]) => {
    worlds += 1;
    try {
      const found = await view(disk);
      if (!allowed.includes(found)) violations.push(`${where}: found ${found}`);
    } catch (error) {
      violations.push(`${where}: ${error instanceof Error ? error.message : error}`);
    }
  };
  for (let step = first; step <= last + 1; step++) {
    const disk = new PowerDisk();
    await prepare(disk);
    disk.fault = { step, what: "power" };
    const acknowledged = await operate(disk).then(
      () => true,
      () => false,
    );
    // What is durable may be acknowledged though the power goes while the rest is tidied up.
    if (disk.isOff === step > last) violations.push(`step ${step}: the power was not lost`);
    disk.cutPower();
    const allowed = acknowledged ? [after] : [before, after, ...between];
    const name = acknowledged ? "after the acknowledgement" : `before ${whole.steps[step - 1]}`;
    for (const [world, left] of disk.worlds()) {
      const where = `${name}, ${world}`;
      if (twice) await loseAgain(left, where);
      await judge(left, where, allowed);
    }
    async function loseAgain(left: PowerDisk, where: string): Promise<void> {
      const steps = survivor(left);
      await start(steps).catch(() => undefined);
      for (let again = 1; again <= steps.steps.length; again++) {
        const second = survivor(left);
        second.fault = { step: again, what: "power" };
        await start(second).catch(() => undefined);
        second.cutPower();
        for (const [world, disk] of second.worlds(1)) {
          await judge(disk, `${where}, then before ${steps.steps[again - 1]}, ${world}`, allowed);
        }
      }
    }
  }
  return { points: last - first + 2, worlds, violations };
}

/** A disk with the same content, on which the power was never lost. */
function survivor(disk: PowerDisk): PowerDisk {
  const [, all] = disk.worlds(0);
  if (all === undefined) throw new Error("no world");
  return all[1];
}
