/**
 * What is known of the time: by the running agent, else by the floor in the store, else by this machine
 * alone.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { SILENT } from "../../base/log.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import type { ClockView } from "../../sidecar/admin-operations.ts";
import { answers } from "../certificates/desk.ts";
import { machinePorts } from "../machine-ports.ts";
import type { Terminal } from "../terminal.ts";

export interface DeviceClock {
  readonly clock: ClockView;
  readonly running: boolean;
}

/** @throws AgentError `ERR_STORE_*` when a store is configured and can't be opened. */
export async function deviceClock(terminal: Terminal, loaded: LoadedConfig): Promise<DeviceClock> {
  const { config } = loaded;
  const agent = new AdminClient(config.controlSocketPath, config.file);
  if (await answers(agent)) {
    const { time } = await agent.status();
    if (time !== undefined) return { clock: time, running: true };
  }
  if (config.store.dir === undefined) {
    return { clock: await clockAlone(terminal, loaded), running: false };
  }
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  await using store = await openIdleStore(config, await machinePorts(terminal));
  return { clock: await store.clock(), running: false };
}

/** What can be said of the time without the floor that a store keeps. */
export async function clockAlone(
  terminal: Terminal,
  loaded: LoadedConfig | undefined,
): Promise<ClockView> {
  const { clockView, openDeviceTime } = await import("../../agent/device-time.ts");
  await using time = await openDeviceTime({
    ports: await machinePorts(terminal),
    log: SILENT,
    store: undefined,
    config: loaded?.config.time ?? { fleetKeys: [], notYetValid: "refuse", expiredGraceHours: 0 },
    device: () => undefined,
  });
  return clockView(time, terminal.clock);
}
