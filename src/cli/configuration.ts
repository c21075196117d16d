/**
 * The configuration as a command sees it: found by `--config` or in the usual places.
 */
import type { ConfigPlace, LoadedConfig } from "../agent/config.ts";
import { ConfigError } from "../agent/config-problem.ts";
import { readBoundedTextFile } from "../host/text-file.ts";
import { AdminClient } from "../sidecar/admin-client.ts";
import type { Report } from "./report.ts";
import type { Terminal } from "./terminal.ts";

/** Four bytes for each character that a configuration may have. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** What the configuration takes from this machine. */
export function configPlace(terminal: Terminal): ConfigPlace {
  return {
    environment: terminal.env,
    workingDirectory: terminal.cwd,
    root: terminal.uid === 0,
    nowMs: () => terminal.clock.now(),
    readText: (path) => readBoundedTextFile(path, MAX_CONFIG_BYTES),
  };
}

/** @throws AgentError `ERR_CONFIG_UNREADABLE`, `ERR_CONFIG_INVALID`. */
export async function loadConfiguration(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<LoadedConfig> {
  const { loadConfig } = await import("../agent/config.ts");
  return loadConfig(configFile, configPlace(terminal));
}

/** The running agent of the configuration; whether it runs shows the first question. */
export async function agentOf(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<AdminClient> {
  const { config } = await loadConfiguration(terminal, configFile);
  return new AdminClient(config.controlSocketPath, config.file);
}

/**
 * As {@link agentOf}, also where the file has become wrong: the agent goes on with what it said before,
 * and that is when people ask how it is.
 */
export async function agentStillOf(
  terminal: Terminal,
  configFile: string | undefined,
  report: Report,
): Promise<AdminClient> {
  try {
    return await agentOf(terminal, configFile);
  } catch (thrown) {
    if (!(thrown instanceof ConfigError) || thrown.controlSocketPath === undefined) throw thrown;
    report.warning(`an agent started now would refuse this configuration: ${thrown.message}`);
    return new AdminClient(thrown.controlSocketPath, thrown.file);
  }
}
