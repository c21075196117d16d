/**
 * From a service name, or a given address, to the nodes that a call may try. Nodes that say they speak
 * something else than mucp are left out: go-micro's gRPC nodes can't be called by this client.
 */
import { AgentError, errorText, isAgentError } from "../../base/errors.ts";
import type { Registry, ServiceNode, ServiceRecord } from "../../registry/record.ts";
import type { CallLimit } from "./call-limit.ts";

const NO_METADATA: ReadonlyMap<string, string> = new Map();

export class NodeLookup {
  readonly #registry: Registry;
  /** A registry that answers with the same array has its nodes picked out once. */
  readonly #usable = new WeakMap<readonly ServiceRecord[], readonly ServiceNode[]>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** The nodes, if they are known without waiting. */
  peek(service: string): readonly ServiceNode[] | undefined {
    const records = this.#registry.peek?.(service);
    return records === undefined ? undefined : this.#nodesOf(service, records);
  }

  /**
   * Asks the registry; gives up when the limit ends, then with an empty list.
   *
   * @throws AgentError `ERR_REGISTRY_NOT_FOUND`, or what the registry throws.
   */
  async find(service: string, limit: CallLimit): Promise<readonly ServiceNode[]> {
    const gaveUp = new AbortController();
    const ended = new Promise<undefined>((resolve) =>
      limit.watch(() => {
        gaveUp.abort();
        resolve(undefined);
      }),
    );
    try {
      const records = await Promise.race([this.#registry.lookup(service, gaveUp.signal), ended]);
      return records === undefined ? [] : this.#nodesOf(service, records);
    } catch (thrown) {
      if (limit.ended !== undefined) return [];
      if (isAgentError(thrown)) throw thrown;
      throw new AgentError(
        "ERR_REGISTRY_NOT_FOUND",
        `looking up ${service} in ${this.#registry.name} failed: ${errorText(thrown)}`,
        { cause: thrown, fields: { service } },
      );
    } finally {
      limit.unwatch();
    }
  }

  #nodesOf(service: string, records: readonly ServiceRecord[]): readonly ServiceNode[] {
    const known = this.#usable.get(records);
    if (known !== undefined) return known;
    const all = records.flatMap((record) => record.nodes);
    const usable = all.filter((node) => (node.metadata.get("protocol") ?? "mucp") === "mucp");
    if (usable.length === 0) throw this.#unknown(service, all);
    this.#usable.set(records, usable);
    return usable;
  }

  #unknown(service: string, all: readonly ServiceNode[]): AgentError {
    const reason =
      all.length === 0
        ? `service ${service} is not known to the ${this.#registry.name} registry`
        : `service ${service} has ${all.length} nodes, but none that speaks mucp`;
    return new AgentError("ERR_REGISTRY_NOT_FOUND", reason, { fields: { service } });
  }
}

/** The node that a caller names by address. */
export function nodeAt(address: string, serverName: string | undefined): ServiceNode {
  return {
    id: address,
    address,
    metadata: NO_METADATA,
    ...(serverName === undefined ? {} : { serverName }),
  };
}
