/**
 * Looks at the bundles of further trust domains before a new policy takes effect: a policy and the
 * bundles that it names come into force together or not at all.
 */
import { errorText } from "../base/errors.ts";
import type { Files } from "../host/files.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import type { AgentConfig } from "./config.ts";
import { ConfigError, type ConfigProblem } from "./config-problem.ts";

const MAX_BYTES = 1024 * 1024;

/** @throws ConfigError with every bundle that can't be used. */
export async function assertBundles(config: AgentConfig, files: Files): Promise<void> {
  const { acl, file, rpc, controlSocketPath } = config;
  // plain text has nobody to vouch for
  if (rpc.insecurePlaintext) return;
  const problems: ConfigProblem[] = [];
  for (const [at, { caPath }] of (acl?.bundles ?? []).entries()) {
    try {
      parseTrustBundle(new TextDecoder().decode(await files.read(caPath, MAX_BYTES)));
    } catch (thrown) {
      const message = `can't be used: ${caPath}: ${errorText(thrown)}`;
      problems.push({ key: `acl.trust_domain[${at}].ca`, message });
    }
  }
  if (problems.length > 0) throw new ConfigError(file, problems, controlSocketPath);
}
