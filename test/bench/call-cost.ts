/**
 * Server CPU per unary JSON call over mutual TLS, 8 connections, whole pipeline on: ours, go-micro's
 * HTTP transport, and Go's plain net/http. The three take turns, each on a fresh server.
 */
import { comparison, type Figure } from "./figure.ts";
import { cpuMs } from "./process-cost.ts";
import type { Rig, ServerName } from "./rig.ts";

const PEERS = [
  { server: "go-micro", name: "go-micro v5.30.0 HTTP" },
  { server: "net/http", name: "Go net/http" },
] as const;
const CONNECTIONS = 8;
const SIZES = [
  { bytes: 100, label: "100 B" },
  { bytes: 10_240, label: "10 KiB" },
];

interface Effort {
  readonly calls: number;
  /** Calls before those that count: until the compiler has done its work. */
  readonly warmUp: number;
}

export async function callCost(rig: Rig, quick: boolean): Promise<Figure[]> {
  const rounds = quick ? 1 : 5;
  const effort = quick ? { calls: 4_000, warmUp: 4_000 } : { calls: 20_000, warmUp: 10_000 };
  // go-micro costs some ten times as much, compiles nothing and keeps memory per call: fewer do.
  const goMicroEffort = { calls: effort.calls / 4, warmUp: effort.warmUp / 10 };
  const figures: Figure[] = [];
  for (const { bytes, label } of SIZES) {
    const costs: Record<ServerName, number[]> = { microedge: [], "go-micro": [], "net/http": [] };
    for (let round = 0; round < rounds; round += 1) {
      costs.microedge.push(await costOf(rig, "microedge", bytes, effort));
      costs["net/http"].push(await costOf(rig, "net/http", bytes, effort));
      costs["go-micro"].push(await costOf(rig, "go-micro", bytes, goMicroEffort));
    }
    const name = `CPU per 1,000 mTLS JSON calls, ${label}, ${CONNECTIONS} connections`;
    for (const peer of PEERS) {
      const values = costs[peer.server];
      figures.push(comparison(name, costs.microedge, "ms", { name: peer.name, values }));
    }
  }
  return figures;
}

/** CPU milliseconds per 1,000 calls. */
async function costOf(
  rig: Rig,
  name: ServerName,
  bytes: number,
  { calls, warmUp }: Effort,
): Promise<number> {
  await using server = await rig.start(name);
  const flags = ["--connections", String(CONNECTIONS), "--bytes", String(bytes), "--unique-stream"];
  await rig.load(server.target, [...flags, "--calls", String(warmUp)]);
  const before = cpuMs(server.pid);
  const result = await rig.load(server.target, [...flags, "--calls", String(calls)]);
  const spent = cpuMs(server.pid) - before;
  if (result.wrong > 0 || result.failed > 0) throw new Error(`${name} answered wrongly`);
  return (spent / result.answered) * 1000;
}
