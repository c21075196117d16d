/**
 * Sequential calls on one connection, and how many get no answer. go-micro loses some (its unary calls
 * on a connection share an empty id); ours must lose none in either direction.
 */
import { resolve } from "node:path";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import type { AdminCall } from "#src/sidecar/admin-operations.ts";
import { type Figure, figure } from "./figure.ts";
import type { Rig } from "./rig.ts";

export async function lostCalls(rig: Rig, quick: boolean): Promise<Figure[]> {
  const calls = quick ? 2_000 : 20_000;
  await using goServer = await rig.start("go-micro");
  const goToGo = await rig.goMicroClient(goServer.target, calls);
  const lost = (of: { lost: number; failed: number }): number => of.lost + of.failed;
  const peer = { name: "go-micro v5.30.0 to itself", value: lost(goToGo) };

  const goToOurs = await callFromGo(rig, calls);
  const oursToGo = await callThroughAgent(rig, goServer.target, calls);
  const title = `lost of ${calls.toLocaleString("en")} sequential calls on one connection`;
  return [
    figure(`${title}, go-micro client to go-micro server`, peer.value, "calls"),
    figure(`${title}, go-micro client to our server`, lost(goToOurs), "calls", peer),
    figure(`${title}, our client to go-micro server`, oursToGo, "calls", peer),
  ];
}

async function callFromGo(rig: Rig, calls: number): Promise<{ lost: number; failed: number }> {
  await using ours = await rig.start("microedge");
  return await rig.goMicroClient(ours.target, calls);
}

/** Calls made by the built program's own client, asked for over its control socket. */
async function callThroughAgent(rig: Rig, target: string, calls: number): Promise<number> {
  await using agent = await rig.agent(
    `[client]\npool_size = 1\npool_ttl_ms = 3600000\nretries = 0\n[[registry.static]]\nservice = "bench"\naddresses = ["${target}"]`,
  );
  const control = new AdminClient(resolve(agent.site.directory, "control.sock"));
  const call: AdminCall = {
    service: "bench",
    endpoint: "Agent.Echo",
    codec: "json",
    metadata: new Map(),
    timeoutMs: 2_000,
  };
  const body = new TextEncoder().encode('{"text":"hello"}');
  let lost = 0;
  for (let sent = 0; sent < calls; sent += 1) {
    try {
      await control.call(call, body);
    } catch {
      lost += 1;
    }
  }
  return lost;
}
