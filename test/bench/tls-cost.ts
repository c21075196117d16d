/**
 * What verifying the client costs: server CPU when the client shows a certificate that is verified,
 * against the same without one, on kept connections and on a new connection per call. ECDSA P-256,
 * TLS 1.3, full handshakes. The same on Go's net/http beside it.
 */
import { comparison, type Figure } from "./figure.ts";
import { cpuMs } from "./process-cost.ts";
import type { Rig, ServerName } from "./rig.ts";

const SERVERS = ["microedge", "net/http"] as const;

export async function tlsCost(rig: Rig, quick: boolean): Promise<Figure[]> {
  const rounds = quick ? 1 : 5;
  const figures: Figure[] = [];
  for (const server of SERVERS) {
    for (const reconnect of [false, true]) {
      const costs: Record<"mutual" | "serverOnly", number[]> = { mutual: [], serverOnly: [] };
      for (let round = 0; round < rounds; round += 1) {
        costs.mutual.push(await costOf(rig, server, true, reconnect, quick));
        costs.serverOnly.push(await costOf(rig, server, false, reconnect, quick));
      }
      const where = reconnect ? "a new connection each" : "kept connections";
      figures.push(
        comparison(`${server}: CPU per call, mutual TLS, ${where}`, costs.mutual, "us", {
          name: `${server}, server-only TLS`,
          values: costs.serverOnly,
        }),
      );
    }
  }
  return figures;
}

/** CPU microseconds per call. */
async function costOf(
  rig: Rig,
  name: ServerName,
  mutual: boolean,
  reconnect: boolean,
  quick: boolean,
): Promise<number> {
  await using server = await rig.start(name, { mutual });
  const calls = (reconnect ? 500 : 10_000) / (quick ? 4 : 1);
  const warmUp = reconnect ? 200 : 5_000;
  const flags = ["--connections", "4", ...(reconnect ? ["--reconnect"] : [])];
  await rig.load(server.target, [...flags, "--calls", String(warmUp)], mutual);
  const before = cpuMs(server.pid);
  const result = await rig.load(server.target, [...flags, "--calls", String(calls)], mutual);
  if (result.answered !== calls)
    throw new Error(`${name}: ${calls - result.answered} calls failed`);
  return ((cpuMs(server.pid) - before) / calls) * 1000;
}
