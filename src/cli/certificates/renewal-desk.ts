/**
 * Who answers questions about renewal and takes trust updates: the running agent, else the store itself.
 */
import type { RenewalOperations } from "../../sidecar/renewal-operations.ts";
import { loadConfiguration } from "../configuration.ts";
import type { Terminal } from "../terminal.ts";
import { openAnswerer } from "./desk.ts";

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
  const loaded = await loadConfiguration(terminal, configFile);
  const { answerer, ...rest } = await openAnswerer(terminal, loaded, {
    running: (agent) => agent.renewal,
    idle: (store) => store.renewal(),
  });
  return { renewal: answerer, ...rest };
}
