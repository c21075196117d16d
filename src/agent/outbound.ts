/**
 * The calling half of the agent: where services are looked up, how they are reached, and the client.
 */
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import { formatAddress } from "../registry/address.ts";
import type { Registry } from "../registry/record.ts";
import { StaticRegistry } from "../registry/static-registry.ts";
import { Client } from "../rpc/client/client.ts";
import type { PeerRevocation } from "../transport/peer-revocation.ts";
import { type ProxySettings, parseProxy } from "../transport/proxy-settings.ts";
import { type DialerSecurity, TlsDialer } from "../transport/tls-dialer.ts";
import type { AgentPorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import type { Judging } from "./inbound.ts";
import { LiveRegistry } from "./live-registry.ts";

export interface Outbound extends AsyncDisposable {
  readonly registry: LiveRegistry;
  readonly client: Client;
}

/** This machine is never reached through a proxy. */
const LOOPBACK = ["localhost", "127.0.0.0/8", "::1"];

/**
 * Nothing connects before the first call.
 *
 * @param source `undefined` with `rpc.insecure_plaintext`.
 */
export function buildOutbound(
  config: AgentConfig,
  ports: Pick<AgentPorts, "clock" | "random" | "network" | "log">,
  source: TlsMaterialSource | undefined,
  judging: Judging = {},
): Outbound {
  const { clock, random, network } = ports;
  const { log } = ports.log;
  const { connectTimeoutMs, proxy: _, ...options } = config.client;
  const registry = new LiveRegistry(staticRegistry(config));
  const dialer = new TlsDialer({
    security: securityOf(config, source, judging.revocation),
    network,
    connectTimeoutMs,
    time: judging.time,
    proxy: proxyOf(config),
    clock,
    log,
  });
  const client = new Client(
    { dialer, registry, clock, random, log },
    { ...options, drainMs: config.rpc.drainTimeoutMs },
  );
  const unsubscribe = source?.subscribe(() => client.refresh());
  return {
    registry,
    client,
    async [Symbol.asyncDispose]() {
      unsubscribe?.();
      await client.close();
      dialer[Symbol.dispose]();
    },
  };
}

export function staticRegistry(config: AgentConfig): Registry {
  return new StaticRegistry(
    config.registry.static.map((entry) => ({
      ...entry,
      addresses: entry.addresses.map(formatAddress),
    })),
  );
}

function securityOf(
  config: AgentConfig,
  source: TlsMaterialSource | undefined,
  revocation: PeerRevocation | undefined,
): DialerSecurity {
  if (source === undefined) return { kind: "insecure-plaintext" };
  const { outbound } = config.verification;
  return {
    kind: "tls",
    source,
    verify: outbound === "insecure" ? "insecure-skip-verify" : "enforce",
    minVersion: config.tls.minVersion,
    revocation,
  };
}

/** The proxy, which this machine is never reached through; `undefined` without one. */
export function proxyOf(config: Pick<AgentConfig, "client" | "rpc">): ProxySettings | undefined {
  const { proxy } = config.client;
  if (proxy === undefined) return undefined;
  return parseProxy(proxy.href, [...LOOPBACK, config.rpc.listen.host]);
}
