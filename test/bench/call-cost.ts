/**
 * Server CPU per unary JSON call over mutual TLS, 8 connections, whole pipeline on: ours, go-micro's
 * HTTP transport, and Go's plain net/http. The three take turns; the figure is the median of rounds.
 */
import { type Figure, figure, median } from "./figure.ts";
import { cpuMs } from "./process-cost.ts";
import type { Rig, ServerName } from "./rig.ts";

const SERVERS: readonly ServerName[] = ["microedge", "go-micro", "net/http"];
const CONNECTIONS = 8;

export async function callCost(rig: Rig, quick: boolean): Promise<Figure[]> {
  const [rounds, calls] = quick ? [1, 4_000] : [5, 20_000];
  const figures: Figure[] = [];
  for (const bytes of [100, 10_240]) {
    const costs = new Map<ServerName, number[]>();
    for (let round = 0; round < rounds; round += 1) {
      for (const name of SERVERS) {
        // go-micro costs some eight times as much and keeps memory per request: fewer calls do.
        const count = name === "go-micro" ? calls / 4 : calls;
        const cost = await costOf(rig, name, bytes, count);
        costs.set(name, [...(costs.get(name) ?? []), cost]);
      }
    }
    const of = (name: ServerName): number => median(costs.get(name) ?? []);
    const label = bytes === 100 ? "100 B" : "10 KiB";
    for (const peer of ["go-micro", "net/http"] as const) {
      const peerName = peer === "go-micro" ? "go-micro v5.30.0 HTTP" : "Go net/http";
      figures.push(
        figure(
          `CPU per 1,000 mTLS JSON calls, ${label}, ${CONNECTIONS} connections`,
          of("microedge") * 1000,
          "ms",
          {
            name: peerName,
            value: of(peer) * 1000,
          },
        ),
      );
    }
  }
  return figures;
}

/** CPU milliseconds per call, after a warm-up on a fresh server. */
async function costOf(rig: Rig, name: ServerName, bytes: number, calls: number): Promise<number> {
  await using server = await rig.start(name);
  const flags = ["--connections", String(CONNECTIONS), "--bytes", String(bytes), "--unique-stream"];
  await rig.load(server.target, [...flags, "--calls", String(Math.min(calls, 5_000))]);
  const before = cpuMs(server.pid);
  const result = await rig.load(server.target, [...flags, "--calls", String(calls)]);
  const spent = cpuMs(server.pid) - before;
  if (result.wrong > 0 || result.failed > 0) throw new Error(`${name} answered wrongly`);
  return spent / result.answered;
}
