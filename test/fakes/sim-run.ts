/**
 * Runs a simulation in a process of its own, without the test runner's eyes on every promise, which cost a
 * simulation ten times its time: `node sim-run.ts '{"life": {"seed": 1, ...}}'` prints the report as JSON.
 */
import { resolve } from "node:path";
import { run } from "./child.ts";
import { PowerCut } from "./power-disk.ts";
import { type CutOptions, type CutReport, cutEverywhere } from "./sim-cuts.ts";
import { type FleetReport, fleetReturns } from "./sim-fleet.ts";
import { type LifeOptions, type LifeReport, live } from "./sim-life.ts";

interface FleetOptions {
  readonly devices: number;
  readonly outageMs: number;
  readonly seed: number;
}

interface Simulation {
  readonly life?: LifeOptions;
  readonly fleet?: FleetOptions;
  readonly cuts?: CutOptions;
}

const HERE = import.meta.filename;

export function simulateLife(life: LifeOptions, timeoutMs: number): Promise<LifeReport> {
  return simulate({ life }, timeoutMs);
}

export function simulateFleet(fleet: FleetOptions, timeoutMs: number): Promise<FleetReport> {
  return simulate({ fleet }, timeoutMs);
}

export function simulateCuts(cuts: CutOptions, timeoutMs: number): Promise<CutReport> {
  return simulate({ cuts }, timeoutMs);
}

async function simulate<T>(simulation: Simulation, timeoutMs: number): Promise<T> {
  const command = [process.execPath, HERE, JSON.stringify(simulation)] as const;
  const { code, stdout, stderr } = await run(command, { timeoutMs });
  if (code !== 0) throw new Error(`the simulation ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === HERE) {
  process.on("unhandledRejection", (reason) => {
    // Of a process that is gone: nobody waits in it any more.
    if (!(reason instanceof PowerCut)) throw reason;
  });
  const { life, fleet, cuts } = JSON.parse(process.argv[2] ?? "{}") as Simulation;
  if (life !== undefined) process.stdout.write(JSON.stringify(await live(life)));
  if (cuts !== undefined) process.stdout.write(JSON.stringify(await cutEverywhere(cuts)));
  if (fleet !== undefined) {
    const { devices, outageMs, seed } = fleet;
    process.stdout.write(JSON.stringify(await fleetReturns(devices, outageMs, seed)));
  }
}
