/**
 * Which endpoints there are, for questions about access: the running agent knows; without it, those
 * that every agent serves.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { isAgentError } from "../../base/errors.ts";
import type { EndpointKind } from "../../guard/endpoint-kind.ts";
import type { Target } from "../../guard/policy.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import { usage } from "../arguments.ts";
import type { Terminal } from "../terminal.ts";

export interface KnownEndpoints {
  readonly from: "agent" | "built-in";
  readonly targets: readonly Target[];
}

/** A target, and how its kind is known. `assumed`: nobody knows the endpoint, and careful is `write`. */
export interface AskedTarget extends Target {
  readonly kindFrom: "option" | "agent" | "built-in" | "assumed";
}

const NEVER = new AbortController().signal;

/** @throws AgentError when the agent runs and can't answer; one that does not run is no error. */
export async function knownEndpoints(
  terminal: Terminal,
  { config }: LoadedConfig,
): Promise<KnownEndpoints> {
  try {
    const agent = new AdminClient(config.controlSocketPath, config.file);
    const services = await agent.services(NEVER);
    const targets = services
      .filter(({ source }) => source === "local")
      .flatMap(({ name, endpoints }) =>
        endpoints.map((each) => ({ service: name, endpoint: each.name, kind: each.kind })),
      );
    return { from: "agent", targets };
  } catch (thrown) {
    if (!isAgentError(thrown, "ERR_CONTROL_UNREACHABLE")) throw thrown;
    return { from: "built-in", targets: await builtIn(terminal, config.service.name) };
  }
}

async function builtIn(terminal: Terminal, name: string): Promise<readonly Target[]> {
  const [tables, agent, debug, process, { ServerCounters }] = await Promise.all([
    import("../../rpc/server/endpoint-table.ts"),
    import("../../services/agent-service.ts"),
    import("../../services/debug-service.ts"),
    import("../../host/process-figures.ts"),
    import("../../rpc/server/server-counters.ts"),
  ]);
  const { clock } = terminal;
  const table = new tables.EndpointTable(name);
  using figures = process.openProcessFigures();
  agent.registerAgentService(table, { name, version: "", readyAtMs: 0 }, clock);
  const totals = new ServerCounters();
  debug.registerDebugService(table, name, { clock, figures, totals, readyAtMs: 0 });
  return table
    .list()
    .map((each) => ({ service: each.service, endpoint: each.name, kind: each.endpoint.kind }));
}

const FORM = /^(?:([A-Za-z0-9._-]{1,128})\/)?([A-Za-z_]\w*\.[A-Za-z_]\w*)$/;

/**
 * Reads `service/Handler.Method`, or `Handler.Method` of the agent's own service.
 *
 * @throws AgentError `ERR_USAGE`.
 */
export function parseTarget(
  text: string,
  kind: EndpointKind | undefined,
  ownService: string,
  known: KnownEndpoints,
  help: string,
): AskedTarget {
  const [, service = ownService, endpoint] = FORM.exec(text) ?? [];
  if (endpoint === undefined) {
    throw usage(`${JSON.stringify(text)} is not service/Handler.Method`, help);
  }
  if (kind !== undefined) return { service, endpoint, kind, kindFrom: "option" };
  const found = known.targets.find(
    (target) => target.service === service && target.endpoint === endpoint,
  );
  if (found !== undefined) return { ...found, kindFrom: known.from };
  return { service, endpoint, kind: "write", kindFrom: "assumed" };
}
