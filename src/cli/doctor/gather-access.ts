/**
 * Looks at what `[acl]` needs: the bundles of further trust domains, and what the agent serves.
 */
import { assertBundles } from "../../agent/access-bundles.ts";
import type { LoadedConfig } from "../../agent/config.ts";
import { ConfigError } from "../../agent/config-problem.ts";
import type { Target } from "../../guard/policy.ts";
import { systemFiles } from "../../host/files.ts";
import { knownEndpoints } from "../access/endpoints.ts";
import type { Terminal } from "../terminal.ts";

/** What is wrong with the bundles, in words; empty when nothing is. */
export async function gatherDomainFaults({ config }: LoadedConfig): Promise<readonly string[]> {
  try {
    await assertBundles(config, systemFiles);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.problems.map(({ key, message }) => `${key} ${message}`);
  }
}

/** @throws Error when the agent does not run: nobody else knows what handler modules bring. */
export async function gatherServed(
  terminal: Terminal,
  loaded: LoadedConfig,
): Promise<readonly Target[]> {
  const known = await knownEndpoints(terminal, loaded);
  if (known.from !== "agent") throw new Error("only the running agent knows what it serves");
  return known.targets;
}
