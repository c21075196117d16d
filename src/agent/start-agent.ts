/**
 * The composition root: builds every part, in the order of the floors, starts all of them or none.
 *
 *     certificate store or files -> time, queue, renewal, revocation -> registry, dialer, client
 *     -> endpoints and handler modules -> the agent, which starts them (agent.ts)
 */
import type { CrlInForce } from "../identity/revocation/crl-shelf.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import { Agent } from "./agent.ts";
import type { AgentPorts } from "./agent-ports.ts";
import type { LoadedConfig } from "./config.ts";
import { openDeviceTime } from "./device-time.ts";
import { watchExpiry } from "./expiry.ts";
import { buildInbound } from "./inbound.ts";
import { type Late, nameOf, openIdentity } from "./open-identity.ts";
import { openStore } from "./open-store.ts";
import { buildOutbound } from "./outbound.ts";
import { Outgoing } from "./outgoing.ts";
import { openRevocation } from "./revocation.ts";
import type { StoreRooms, StoreRoomsParts } from "./store-rooms.ts";
import { claimByCrls } from "./time-evidence.ts";

/**
 * Builds and starts an agent. When this resolves it serves, or waits for an address that is not there
 * yet; `agent.ready` is logged when it serves.
 *
 * @param signal Ends the start; everything that had started is stopped again.
 * @throws AgentError of the part that failed; nothing is left running.
 */
export async function startAgent(
  loaded: LoadedConfig,
  machine: AgentPorts,
  signal: AbortSignal,
): Promise<Agent> {
  announce(loaded, machine);
  await using running = new AsyncDisposableStack();
  const outgoing = running.use(new Outgoing(machine));
  const { ports, signs } = outgoing;
  const { config } = loaded;
  const { log } = ports.log;
  const device: Late = {};
  const store = await openStore(config, ports, log);
  if (store !== undefined) running.use(store);
  const name = (): string | undefined => nameOf(device.identity);
  const time = running.use(
    await openDeviceTime({ ports, log, store, config: config.time, device: name }),
  );
  const view = (): TimeView => time.trusted.view();
  const identity = await openIdentity({ config, ports, store, time: time.trusted, device }, signal);
  if (identity !== undefined) running.use(identity);
  device.identity = identity;
  const rooms =
    store === undefined
      ? undefined
      : running.use(
          await openRooms({ config, store, identity, time, outgoing, device: name(), log }),
        );
  const budget = rooms?.budget ?? outgoing.countOn(undefined);
  const proves = (crls: readonly CrlInForce[]): void =>
    claimByCrls(time.trusted, identity?.source, crls);
  const spending = { budget, queue: rooms?.queue.queue };
  const revocation = openRevocation(config, ports, identity?.source, spending, view, proves);
  if (revocation !== undefined) running.use(revocation);
  device.revocation = revocation;
  const judging = { revocation: revocation?.peers, time: time.trusted };
  const outbound = buildOutbound(config, ports, identity?.source, judging);
  running.use(outbound);
  const reports = await rooms?.openReports(outbound.client);
  if (reports !== undefined) running.use(reports);
  signs.listen({
    returned: () => {
      rooms?.queue.networkIsBack();
      revocation?.networkIsBack();
    },
  });
  const inbound = buildInbound(config, ports, identity?.source, judging);
  device.listener = inbound.listener;
  const modules = await inbound.loadHandlers(outbound.client, signal);
  inbound.access.announce();
  inbound.limits.announce();
  running.use(inbound.access);
  running.use(inbound.memory);
  await revocation?.start();
  const expiry =
    identity === undefined
      ? undefined
      : running.use(watchExpiry({ source: identity.source, time, clock: ports.clock, log }));
  signal.throwIfAborted();
  const agent = new Agent(loaded, ports, {
    identity,
    time,
    expiry,
    revocation,
    outbound,
    inbound,
    modules,
    queue: rooms?.queue,
    renewal: rooms?.renewal,
    pushes: rooms?.pushes,
    handlers: {
      ...rooms?.renewal?.handlers,
      ...rooms?.pushes?.handlers,
      ...revocation?.handlers,
      ...reports?.handlers,
    },
  });
  await agent.start(running, signal);
  return agent;
}

async function openRooms(parts: StoreRoomsParts): Promise<StoreRooms> {
  const { openStoreRooms } = await import("./store-rooms.ts");
  return openStoreRooms(parts);
}

function announce({ config, warnings }: LoadedConfig, { log, version }: AgentPorts): void {
  log.log.emit("agent.starting", { version, config: config.file });
  for (const { key, message } of warnings) log.log.emit("config.warning", { key, reason: message });
  // what concerns inbound peers the listener says itself
  if (config.verification.inbound === "insecure") return;
  for (const { key, message } of config.verification.insecurities) {
    log.log.emit("agent.insecure", { key, reason: message });
  }
}
