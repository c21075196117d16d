/**
 * `microedge status`: what the running agent is and does.
 */
import { formatMoment, formatSpan } from "../../identity/span-words.ts";
import { timeLine } from "../../identity/time/time-checks.ts";
import type { StatusView } from "../../sidecar/admin-operations.ts";
import { identityRows } from "../certificates/format.ts";
import { command } from "../command.ts";
import { agentStillOf } from "../configuration.ts";
import { formatBytes, formatDuration } from "../format/duration.ts";
import { revocationRows } from "../format/revocation-rows.ts";
import { paint } from "../format/style.ts";
import { columns } from "../format/table.ts";
import { queueWords } from "../queue/format.ts";
import type { Output } from "../terminal.ts";

export const statusCommand = command({
  name: "status",
  summary: "show what the running agent is and does",
  detail:
    "Asks the agent also when the configuration file has become wrong: it goes on with what the file said before.",
  options: {},
  examples: ["microedge status", "microedge status --json"],
  async run({ terminal, report, configFile }) {
    const agent = await agentStillOf(terminal, configFile, report);
    const status = await agent.status();
    return report.result({ ...status }, (out) => formatStatus(status, out, terminal.clock.now()));
  },
});

/** A zero here is news too. */
const ALWAYS_COUNTED: ReadonlySet<string> = new Set(["calls", "errors"]);

function peersWords({ verify, minVersion }: StatusView["tls"]): string {
  return verify === "plaintext"
    ? "plaintext, NOT ENCRYPTED"
    : `${verify}, TLS ${minVersion} or newer`;
}

function memoryWords(memory: StatusView["memory"]): string {
  const limit = memory.limit === undefined ? "no limit" : `limit ${formatBytes(memory.limit)}`;
  const faults = `${memory.majorFaults} major faults, ${memory.majorFaultsPerSecond} a second`;
  const given = `${memory.shedCalls} calls shed, ${memory.closedConnections} idle connections closed`;
  return `${formatBytes(memory.anon)} anonymous, ${limit}, ${memory.level}; ${faults}; ${given}`;
}

/** @param nowMs Unix milliseconds. */
export function formatStatus(status: StatusView, out: Output, nowMs: number): string {
  const { listener, tls, memory } = status;
  const rows: [string, string][] = [
    ["agent", `${status.name} ${status.version}, process ${status.pid}`],
    ["state", paint(out, status.state === "ready" ? "green" : "yellow", status.state)],
    ["up", `${formatDuration(status.uptimeMs)}, since ${formatMoment(status.startedAt)}`],
    ["configuration", status.configPath],
    [
      "listens",
      listener.listen ?? `waits for ${listener.address}: ${listener.waitingFor ?? "not bound yet"}`,
    ],
    ["peers", `${peersWords(tls)}, ${status.connections} connected`],
  ];
  if (tls.certificate !== undefined) {
    const { subject, issuer, notAfter } = tls.certificate;
    const left = notAfter - nowMs;
    const ends = left > 0 ? `ends in ${formatSpan(left)}` : `ENDED ${formatSpan(-left)} ago`;
    rows.push(["certificate", `${subject}, issued by ${issuer}`]);
    rows.push(["", `${ends} (${formatMoment(notAfter)}), serial ${tls.certificate.serial}`]);
  }
  if (status.identity !== undefined) rows.push(...identityRows(status.identity, out));
  if (status.time !== undefined) rows.push(["time", timeLine(status.time)]);
  if (status.revocation !== undefined) rows.push(...revocationRows(status.revocation, out));
  if (status.renewal !== undefined) rows.push(["renewal", status.renewal.words]);
  if (status.queue !== undefined) rows.push(["queue", queueWords(status.queue)]);
  const counters = Object.entries(status.counters)
    .filter(([name, count]) => count > 0 || ALWAYS_COUNTED.has(name))
    .map(([name, count]) => `${name} ${count}`);
  rows.push(["counted", counters.join(", ")]);
  rows.push([
    "memory",
    `${formatBytes(memory.rss)} resident, ${formatBytes(memory.heapUsed)} heap`,
  ]);
  rows.push(["", memoryWords(memory)]);
  for (const { module, service } of status.handlers)
    rows.push(["handlers", `${service}: ${module}`]);
  if (tls.refused !== undefined) rows.push(["TLS files", `newer ones not in use: ${tls.refused}`]);
  for (const warning of status.warnings) rows.push([paint(out, "yellow", "warning"), warning]);
  return columns(rows);
}
