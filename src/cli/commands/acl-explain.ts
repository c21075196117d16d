/**
 * `microedge acl explain`: may this peer call this endpoint, and which rule says so?
 */
import { resolve } from "node:path";
import { ERRORS } from "../../base/errors.ts";
import { principalName } from "../../base/principal.ts";
import type { Explanation } from "../../guard/acl-explain.ts";
import { ENDPOINT_KINDS, type EndpointKind } from "../../guard/endpoint-kind.ts";
import { targetName } from "../../guard/policy.ts";
import { escapeUnprintable } from "../../host/log-value.ts";
import { type AskedTarget, knownEndpoints, parseTarget } from "../access/endpoints.ts";
import { PEER_FORMS } from "../access/peer.ts";
import { usage } from "../arguments.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { EXIT } from "../exit-codes.ts";
import { paint } from "../format/style.ts";
import { columns } from "../format/table.ts";
import type { Output } from "../terminal.ts";

const HELP = "microedge help acl explain";

export const aclExplainCommand = command({
  name: "acl explain",
  summary: "say whether a peer may call an endpoint, and which rule decides",
  detail:
    "Answers from the configuration file; the agent need not run. The kind of an endpoint comes from the running agent, else it is known for the agent's own endpoints; of any other it is assumed to be write unless --kind says so. A certificate file is checked as the agent would check it. Exit code 0 when the call is allowed, 1 when it is denied.",
  positionals: [
    { name: "PEER", doc: PEER_FORMS },
    {
      name: "ENDPOINT",
      doc: "service/Handler.Method, or Handler.Method of the agent's own service",
    },
  ],
  options: {
    kind: { type: "string", value: "KIND", doc: "read, write or admin, instead of what is known" },
    "trust-domain": {
      type: "string",
      value: "NAME",
      doc: "who vouches for the peer; default: the domain of tls.ca, or the owner of the SPIFFE ID",
    },
  },
  examples: [
    "microedge acl explain cn:backend microedge/Agent.Echo",
    "microedge acl explain spiffe://example.org/backend Agent.Stop --kind admin",
    "microedge acl explain backend.crt microedge/Agent.Echo --json",
  ],
  async run({ terminal, report, configFile, options, positionals: [peer = "", endpoint = ""] }) {
    const loaded = await loadConfiguration(terminal, configFile);
    const { config } = loaded;
    const kind = parseKind(options.kind);
    const known = await knownEndpoints(terminal, loaded);
    const target = parseTarget(endpoint, kind, config.service.name, known, HELP);
    const [{ parsePeer }, { bundleReader }, { answer }] = await Promise.all([
      import("../access/peer.ts"),
      import("../certificates/own-bundle.ts"),
      import("../access/question.ts"),
    ]);
    const asked = await parsePeer(peer, {
      config,
      trustDomain: options["trust-domain"],
      nowMs: terminal.clock.now(),
      ownBundle: bundleReader(terminal, loaded),
      resolve: (path) => resolve(terminal.cwd, path),
      help: HELP,
    });
    const explanation = answer(config, asked, target, terminal.clock.now());
    const { decision, standing, peerRules, rights } = explanation;
    const code = decision.allowed ? undefined : decision.code;
    const { service, kindFrom } = target;
    return report.result(
      {
        peer,
        service,
        endpoint: target.endpoint,
        kind: target.kind,
        kindFrom,
        section: config.acl !== undefined,
        allowed: decision.allowed,
        status: code === undefined ? 200 : ERRORS[code].status,
        code,
        rule: decision.rule,
        reason: decision.allowed ? undefined : decision.reason,
        roles: standing.roles,
        peerRules,
        rights,
      },
      (out) => formatExplanation(principalLabel(peer, asked.principal), target, explanation, out),
      decision.allowed ? EXIT.ok : EXIT.no,
    );
  },
});

/** @throws AgentError `ERR_USAGE`. */
function parseKind(text: string | undefined): EndpointKind | undefined {
  if (text === undefined) return undefined;
  const kind = ENDPOINT_KINDS.find((each) => each === text);
  if (kind === undefined) throw usage("--kind must be read, write or admin", HELP);
  return kind;
}

function principalLabel(typed: string, principal: Parameters<typeof principalName>[0]): string {
  const name = principalName(principal);
  // a name in a certificate may hold line ends, which would pose as our lines
  return name === "command line" || typed.includes(name)
    ? typed
    : `${typed} (${escapeUnprintable(name)})`;
}

function formatExplanation(
  peer: string,
  target: AskedTarget,
  { decision, standing, peerRules, rights }: Explanation,
  out: Output,
): string {
  const assumed = target.kindFrom === "assumed" ? ", assumed" : "";
  const what = `${targetName(target)} (${target.kind}${assumed})`;
  const lines = decision.allowed
    ? [
        `${paint(out, "green", "allowed")}  ${peer} may call ${what}`,
        `rule     ${decision.rule ?? "no [acl] section: reading is open to every verified peer"}`,
      ]
    : [
        `${paint(out, "red", "denied")}   ${peer} may not call ${what}`,
        `why      ${decision.rule}`,
        `answer   ${ERRORS[decision.code].status}: ${escapeUnprintable(decision.reason)}`,
      ];
  const roles = standing.roles.length === 0 ? "none" : standing.roles.join(", ");
  const by = standing.rules.length === 0 ? "" : `, by ${standing.rules.join("; ")}`;
  lines.push(`roles    ${roles}${by}`);
  if (peerRules.length > 0) {
    const rows = peerRules.map((note) => ["  ", note.matches ? "yes" : "no", note.rule, note.why]);
    lines.push("", "peer rules", columns(rows));
  }
  if (rights.length > 0) {
    const rows = rights.map((note) => [
      "  ",
      note.held && note.allows ? "yes" : "no",
      note.role,
      note.pattern,
      note.why,
    ]);
    lines.push("", "rights", columns(rows));
  }
  return lines.join("\n");
}
