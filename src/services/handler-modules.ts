/**
 * Loads a service developer's own handlers: ES modules named under `[[handlers]]`, each of which exports
 * `register(sdk)`. All are loaded before the agent serves; one that fails stops the start.
 *
 * A module runs with the agent's rights: it is part of the program, put there by whoever may write the
 * configuration. What is checked here is for the author's sake, not against them.
 */
import { pathToFileURL } from "node:url";
import { AgentError, errorText, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { TimeBox } from "../host/time-box.ts";
import type { EndpointTable } from "../rpc/server/endpoint-table.ts";
import { codecOf } from "./handler-codec.ts";
import { type HandlerClient, handlerSdk } from "./handler-sdk.ts";

export interface HandlerModule {
  /** Absolute path of an ES module. */
  readonly module: string;
  /** Service to register under; `undefined` for the agent's own. */
  readonly service: string | undefined;
}

export interface LoadedModule {
  readonly module: string;
  readonly service: string;
  /** As `service/Handler.Method`. */
  readonly endpoints: readonly string[];
  /** Content types of its own codecs; absent if it has none. */
  readonly codecs?: readonly string[];
}

export interface HandlerModuleParts {
  readonly table: EndpointTable;
  /** The agent's own service name. */
  readonly serviceName: string;
  readonly client: HandlerClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** `rpc.max_body_bytes`. */
  readonly maxBodyBytes: number;
  readonly timeBox: TimeBox;
  /** Gives loading up: a module may wait for something that never comes. */
  readonly signal: AbortSignal;
}

/** How long one module may take: it may read files and ask a service, on a slow card and a slow line. */
const LOAD_LIMIT_MS = 30_000;

/**
 * Loads and registers, in order.
 *
 * @throws The reason of `signal`.
 * @throws AgentError `ERR_HANDLER_MODULE` naming the module and, where there is one, the endpoint.
 */
export async function loadHandlerModules(
  modules: readonly HandlerModule[],
  parts: HandlerModuleParts,
): Promise<readonly LoadedModule[]> {
  const loaded: LoadedModule[] = [];
  for (const each of modules) {
    const done = await inTime(load(each, parts), each.module, parts);
    parts.log.emit("handlers.loaded", {
      module: done.module,
      service: done.service,
      endpoints: done.endpoints,
      codecs: done.codecs,
    });
    loaded.push(done);
  }
  return loaded;
}

/** What `work` comes to later, nobody learns. */
async function inTime<T>(
  work: Promise<T>,
  module: string,
  { clock, signal }: HandlerModuleParts,
): Promise<T> {
  const over = Promise.withResolvers<never>();
  const giveUp = (): void => over.reject(signal.reason);
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  const timer = clock.setTimer(LOAD_LIMIT_MS, () => {
    const waits = "something that it awaits, at its top or in register(), does not come";
    over.reject(fault(module, `is not loaded after ${LOAD_LIMIT_MS / 1000} s: ${waits}`));
  });
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", giveUp);
  }
}

async function load(
  { module, service = "" }: HandlerModule,
  { table, serviceName, client, clock, log: agentLog, maxBodyBytes, timeBox }: HandlerModuleParts,
): Promise<LoadedModule> {
  const register = await importRegister(module);
  const own = service === "" ? serviceName : service;
  const endpoints: string[] = [];
  const codecs: string[] = [];
  const log = agentLog.with({ module });
  const nowMs = (): number => clock.monotonicMs();
  const { sdk, close } = handlerSdk({
    service: own,
    client,
    log,
    register: (name, endpoint, definition) => {
      table.register(name, endpoint, definition);
      endpoints.push(`${name}/${endpoint}`);
    },
    registerCodec: (definition) => {
      const codec = codecOf(definition, { maxBodyBytes, timeBox, nowMs, log });
      table.codecs.add(codec);
      codecs.push(codec.contentType);
    },
  });
  try {
    await register(sdk);
  } catch (thrown) {
    if (isAgentError(thrown, "ERR_HANDLER_MODULE")) throw fault(module, thrown.message, thrown);
    throw fault(module, `register() failed: ${errorText(thrown)}`, thrown);
  } finally {
    close();
  }
  if (endpoints.length + codecs.length === 0) {
    throw fault(module, "register() registered no endpoint");
  }
  return { module, service: own, endpoints, ...(codecs.length > 0 ? { codecs } : {}) };
}

async function importRegister(module: string): Promise<(sdk: unknown) => unknown> {
  let namespace: unknown;
  try {
    // A variable, so that the bundler leaves the import to the running program.
    const { href } = pathToFileURL(module);
    namespace = await import(href);
  } catch (thrown) {
    throw fault(module, `can't be loaded: ${errorText(thrown)}`, thrown);
  }
  const { register } = namespace as { readonly register?: unknown };
  if (typeof register === "function") return register as (sdk: unknown) => unknown;
  throw fault(module, "does not export a function register(sdk)");
}

function fault(module: string, message: string, cause?: unknown): AgentError {
  return new AgentError("ERR_HANDLER_MODULE", `handler module ${module}: ${message}`, {
    cause,
    fields: { module },
  });
}
