/**
 * `microedge services`: what this agent serves and what it knows how to reach.
 */
import { command } from "../command.ts";
import { agentStillOf } from "../configuration.ts";
import { table } from "../format/table.ts";

const NEVER = new AbortController().signal;

export const servicesCommand = command({
  name: "services",
  summary: "list the services that the agent serves or can reach",
  detail: "Endpoints are known for the agent's own services only.",
  options: {},
  examples: ["microedge services", "microedge services --json"],
  async run({ terminal, report, configFile }) {
    const agent = await agentStillOf(terminal, configFile, report);
    const services = await agent.services(NEVER);
    return report.result({ services }, () => {
      const rows = services.flatMap(({ name, version, source, nodes, endpoints }) => [
        [name, version, source, "", nodes.map(({ address }) => address).join(", ")],
        ...endpoints.map((endpoint) => [
          `  ${endpoint.name}`,
          "",
          "",
          endpoint.mode === "stream" ? `${endpoint.kind}, stream` : endpoint.kind,
          "",
        ]),
      ]);
      return table(["service", "version", "source", "kind", "nodes"], rows);
    });
  },
});
