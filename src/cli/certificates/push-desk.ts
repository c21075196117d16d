/**
 * Who takes what is brought to the device: the running agent, else the store itself.
 */
import type { PushOperations } from "../../sidecar/push-operations.ts";
import { loadConfiguration } from "../configuration.ts";
import type { Terminal } from "../terminal.ts";
import { openAnswerer } from "./desk.ts";

export interface PushDesk extends AsyncDisposable {
  readonly pushes: PushOperations;
  /** Whether an agent runs, which then works off what it was given. */
  readonly running: boolean;
}

/**
 * @throws AgentError `ERR_CONFIG_*`; `ERR_STORE_NONE` without a store and without an agent;
 *   `ERR_STORE_LOCKED` when an agent holds the store that can't be asked; `ERR_QUEUE_*`.
 */
export async function openPushDesk(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<PushDesk> {
  const loaded = await loadConfiguration(terminal, configFile);
  const { answerer, ...rest } = await openAnswerer(terminal, loaded, {
    running: (agent) => agent.pushes,
    idle: (store) => store.pushes(),
  });
  return { pushes: answerer, ...rest };
}
