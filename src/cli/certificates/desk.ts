/**
 * Who answers questions about the device's identity: the running agent, else the store itself.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import type { IdleStore } from "../../agent/idle-store.ts";
import { AgentError, isAgentError } from "../../base/errors.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import type { CertificateOperations } from "../../sidecar/certificate-operations.ts";
import { loadConfiguration } from "../configuration.ts";
import { machinePorts } from "../machine-ports.ts";
import type { Terminal } from "../terminal.ts";

/** The store of a device whose agent does not run. */
export async function openStoreOf(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<IdleStore> {
  const loaded = await loadConfiguration(terminal, configFile);
  if (await answers(new AdminClient(loaded.config.controlSocketPath, loaded.config.file))) {
    throw new AgentError("ERR_STORE_LOCKED", "the agent is running and uses the store", {
      fields: { fix: "stop the agent first: `systemctl stop microedge`" },
    });
  }
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  return openIdleStore(loaded.config, await machinePorts(terminal));
}

export interface Desk extends AsyncDisposable {
  readonly certificates: CertificateOperations;
  /** Whether an agent runs, which then takes a change at once. */
  readonly running: boolean;
}

/**
 * @throws AgentError `ERR_CONFIG_*`; `ERR_STORE_NONE` without a store and without an agent;
 *   `ERR_STORE_LOCKED` when an agent holds the store that can't be asked.
 */
export async function openDesk(terminal: Terminal, configFile: string | undefined): Promise<Desk> {
  return openDeskOf(terminal, await loadConfiguration(terminal, configFile));
}

/** As {@link openDesk}, of a configuration that was read. */
export async function openDeskOf(terminal: Terminal, loaded: LoadedConfig): Promise<Desk> {
  const { answerer, ...rest } = await openAnswerer(terminal, loaded, {
    running: (agent) => agent.certificates,
    idle: (store) => store.certificates(),
  });
  return { certificates: answerer, ...rest };
}

/** Either way to an answer about the device. */
export interface AnswererParts<T> {
  /** Of the running agent. */
  running(agent: AdminClient): T;
  /** Of the store, while no agent runs. */
  idle(store: IdleStore): Promise<T>;
}

export interface OpenAnswerer<T> extends AsyncDisposable {
  readonly answerer: T;
  /** Whether it is an agent's. */
  readonly running: boolean;
}

/**
 * The running agent's part, else that of the store, which stays open until it is disposed.
 *
 * @throws AgentError `ERR_STORE_NONE` without a store and without an agent; `ERR_STORE_LOCKED` when an
 *   agent holds the store that can't be asked; what `idle` throws.
 */
export async function openAnswerer<T>(
  terminal: Terminal,
  { config }: LoadedConfig,
  parts: AnswererParts<T>,
): Promise<OpenAnswerer<T>> {
  const agent = new AdminClient(config.controlSocketPath, config.file);
  if (await answers(agent)) {
    return { answerer: parts.running(agent), running: true, async [Symbol.asyncDispose]() {} };
  }
  if (config.store.dir === undefined) {
    throw new AgentError(
      "ERR_STORE_NONE",
      "no agent is running, and the configuration has no certificate store",
    );
  }
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  await using opening = new AsyncDisposableStack();
  const store = opening.use(await openIdleStore(config, await machinePorts(terminal)));
  const answerer = await parts.idle(store);
  const open = opening.move();
  return { answerer, running: false, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** Whether the agent runs. @throws AgentError when one is there that may not be asked, or is another's. */
export async function answers(agent: AdminClient): Promise<boolean> {
  try {
    await agent.status();
    return true;
  } catch (thrown) {
    // who may not open the socket may not open the store either, and is told so
    const absent =
      isAgentError(thrown, "ERR_CONTROL_UNREACHABLE") && thrown.fields["fix"] === undefined;
    if (absent) return false;
    throw thrown;
  }
}
