/**
 * `microedge limits`: which limits are in force, how full their tables are, who was refused, and which
 * peers call most.
 */
import type { LimitsView, RateView } from "../../guard/limits-view.ts";
import { command } from "../command.ts";
import { agentStillOf } from "../configuration.ts";
import { formatBytes } from "../format/duration.ts";
import { columns, table } from "../format/table.ts";

export const limitsCommand = command({
  name: "limits",
  summary: "show the limits in force, who was refused and who calls most",
  detail:
    "USED counts clients whose bucket is not full at the moment. EVICTIONS counts calls of clients for which the table had no room: they share one bucket. Limits are set under [limits] in the configuration.",
  options: {},
  examples: ["microedge limits", "microedge limits --json"],
  async run({ terminal, report, configFile }) {
    const agent = await agentStillOf(terminal, configFile, report);
    const limits = await agent.limits();
    return report.result({ ...limits }, () => formatLimits(limits));
  },
});

export function formatLimits({ tables, calls, peers }: LimitsView): string {
  const rows = tables.flatMap((each) => {
    const [first, ...more] = each.rates.map(formatRate);
    const { name, capacity, used, evictions, refused, waited, bytes } = each;
    const counts = [used, capacity, evictions, refused, waited].map(String);
    return [
      [name, ...counts, formatBytes(bytes), first ?? ""],
      ...more.map((rate) => ["", "", "", "", "", "", "", rate]),
    ];
  });
  const heading = ["limit", "used", "of", "evictions", "refused", "waited", "memory", "rate"];
  const { inFlight, waiting, max, maxPerPeer, shed, refusedPerPeer } = calls;
  const ofPeer = maxPerPeer === 0 ? "no limit" : `at most ${maxPerPeer}, ${refusedPerPeer} refused`;
  const inProgress = columns([
    ["calls in progress", `${inFlight} of ${max}, ${waiting} of them wait; ${shed} refused`],
    ["of one peer", ofPeer],
  ]);
  const busiest = table(
    ["calls/s", "calls", "refused", "in progress", "peer"],
    peers.map(({ peer, callsPerSecond, ...counts }) => [
      callsPerSecond.toFixed(1),
      String(counts.calls),
      String(counts.refused),
      String(counts.inFlight),
      peer,
    ]),
  );
  return [
    tables.length === 0 ? "no rate is limited" : table(heading, rows),
    inProgress,
    peers.length === 0 ? "no peer has called yet" : busiest,
  ].join("\n\n");
}

function formatRate({ endpoint, rate, burst, waitMs }: RateView): string {
  const where = endpoint === undefined ? "" : `${endpoint}: `;
  const wait = waitMs === 0 ? "" : `, waits up to ${waitMs} ms`;
  return `${where}${rate}/s, burst ${burst}${wait}`;
}
