/**
 * The registry that is written in the configuration: `[[registry.static]]`. Knows every answer at
 * once and never changes; a reload makes a new one.
 */
import { parseAddress } from "./address.ts";
import type { Registry, ServiceNode, ServiceRecord } from "./record.ts";

/** One `[[registry.static]]` entry. */
export interface StaticService {
  readonly service: string;
  /** `host:port` each. */
  readonly addresses: readonly string[];
  /** Name that the certificates of these nodes carry, when it is not the host of the address. */
  readonly serverName?: string | undefined;
  readonly version?: string | undefined;
}

const DEFAULT_VERSION = "latest"; // go-micro's own default

export class StaticRegistry implements Registry {
  readonly name = "static";
  readonly #records: ReadonlyMap<string, readonly ServiceRecord[]>;

  /**
   * Entries with the same service and version become one record.
   *
   * @throws AgentError `ERR_REGISTRY_ADDRESS` naming the entry and the address that can't be read.
   */
  constructor(entries: readonly StaticService[]) {
    const records = new Map<string, ServiceRecord[]>();
    for (const [index, entry] of entries.entries()) {
      const version = entry.version ?? DEFAULT_VERSION;
      const known = records.get(entry.service) ?? [];
      const same = known.findIndex((record) => record.version === version);
      const nodes = nodesOf(entry, index, known[same]?.nodes ?? []);
      const record = { name: entry.service, version, nodes };
      if (same === -1) known.push(record);
      else known[same] = record;
      records.set(entry.service, known);
    }
    this.#records = records;
  }

  peek(service: string): readonly ServiceRecord[] {
    return this.#records.get(service) ?? [];
  }

  async lookup(service: string): Promise<readonly ServiceRecord[]> {
    return this.peek(service);
  }

  async list(): Promise<readonly string[]> {
    return [...this.#records.keys()].sort();
  }
}

/** `before` and the nodes of `entry`; an address that is written twice counts once. */
function nodesOf(
  entry: StaticService,
  index: number,
  before: readonly ServiceNode[],
): readonly ServiceNode[] {
  const nodes = new Map(before.map((node) => [node.address, node]));
  for (const [place, address] of entry.addresses.entries()) {
    parseAddress(address, `registry.static[${index}] (${entry.service}) addresses[${place}]`);
    nodes.set(address, {
      id: `${entry.service}-${address}`,
      address,
      ...(entry.serverName === undefined ? {} : { serverName: entry.serverName }),
      metadata: STATIC_METADATA,
    });
  }
  return [...nodes.values()];
}

/** What a go-micro mucp node says of itself; without `protocol` a go-micro client falls back to legacy codecs. */
const STATIC_METADATA: ReadonlyMap<string, string> = new Map([
  ["protocol", "mucp"],
  ["server", "mucp"],
  ["transport", "http"],
]);
