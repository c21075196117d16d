/**
 * What the built program takes: memory idle, after load, per idle connection, over 100,000 calls on
 * one connection; CPU from start to ready; bytes on disk. go-micro beside it, never at the same time.
 */
import { statSync } from "node:fs";
import { comparison, type Figure, figure, median } from "./figure.ts";
import { cpuMs, type Memory, memory, settledMemory } from "./process-cost.ts";
import { PROGRAM, type Rig, type ServerName } from "./rig.ts";

const GO_MICRO = "go-micro v5.30.0 HTTP";
/** Held at first, and then in addition; together below `limits.max_connections`, 200 by default. */
const HELD = { first: 60, more: 120 } as const;
const SAMPLE_MS = 100;

export async function footprint(rig: Rig, quick: boolean): Promise<Figure[]> {
  return [
    ...(await start(rig, quick)),
    ...(await load(rig, quick)),
    ...(await connections(rig, quick)),
    ...(await growth(rig, quick)),
    figure("bytes on disk, program", statSync(PROGRAM).size / 1024, "KiB"),
    figure("bytes on disk, bundle", statSync("dist/microedge.cjs").size / 1024, "KiB"),
  ];
}

async function start(rig: Rig, quick: boolean): Promise<Figure[]> {
  const spent: number[] = [];
  for (let round = 0; round < (quick ? 1 : 7); round += 1) {
    await using server = await rig.start("microedge");
    spent.push(cpuMs(server.pid));
  }
  return [figure("CPU from start to ready", median(spent), "ms")];
}

const KINDS: readonly (readonly [keyof Memory, string])[] = [
  ["anonymousKib", "anonymous memory"],
  ["pssKib", "PSS"],
  ["privateKib", "private bytes"],
];

async function load(rig: Rig, quick: boolean): Promise<Figure[]> {
  const calls = quick ? 4_000 : 20_000;
  const measure = async (name: ServerName): Promise<Record<"idle" | "loaded", Memory>> => {
    await using server = await rig.start(name);
    const idle = await settledMemory(server.pid);
    await rig.load(server.target, [
      ...["--connections", "8", "--calls", String(calls), "--unique-stream"],
    ]);
    return { idle, loaded: await settledMemory(server.pid) };
  };
  const ours = await measure("microedge");
  const theirs = await measure("go-micro");
  const after = `after ${calls.toLocaleString("en")} calls`;
  return KINDS.flatMap(([kind, words]) => [
    figure(`${words}, idle`, ours.idle[kind], "KiB", { name: GO_MICRO, value: theirs.idle[kind] }),
    figure(`${words}, ${after}`, ours.loaded[kind], "KiB", {
      name: GO_MICRO,
      value: theirs.loaded[kind],
    }),
  ]);
}

/** The slope between two numbers of held connections: what a process takes besides does not count. */
async function connections(rig: Rig, quick: boolean): Promise<Figure[]> {
  const perConnection = async (name: ServerName): Promise<number> => {
    await using server = await rig.start(name);
    await using _held = await rig.hold(server.target, HELD.first);
    const before = await settledMemory(server.pid);
    await using _more = await rig.hold(server.target, HELD.more);
    const after = await settledMemory(server.pid);
    return (after.anonymousKib - before.anonymousKib) / HELD.more;
  };
  const costs: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    costs.ours.push(await perConnection("microedge"));
    costs.theirs.push(await perConnection("go-micro"));
  }
  return [
    comparison("anonymous memory per idle mTLS connection", costs.ours, "KiB", {
      name: GO_MICRO,
      values: costs.theirs,
    }),
  ];
}

/**
 * Anonymous memory rises and falls with each collection of garbage, so it is sampled all the while;
 * the last fifth of the calls is compared with the first fifth.
 */
async function growth(rig: Rig, quick: boolean): Promise<Figure[]> {
  const measure = async (name: ServerName, calls: number): Promise<Figure> => {
    await using server = await rig.start(name);
    const flags = ["--connections", "1", "--calls"];
    await rig.load(server.target, [...flags, String(calls / 2)]);
    let running = true;
    const load = rig.load(server.target, [...flags, String(calls)]).finally(() => {
      running = false;
    });
    const samples: number[] = [];
    while (running) {
      await pause(SAMPLE_MS);
      samples.push(memory(server.pid).anonymousKib);
    }
    await load;
    const fifth = Math.max(1, Math.floor(samples.length / 5));
    return figure(
      `${name}: anonymous memory at the end of ${calls.toLocaleString("en")} calls on one connection`,
      median(samples.slice(-fifth)),
      "KiB",
      { name: "at their beginning", value: median(samples.slice(0, fifth)) },
    );
  };
  return [
    await measure("microedge", quick ? 20_000 : 100_000),
    await measure("go-micro", quick ? 4_000 : 20_000),
  ];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
