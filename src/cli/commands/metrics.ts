/**
 * `microedge metrics`: the figures of the running agent for Prometheus and whoever reads its text format.
 */
import { command } from "../command.ts";
import { agentStillOf } from "../configuration.ts";

export const metricsCommand = command({
  name: "metrics",
  summary: "print the figures of the running agent in the Prometheus text format",
  detail:
    "For node_exporter's textfile collector, Telegraf and the like, which docs/metrics.md shows. `metrics.listen` serves the same over HTTP.",
  options: {},
  examples: ["microedge metrics", "microedge metrics | grep not_after"],
  async run({ terminal, report, configFile }) {
    const agent = await agentStillOf(terminal, configFile, report);
    const status = await agent.status();
    const { formatMetrics } = await import("../../sidecar/metrics-text.ts");
    const text = formatMetrics(status);
    return report.result({ metrics: text }, () => text);
  },
});
