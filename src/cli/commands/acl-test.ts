/**
 * `microedge acl test`: does the policy do what its author expects?
 */
import { resolve } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { readTextFile } from "../../host/text-file.ts";
import { knownEndpoints, parseTarget } from "../access/endpoints.ts";
import { parseExpectations } from "../access/expectations.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { EXIT } from "../exit-codes.ts";

const HELP = "microedge help acl test";

interface Failure {
  /** Position in FILE, from 0. */
  readonly test: number;
  readonly peer: string;
  readonly endpoint: string;
  readonly kind: string;
  readonly expect: string;
  readonly got: string;
  readonly rule: string;
}

export const aclTestCommand = command({
  name: "acl test",
  summary: "run a table of expectations against the policy of the configuration",
  detail:
    'FILE is TOML with one [[test]] for each expectation: peer and endpoint as in "acl explain", expect = "allow" or "deny", and where needed kind and trust_domain; or JSON, an array of the same. Paths of certificates start from the directory of FILE. Exit code 1 when an expectation fails.',
  positionals: [{ name: "FILE", doc: "expectations, TOML or JSON (by its ending, .json)" }],
  options: {},
  examples: ["microedge acl test policy-test.toml", "microedge acl test policy-test.json --json"],
  async run({ terminal, report, configFile, positionals: [name = ""] }) {
    const loaded = await loadConfiguration(terminal, configFile);
    const { config } = loaded;
    const file = resolve(terminal.cwd, name);
    const expectations = parseExpectations(await readFile(file), file);
    const known = await knownEndpoints(terminal, loaded);
    const [{ parsePeer }, { bundleReader }, { answer }] = await Promise.all([
      import("../access/peer.ts"),
      import("../certificates/own-bundle.ts"),
      import("../access/question.ts"),
    ]);
    const ownBundle = bundleReader(terminal, loaded);
    const failures: Failure[] = [];
    for (const [at, { peer, endpoint, expect, kind, trustDomain }] of expectations.entries()) {
      const target = parseTarget(endpoint, kind, config.service.name, known, HELP);
      const asked = await parsePeer(peer, {
        config,
        trustDomain,
        nowMs: terminal.clock.now(),
        ownBundle,
        resolve: (path) => resolve(file, "..", path),
        help: HELP,
      });
      const { decision } = answer(config, asked, target, terminal.clock.now());
      const got = decision.allowed ? "allow" : "deny";
      if (got === expect) continue;
      const rule = decision.rule ?? "no [acl] section";
      failures.push({ test: at, peer, endpoint, kind: target.kind, expect, got, rule });
    }
    const total = expectations.length;
    return report.result(
      { total, passed: total - failures.length, failures },
      () =>
        [
          ...failures.map(
            (each) =>
              `test[${each.test}]: ${each.peer} ${each.endpoint} (${each.kind}): expected ${each.expect}, got ${each.got}: ${each.rule}`,
          ),
          `${total - failures.length} of ${total} as expected`,
        ].join("\n"),
      failures.length === 0 ? EXIT.ok : EXIT.no,
    );
  },
});

async function readFile(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `${file} can't be read: ${errorText(cause)}`, { cause });
  }
}
