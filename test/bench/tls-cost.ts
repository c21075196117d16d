/**
 * What verifying the client costs: server CPU with mutual TLS against server-only TLS, on kept
 * connections and on a new connection per call. ECDSA P-256, TLS 1.3, full handshakes. The same on
 * Go's net/http beside it.
 */
import { type Figure, figure, median } from "./figure.ts";
import { cpuMs } from "./process-cost.ts";
import type { Rig, ServerName } from "./rig.ts";

export async function tlsCost(rig: Rig, quick: boolean): Promise<Figure[]> {
  const rounds = quick ? 1 : 3;
  const figures: Figure[] = [];
  for (const name of ["microedge", "net/http"] as const) {
    for (const reconnect of [false, true]) {
      const costs: Record<"mutual" | "serverOnly", number[]> = { mutual: [], serverOnly: [] };
      for (let round = 0; round < rounds; round += 1) {
        costs.mutual.push(await costOf(rig, name, true, reconnect, quick));
        costs.serverOnly.push(await costOf(rig, name, false, reconnect, quick));
      }
      figures.push(
        figure(
          `${name}: CPU per call, mutual TLS, ${reconnect ? "new connection each" : "kept connections"}`,
          median(costs.mutual) * 1000,
          "us",
          { name: `${name}, server-only TLS`, value: median(costs.serverOnly) * 1000 },
        ),
      );
    }
  }
  return figures;
}

async function costOf(
  rig: Rig,
  name: ServerName,
  mutual: boolean,
  reconnect: boolean,
  quick: boolean,
): Promise<number> {
  await using server = await rig.start(name, { mutual });
  const calls = (reconnect ? 600 : 10_000) / (quick ? 4 : 1);
  const flags = ["--connections", "4", ...(reconnect ? ["--reconnect"] : [])];
  await rig.load(server.target, [...flags, "--calls", "200"], mutual);
  const before = cpuMs(server.pid);
  const result = await rig.load(server.target, [...flags, "--calls", String(calls)], mutual);
  if (result.answered !== calls)
    throw new Error(`${name}: ${calls - result.answered} calls failed`);
  return (cpuMs(server.pid) - before) / calls;
}
