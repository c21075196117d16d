/**
 * The serving half of the agent: what it answers, the RPC server, and the listener that lets peers in.
 */
import { MemoryPressure, marksFor } from "../guard/memory-marks.ts";
import type { Target } from "../guard/policy.ts";
import { systemTimeBox } from "../host/time-box.ts";
import type { PeerClock } from "../identity/time/time-view.ts";
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import type { Client } from "../rpc/client/client.ts";
import { interceptorsInOrder } from "../rpc/interceptors/order.ts";
import { EndpointTable } from "../rpc/server/endpoint-table.ts";
import { MucpServer } from "../rpc/server/mucp-server.ts";
import { connectionErrorReply } from "../rpc/server/replies.ts";
import { registerAgentService } from "../services/agent-service.ts";
import { registerDebugService } from "../services/debug-service.ts";
import { type LoadedModule, loadHandlerModules } from "../services/handler-modules.ts";
import { Listener, type ListenerSecurity } from "../transport/listener.ts";
import type { PeerRevocation } from "../transport/peer-revocation.ts";
import type { VerifyMode } from "../transport/verify-mode.ts";
import { microErrorOf } from "../wire/mucp/error.ts";
import { Access } from "./access.ts";
import type { AgentPorts } from "./agent-ports.ts";
import { capacityOf, misfitWords } from "./capacity.ts";
import type { AgentConfig } from "./config.ts";
import { Limits } from "./limits.ts";
import { MemoryWatch } from "./memory-watch.ts";

/** What peers are judged by, beside their certificates. */
export interface Judging {
  readonly time?: PeerClock;
  readonly revocation?: PeerRevocation | undefined;
}

export interface Inbound {
  readonly table: EndpointTable;
  readonly server: MucpServer;
  readonly listener: Listener;
  readonly access: Access;
  readonly limits: Limits;
  readonly memory: MemoryWatch;
  /** Loads `[[handlers]]`; before the listener starts. @throws AgentError `ERR_HANDLER_MODULE`. */
  loadHandlers(client: Client, signal: AbortSignal): Promise<readonly LoadedModule[]>;
}

/** Builds and starts nothing. @param source `undefined` with `rpc.insecure_plaintext`. */
export function buildInbound(
  config: AgentConfig,
  ports: AgentPorts,
  source: TlsMaterialSource | undefined,
  judging: Judging = {},
): Inbound {
  const { clock, random, figures } = ports;
  const { log } = ports.log;
  const { service, rpc } = config;
  const table = new EndpointTable(service.name);
  const access = new Access(config.acl, { clock, log, served: () => targetsOf(table) });
  const limits = new Limits(config.limits, {
    clock,
    random,
    log,
    policy: access.policy,
    served: () => targetsOf(table).map(({ service, endpoint }) => `${service}/${endpoint}`),
  });
  const capacity = capacityOf(config.limits, figures.memoryLimitBytes());
  const { limitBytes } = capacity;
  const misfit = misfitWords(capacity);
  if (misfit !== undefined) log.emit("config.warning", { key: "limits", reason: misfit });
  const pressure = new MemoryPressure(limitBytes === undefined ? undefined : marksFor(limitBytes));
  const server = new MucpServer({
    serviceName: service.name,
    table,
    interceptors: interceptorsInOrder({
      clock,
      log,
      pressure,
      limiter: limits.calls,
      policy: access.policy,
      audit: access.audit,
    }),
    clock,
    random,
    log,
    limits: {
      maxHeaderBytes: rpc.maxHeaderBytes,
      maxBodyBytes: rpc.maxBodyBytes,
      headerTimeoutMs: rpc.headerTimeoutMs,
      bodyTimeoutMs: rpc.bodyTimeoutMs,
      idleTimeoutMs: rpc.idleTimeoutMs,
      maxStreams: rpc.maxStreams,
    },
  });
  const readyAtMs = clock.monotonicMs();
  registerAgentService(table, { name: service.name, version: ports.version, readyAtMs }, clock);
  registerDebugService(table, service.name, { clock, figures, totals: server.counters, readyAtMs });
  const listener = new Listener({
    listen: rpc.listen,
    security: securityOf(config, source, judging.revocation),
    limits: capacity.admission,
    gate: limits.addresses,
    refusesConnection: (open) => pressure.refusesConnection(open),
    handshakeTimeoutMs: rpc.handshakeTimeoutMs,
    time: judging.time,
    handler: server.handle,
    refusalReply: (refusal) => connectionErrorReply(microErrorOf(refusal, service.name)),
    clock,
    random,
    log,
  });
  const memory = new MemoryWatch({
    pressure,
    limitBytes,
    figures,
    clock,
    log,
    closeIdle: (count) => listener.closeIdle(count),
    open: () => listener.open,
  });
  return {
    table,
    server,
    listener,
    access,
    limits,
    memory,
    loadHandlers: (client, signal) =>
      loadHandlerModules(config.handlers, {
        table,
        serviceName: service.name,
        client,
        clock,
        log,
        maxBodyBytes: rpc.maxBodyBytes,
        timeBox: systemTimeBox(),
        signal,
      }),
  };
}

function targetsOf(table: EndpointTable): readonly Target[] {
  return table
    .list()
    .map(({ service, name, endpoint: { kind } }) => ({ service, endpoint: name, kind }));
}

function securityOf(
  config: AgentConfig,
  source: TlsMaterialSource | undefined,
  revocation: PeerRevocation | undefined,
): ListenerSecurity {
  if (source === undefined) return { kind: "insecure-plaintext" };
  const { minVersion } = config.tls;
  return { kind: "tls", source, verify: verifyMode(config), minVersion, revocation };
}

function verifyMode({ verification, tls }: AgentConfig): VerifyMode {
  if (verification.inbound === "insecure") return { kind: "insecure-skip-verify" };
  // the configuration has an end date whenever it says observe
  if (verification.inbound === "observe" && tls.observeUntil !== undefined) {
    return { kind: "observe", untilMs: tls.observeUntil };
  }
  return { kind: "enforce" };
}
