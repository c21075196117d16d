/**
 * Who answers questions about the rotation queue: the running agent, else the queue itself.
 */
import { AgentError } from "../../base/errors.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import type { QueueOperations } from "../../sidecar/queue-operations.ts";
import { answers } from "../certificates/desk.ts";
import { loadConfiguration } from "../configuration.ts";
import { machinePorts } from "../machine-ports.ts";
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
  const { config } = await loadConfiguration(terminal, configFile);
  const agent = new AdminClient(config.controlSocketPath, config.file);
  if (await answers(agent)) {
    return { queue: agent.queue, running: true, async [Symbol.asyncDispose]() {} };
  }
  if (config.store.dir === undefined) {
    const words = "no agent is running, and the configuration has no certificate store";
    throw new AgentError("ERR_STORE_NONE", words);
  }
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openIdleStore(config, await machinePorts(terminal)));
  const queue = await store.queue();
  const open = opening.move();
  return { queue, running: false, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
