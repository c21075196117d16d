/**
 * What `status` says, put together from what the parts know. Pure.
 */
import type { CertificateSummary } from "../base/principal.ts";
import type { LimitsView } from "../guard/limits-view.ts";
import type { ExpiryReading } from "../identity/time/expiry-reading.ts";
import type { ClientStatus } from "../rpc/client/counters.ts";
import type { ServerCounters } from "../rpc/server/server-counters.ts";
import type {
  AgentState,
  ListenerView,
  TlsView,
  TrustAnchorsView,
} from "../sidecar/admin-operations.ts";
import type { CounterFamily, IntakeCounters } from "../transport/intake-counters.ts";
import type { ListenerState } from "../transport/listener.ts";
import type { AgentConfig } from "./config.ts";
import { type ConfigProblem, formatProblem } from "./config-problem.ts";

/** Where the agent is between start and stop. */
export type Phase = "starting" | "running" | "draining";

export function agentState(phase: Phase, listener: ListenerState): AgentState {
  if (phase !== "running") return phase;
  return listener.kind === "listening" ? "ready" : "waiting";
}

export function listenerView(configured: string, state: ListenerState): ListenerView {
  return {
    address: configured,
    listen: state.kind === "listening" ? state.address : undefined,
    waitingFor: state.kind === "waiting" ? state.reason : undefined,
  };
}

export interface OwnMaterial {
  readonly leaf: CertificateSummary | undefined;
  /** What is in force but deserves a look. */
  readonly warnings: readonly string[];
  /** Why newer files are not in force. */
  readonly refusal: string | undefined;
}

export function tlsView(
  config: AgentConfig,
  material: OwnMaterial | undefined,
  nowMs: number,
): TlsView {
  const over = (config.tls.observeUntil ?? Infinity) <= nowMs;
  const { inbound } = config.verification;
  return {
    verify: config.rpc.insecurePlaintext
      ? "plaintext"
      : inbound === "observe" && over
        ? "enforce"
        : inbound,
    minVersion: config.tls.minVersion,
    certificate: material?.leaf,
    refused: material?.refusal,
  };
}

const FAMILIES: Readonly<Record<CounterFamily, string>> = {
  refused: "connections_refused",
  peersRefused: "peers_refused",
  observed: "peers_observed",
  handshakesFailed: "handshakes_failed",
};

/** Totals since the start, flat; a cause or code stands behind a colon: `peers_refused:expired`. */
export function countersView(
  server: ServerCounters,
  intake: IntakeCounters,
  client: ClientStatus,
  limits: LimitsView,
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {
    calls: server.requests,
    errors: server.errors,
    streams_open: server.streams,
    events_dropped: server.eventsDropped,
    stream_messages_late: server.lateMessages,
    connections_accepted: intake.accepted,
    client_calls: client.calls,
    client_succeeded: client.succeeded,
    client_retries: client.retries,
    client_streams: client.streams,
  };
  for (const { name, refused } of limits.tables) counts[`limited:${name}`] = refused;
  counts["limited:max_calls"] = limits.calls.shed;
  counts["limited:max_calls_per_peer"] = limits.calls.refusedPerPeer;
  for (const [code, count] of server.refusedCalls) counts[`calls_refused:${code}`] = count;
  for (const [code, count] of server.refusedMessages) counts[`messages_refused:${code}`] = count;
  for (const [family, name] of Object.entries(FAMILIES) as [CounterFamily, string][]) {
    counts[name] = intake.total(family);
    for (const [cause, count] of intake.of(family)) counts[`${name}:${cause}`] = count;
  }
  for (const [code, count] of Object.entries(client.failures))
    counts[`client_failed:${code}`] = count;
  return counts;
}

/** Of readings as the expiry watch gives them. */
export function trustView(readings: readonly ExpiryReading[]): TrustAnchorsView {
  const ends = readings.flatMap(({ role, notAfter }) => (role === "anchor" ? [notAfter] : []));
  return {
    anchors: ends.length,
    firstEndsAt: ends.length === 0 ? undefined : Math.min(...ends),
    lastEndsAt: ends.length === 0 ? undefined : Math.max(...ends),
  };
}

export interface WarningSources {
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly config: AgentConfig;
  readonly configWarnings: readonly ConfigProblem[];
  readonly material: OwnMaterial | undefined;
  readonly client: ClientStatus;
  /** Why the last reload was refused; `undefined` when it was not. */
  readonly reloadRefused: string | undefined;
  /** Changed keys that wait for a restart. */
  readonly needRestart: readonly string[];
  /** Lists that are stale or can't be had. */
  readonly revocation?: readonly string[];
  /** What the rotation queue could not keep, or gave up. */
  readonly queue?: readonly string[];
  /** Why figures are not served where they were asked for. */
  readonly metrics?: string | undefined;
  /** Our certificates and the authorities, the worst first. */
  readonly expiry?: readonly ExpiryReading[];
}

/** Sentences a person should read, the loudest first. */
export function statusWarnings(sources: WarningSources): readonly string[] {
  const { config, configWarnings, material, client, reloadRefused, needRestart, nowMs } = sources;
  const warnings = config.verification.insecurities.map(
    ({ key, message }) => `INSECURE: ${message} (${key})`,
  );
  if (config.tls.verify === "observe" && config.tls.observeUntil !== undefined) {
    const until = new Date(config.tls.observeUntil).toISOString();
    warnings.push(
      nowMs < config.tls.observeUntil
        ? `peers are only observed, not enforced, until ${until} (tls.verify)`
        : `observing ended on ${until}: peers are enforced; set tls.verify = "enforce"`,
    );
  }
  if (!config.rpc.insecurePlaintext && config.tls.minVersion === "1.2") {
    warnings.push("TLS 1.2 is allowed for old peers (tls.minVersion)");
  }
  if (reloadRefused !== undefined) warnings.push(`the last reload was refused: ${reloadRefused}`);
  if (needRestart.length > 0) {
    warnings.push(`changed keys wait for a restart: ${needRestart.join(", ")}`);
  }
  warnings.push(...configWarnings.map(formatProblem), ...(material?.warnings ?? []));
  warnings.push(...(sources.revocation ?? []), ...(sources.queue ?? []));
  if (sources.metrics !== undefined) warnings.push(sources.metrics);
  const ending = (sources.expiry ?? []).filter(({ level }) => level !== "good");
  warnings.push(
    ...ending.map(({ words, fix }) => (fix === undefined ? words : `${words}; ${fix}`)),
  );
  for (const { address, failures, restMs } of client.resting) {
    warnings.push(
      `node ${address} failed ${failures} times in a row and rests ${Math.ceil(restMs / 1000)} s`,
    );
  }
  return warnings;
}
