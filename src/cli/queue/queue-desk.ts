/**
 * Who answers questions about the rotation queue: the running agent, else the queue itself.
 */
import type { QueueOperations } from "../../sidecar/queue-operations.ts";
import { openAnswerer } from "../certificates/desk.ts";
import { loadConfiguration } from "../configuration.ts";
import type { Terminal } from "../terminal.ts";

export interface QueueDesk extends AsyncDisposable {
  readonly queue: QueueOperations;
  /** Whether an agent runs, which then takes a change at once. */
  readonly running: boolean;
}

/**
 * @throws AgentError `ERR_CONFIG_*`; `ERR_STORE_NONE` without a store and without an agent;
 *   `ERR_STORE_LOCKED` when an agent holds the store that can't be asked; `ERR_QUEUE_*`.
 */
export async function openQueueDesk(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<QueueDesk> {
  const loaded = await loadConfiguration(terminal, configFile);
  const { answerer, ...rest } = await openAnswerer(terminal, loaded, {
    running: (agent) => agent.queue,
    idle: (store) => store.queue(),
  });
  return { queue: answerer, ...rest };
}
