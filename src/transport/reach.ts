/**
 * From a name to a TCP connection: its addresses in a race, or a tunnel through the HTTP proxy. Leaves
 * nothing open behind it when it fails. Nothing else in the agent opens a connection (a test sees to it).
 */
import type { Socket } from "node:net";
import { AgentError, isAgentError } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Network, NetworkAddress } from "../host/network.ts";
import { raceAddresses } from "./happy-eyeballs.ts";
import type { NameLookup } from "./name-lookup.ts";
import { connectWords } from "./node-error.ts";
import { bypassesProxy, type ProxySettings } from "./proxy-settings.ts";
import { openTunnel } from "./proxy-tunnel.ts";
import { waitFor } from "./socket-events.ts";

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

export interface ReachParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly lookup: NameLookup;
  readonly proxy: ProxySettings | undefined;
  /** Told what is being done, for the text of a time-out. */
  onStep(words: string): void;
}

/**
 * A connection to the target, or a tunnel to it. The network port is told the outcome.
 *
 * @throws AgentError `ERR_RPC_CONNECT`, which names every address tried; the signal's reason.
 */
export async function reach(
  target: HostAndPort,
  parts: ReachParts,
  signal: AbortSignal,
): Promise<Socket> {
  const { network } = parts;
  try {
    const socket = await goTo(target, parts, signal);
    network.outcome?.(target.host, true);
    return socket;
  } catch (error) {
    // Also when the caller's patience ended: a network that swallows everything looks like that.
    network.outcome?.(target.host, false);
    throw error;
  }
}

/** Whether a target is reached through the proxy. */
export function proxyFor(
  proxy: ProxySettings | undefined,
  { host, port }: HostAndPort,
): ProxySettings | undefined {
  return proxy === undefined || bypassesProxy(proxy, host, port) ? undefined : proxy;
}

async function goTo(target: HostAndPort, parts: ReachParts, signal: AbortSignal): Promise<Socket> {
  const { onStep } = parts;
  const proxy = proxyFor(parts.proxy, target);
  if (proxy === undefined) return connectTo(target, parts, signal);
  const socket = await toProxy(proxy, parts, signal);
  onStep("waiting for the proxy to open a tunnel");
  try {
    await openTunnel(socket, target, proxy, signal);
    return socket;
  } catch (error) {
    socket.on("error", () => undefined);
    socket.destroy();
    throw error;
  }
}

/** Whoever reads the error has asked for another address, and must not look for the fault there. */
async function toProxy(
  proxy: ProxySettings,
  parts: ReachParts,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    return await connectTo(proxy, parts, signal);
  } catch (error) {
    if (signal.aborted || !isAgentError(error)) throw error;
    throw new AgentError(error.code, `can't reach the proxy: ${error.message}`, { cause: error });
  }
}

async function connectTo(
  { host, port }: HostAndPort,
  { network, clock, lookup, onStep }: ReachParts,
  signal: AbortSignal,
): Promise<Socket> {
  const addresses = await lookup.resolve(host, signal);
  onStep(`connecting to ${addresses.map(({ address }) => address).join(", ")}`);
  const open = async (address: NetworkAddress, abort: AbortSignal): Promise<Socket> => {
    const socket = network.connect(address, port);
    try {
      await waitFor(socket, "connect", abort);
      return socket;
    } catch (error) {
      if (abort.aborted) throw error;
      const where = whereOf({ host: address.address, port });
      throw new AgentError("ERR_RPC_CONNECT", connectWords(error, where), { cause: error });
    }
  };
  const discard = (socket: Socket): void => void socket.destroy();
  try {
    return await raceAddresses({ addresses, open, discard, clock, signal });
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const words = error.errors.map((each) => (each as Error).message).join("; ");
    throw new AgentError("ERR_RPC_CONNECT", words || `${host} has no address`, { cause: error });
  }
}

/** `host:port`, an IPv6 address in brackets. */
export function whereOf({ host, port }: HostAndPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
