/**
 * What the built program writes for a new certificate and on a day without one, by its own count and by
 * that of the disk; and what the swap costs those who call meanwhile.
 */
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { MEMORY_ENVIRONMENT } from "../../scripts/build/launcher.ts";
import { AdminClient } from "../../src/sidecar/admin-client.ts";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { type CountingDisk, countingDisk } from "../fakes/counting-disk.ts";
import { type Figure, figure, median } from "./figure.ts";
import { cpuMs } from "./process-cost.ts";
import { PROGRAM, type Rig } from "./rig.ts";

/** The clock of a quiet day runs so many times as fast: a minute instead of a day. */
const SPEED = 1440;
const DAY_MS = 86_400_000;

export async function certificates(rig: Rig, quick: boolean): Promise<Figure[]> {
  using disk = countingDisk(rig.site.directory);
  const dir = join(disk?.dir ?? rig.site.directory, "store");
  return [
    ...(await rotations(rig, dir, disk, quick ? 20 : 200)),
    ...(await quietDay(rig, dir, disk, quick)),
    ...(await underLoad(rig, dir, quick)),
  ];
}

async function rotations(
  rig: Rig,
  dir: string,
  disk: CountingDisk | undefined,
  count: number,
): Promise<Figure[]> {
  await using agent = await agentOn(rig, dir);
  const client = adminOf(agent);
  await rotate(rig, client, 5);
  const [before, device, cpu] = [await wear(client), disk?.count(), cpuMs(agent.child.pid)];
  const spentMs = await rotate(rig, client, count);
  const [after, deviceAfter] = [await wear(client), disk?.count()];
  const name = "certificate rotation:";
  const figures = [
    figure(`${name} handed to the disk`, (after.bytes - before.bytes) / count, "B"),
    figure(`${name} syncs`, (after.syncs - before.syncs) / count, "syncs"),
    figure(`${name} asked until durable and in force, median`, median(spentMs), "ms"),
    figure(`${name} CPU`, (cpuMs(agent.child.pid) - cpu) / count, "ms"),
  ];
  if (device === undefined || deviceAfter === undefined) return figures;
  return [
    ...figures,
    figure(`${name} written by the device`, (deviceAfter.bytes - device.bytes) / count, "B"),
    figure(`${name} flushes of it`, (deviceAfter.flushes - device.flushes) / count, "flushes"),
  ];
}

/** libfaketime moves the clock; every timer of the day comes due. */
async function quietDay(
  rig: Rig,
  dir: string,
  disk: CountingDisk | undefined,
  quick: boolean,
): Promise<Figure[]> {
  const [library] = globSync("/usr/lib/{*/,}faketime/libfaketime.so.1");
  if (library === undefined) {
    console.log("  a quiet day: left out, libfaketime is missing (apt install faketime)");
    return [];
  }
  await using agent = await agentOn(rig, dir, {
    LD_PRELOAD: library,
    FAKETIME: `+0 x${SPEED}`,
  });
  const client = adminOf(agent);
  const [before, device] = [await wear(client), disk?.count()];
  await new Promise((resolve) => setTimeout(resolve, DAY_MS / SPEED / (quick ? 10 : 1)));
  const [after, deviceAfter] = [await wear(client), disk?.count()];
  const days = (after.uptimeMs - before.uptimeMs) / DAY_MS;
  if (days < (quick ? 0.05 : 0.5)) throw new Error(`libfaketime made ${days} days only`);
  const figures = [
    figure("quiet day: handed to the disk", (after.bytes - before.bytes) / days, "B"),
    figure("quiet day: syncs", (after.syncs - before.syncs) / days, "syncs"),
  ];
  if (device === undefined || deviceAfter === undefined) return figures;
  const bytes = deviceAfter.bytes - device.bytes;
  return [...figures, figure("quiet day: written by the device", bytes / days, "B")];
}

/** Calls of four connections while one certificate follows the other, beside the same without. */
async function underLoad(rig: Rig, dir: string, quick: boolean): Promise<Figure[]> {
  await using agent = await agentOn(rig, dir);
  const client = adminOf(agent);
  const flags = ["--connections", "4", "--calls", quick ? "2000" : "40000", "--warmup", "2000"];
  const still = await rig.load(agent.listen, flags);
  let going = true;
  const swaps: number[] = [];
  const rotating = async (): Promise<void> => {
    while (going) swaps.push(...(await rotate(rig, client, 1)));
  };
  const [swapped] = await Promise.all([
    rig.load(agent.listen, flags).finally(() => {
      going = false;
    }),
    rotating(),
  ]);
  const name = `calls during ${swaps.length} rotations one after the other:`;
  const peer = "the same without";
  const lost = swapped.lost + swapped.failed + swapped.wrong;
  return [
    figure(`${name} lost or failed`, lost, "calls"),
    figure(`${name} p50`, swapped.p50Us, "us", { name: peer, value: still.p50Us }),
    figure(`${name} p99`, swapped.p99Us, "us", { name: peer, value: still.p99Us }),
  ];
}

/** The built program on core 0 with its identity in that store; the first start imports one. */
async function agentOn(
  rig: Rig,
  dir: string,
  env: Readonly<Record<string, string>> = {},
): Promise<AgentProcess> {
  return startAgent({
    ...{ program: ["taskset", "-c", "0", PROGRAM], site: rig.site },
    env: { ...MEMORY_ENVIRONMENT, ...env },
    identity: `[store]\ndir = "${dir}"\nwear_budget_kib = 1048576\n`,
    inStore: !existsSync(dir),
  });
}

function adminOf({ site, configPath }: AgentProcess): AdminClient {
  return new AdminClient(join(site.directory, "control.sock"), configPath);
}

/** @returns Milliseconds that each took. */
async function rotate(rig: Rig, client: AdminClient, count: number): Promise<number[]> {
  const spent: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const { certificatePem, keyPem } = await rig.site.pki.issue("microedge");
    const trustPem = rig.site.pki.caPem;
    const began = performance.now();
    await client.certificates.install({
      ...{ certificatesPem: certificatePem, keyPem, trustPem, dryRun: false, force: false },
    });
    spent.push(performance.now() - began);
  }
  return spent;
}

async function wear(client: AdminClient): Promise<{
  readonly bytes: number;
  readonly syncs: number;
  readonly uptimeMs: number;
}> {
  const { identity, uptimeMs } = await client.status();
  if (identity?.store === undefined) throw new Error("the agent has no store");
  const { bytesWritten, syncs } = identity.store.wear;
  return { bytes: bytesWritten, syncs, uptimeMs };
}
