/**
 * What the built program takes: memory idle, after load, per idle connection, over 100,000 calls on
 * one connection; CPU from start to ready; bytes on disk.
 */
import { statSync } from "node:fs";
import { type Figure, figure, median } from "./figure.ts";
import { cpuMs, memory } from "./process-cost.ts";
import { PROGRAM, type Rig } from "./rig.ts";

const HELD_CONNECTIONS = 150;

export async function footprint(rig: Rig, quick: boolean): Promise<Figure[]> {
  return [
    ...(await start(rig, quick)),
    ...(await load(rig, quick)),
    ...(await connections(rig)),
    ...(await growth(rig, quick)),
    figure("bytes on disk, single executable or launcher", statSync(PROGRAM).size / 1024, "KiB"),
    figure("bytes on disk, bundle", statSync("dist/microedge.cjs").size / 1024, "KiB"),
  ];
}

async function start(rig: Rig, quick: boolean): Promise<Figure[]> {
  const spent: number[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round += 1) {
    await using server = await rig.start("microedge");
    spent.push(cpuMs(server.pid));
  }
  return [figure("CPU from start to ready", median(spent), "ms")];
}

async function load(rig: Rig, quick: boolean): Promise<Figure[]> {
  await using server = await rig.start("microedge");
  await using peer = await rig.start("go-micro");
  const idle = memory(server.pid);
  const peerIdle = memory(peer.pid);
  const flags = ["--connections", "8", "--calls", quick ? "4000" : "20000", "--unique-stream"];
  await rig.load(server.target, flags);
  await rig.load(peer.target, flags);
  const after = memory(server.pid);
  const peerAfter = memory(peer.pid);
  const name = "go-micro v5.30.0 HTTP";
  return [
    figure("PSS, idle", idle.pssKib, "KiB", { name, value: peerIdle.pssKib }),
    figure("private bytes, idle", idle.privateKib, "KiB", { name, value: peerIdle.privateKib }),
    figure("PSS, after 20,000 calls", after.pssKib, "KiB", { name, value: peerAfter.pssKib }),
    figure("private bytes, after 20,000 calls", after.privateKib, "KiB", {
      name,
      value: peerAfter.privateKib,
    }),
  ];
}

async function connections(rig: Rig): Promise<Figure[]> {
  const perConnection = async (name: "microedge" | "go-micro"): Promise<number> => {
    await using server = await rig.start(name);
    // Handshakes and calls first, so that only what a connection keeps is counted.
    await rig.load(server.target, ["--connections", "8", "--calls", "400", "--reconnect"]);
    const before = memory(server.pid).anonymousKib;
    const held = await rig.hold(server.target, HELD_CONNECTIONS);
    const after = memory(server.pid).anonymousKib;
    held.endInput();
    await held.ended;
    return (after - before) / HELD_CONNECTIONS;
  };
  return [
    figure("anonymous memory per idle mTLS connection", await perConnection("microedge"), "KiB", {
      name: "go-micro v5.30.0 HTTP",
      value: await perConnection("go-micro"),
    }),
  ];
}

/** After a warm-up, so that the heap has its size; growth is then what requests leave behind. */
async function growth(rig: Rig, quick: boolean): Promise<Figure[]> {
  await using server = await rig.start("microedge");
  const calls = quick ? 20_000 : 100_000;
  const flags = ["--connections", "1", "--warmup", String(calls / 5), "--calls", String(calls / 2)];
  await rig.load(server.target, flags);
  const before = memory(server.pid).privateKib;
  await rig.load(server.target, ["--connections", "1", "--calls", String(calls)]);
  const after = memory(server.pid).privateKib;
  return [
    figure(
      `private bytes after ${calls.toLocaleString("en")} more calls on one connection`,
      after,
      "KiB",
      {
        name: "before them",
        value: before,
      },
    ),
  ];
}
