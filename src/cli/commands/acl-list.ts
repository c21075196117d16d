/**
 * `microedge acl list`: roles, peers, and what each peer may call.
 */
import { findIdlePatterns } from "../../guard/acl-coverage.ts";
import { allowingPattern, compileRole } from "../../guard/acl-role.ts";
import { formatPeerRule } from "../../guard/acl-rules.ts";
import { targetName } from "../../guard/policy.ts";
import { knownEndpoints } from "../access/endpoints.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { paint } from "../format/style.ts";
import { table } from "../format/table.ts";

export const aclListCommand = command({
  name: "acl list",
  summary: "list roles, peers and the endpoints that each may call",
  detail:
    "Answers from the configuration file; the agent need not run. Endpoints come from the running agent, else only the agent's own are known. A pattern that gives nothing is marked.",
  options: {},
  examples: ["microedge acl list", "microedge acl list --json"],
  async run({ terminal, report, configFile }) {
    const loaded = await loadConfiguration(terminal, configFile);
    const { acl } = loaded.config;
    const known = await knownEndpoints(terminal, loaded);
    if (acl === undefined) {
      const fields = { section: false, endpointsFrom: known.from, roles: [], peers: [], idle: [] };
      return report.result(
        fields,
        () => "no [acl] section: every verified peer may call read endpoints, nobody others",
      );
    }
    const compiled = acl.roles.map(compileRole);
    const mayCall = (names: readonly string[]): readonly string[] =>
      known.targets
        .filter((target) =>
          compiled.some(
            (role) => names.includes(role.name) && allowingPattern(role, target) !== undefined,
          ),
        )
        .map(targetName);
    const roles = acl.roles.map(({ name, allow, kinds }) => ({
      name,
      allow,
      kinds: kinds ?? null,
      endpoints: mayCall([name]),
    }));
    const peers = acl.peers.map((peer) => ({
      peer: formatPeerRule(peer),
      roles: peer.roles,
      endpoints: mayCall(peer.roles),
    }));
    const idle = findIdlePatterns(acl, known.targets).map(({ role, pattern, words }) => ({
      role,
      pattern,
      words,
    }));
    const { from: endpointsFrom } = known;
    return report.result({ section: true, endpointsFrom, roles, peers, idle }, (out) => {
      const few = endpointsFrom === "agent" ? "" : " (the agent does not run: its own only)";
      const lines = [
        table(
          ["role", "allows", "kinds", `endpoints${few}`],
          roles.map(({ name, allow, kinds, endpoints }) => [
            name,
            allow.join(", "),
            kinds?.join(", ") ?? "",
            endpoints.join(", ") || "none",
          ]),
        ),
        "",
        table(
          ["peer", "roles", "endpoints"],
          peers.map((each) => [
            each.peer,
            each.roles.join(", "),
            each.endpoints.join(", ") || "none",
          ]),
        ),
      ];
      for (const { role, pattern, words } of idle) {
        lines.push("", `${paint(out, "yellow", "warning")}: role ${role}: ${pattern} ${words}`);
      }
      return lines.join("\n");
    });
  },
});
