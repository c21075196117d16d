/**
 * Who answers questions about renewal and takes trust updates: the running agent, else the store itself.
 */
import { AgentError } from "../../base/errors.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import type { RenewalOperations } from "../../sidecar/renewal-operations.ts";
import { loadConfiguration } from "../configuration.ts";
import { machinePorts } from "../machine-ports.ts";
import type { Terminal } from "../terminal.ts";
import { answers } from "./desk.ts";

export interface RenewalDesk extends AsyncDisposable {
  readonly renewal: RenewalOperations;
  /** Whether an agent runs, which then uses what is renewed at once. */
  readonly running: boolean;
}

/**
 * @throws AgentError `ERR_CONFIG_*`; `ERR_STORE_NONE` without a store and without an agent;
 *   `ERR_STORE_LOCKED` when an agent holds the store that can't be asked; `ERR_QUEUE_*`.
 */
export async function openRenewalDesk(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<RenewalDesk> {
  const { config } = await loadConfiguration(terminal, configFile);
  const agent = new AdminClient(config.controlSocketPath, config.file);
  if (await answers(agent)) {
    return { renewal: agent.renewal, running: true, async [Symbol.asyncDispose]() {} };
  }
  if (config.store.dir === undefined) {
    const words = "no agent is running, and the configuration has no certificate store";
    throw new AgentError("ERR_STORE_NONE", words);
  }
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openIdleStore(config, await machinePorts(terminal)));
  const renewal = await store.renewal();
  const open = opening.move();
  return { renewal, running: false, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
