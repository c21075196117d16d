/**
 * Service records, in go-micro's words: a service has nodes, a node has one address.
 */
export interface ServiceNode {
  /** `<service>-<something unique>`. */
  readonly id: string;
  /** `host:port`; an IPv6 host is in brackets. */
  readonly address: string;
  /** Name that the node's certificate must carry, when it is not the host of `address`. */
  readonly serverName?: string;
  /** go-micro's node metadata: `protocol`, `transport`, `server`, ... */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface ServiceRecord {
  readonly name: string;
  readonly version: string;
  readonly nodes: readonly ServiceNode[];
}

/** Where services are looked up. Static addresses now; mDNS, Consul, etcd and NATS come later. */
export interface Registry {
  readonly name: string;
  /** Every record of the service; empty when unknown. */
  lookup(service: string, signal: AbortSignal): Promise<readonly ServiceRecord[]>;
  /**
   * What {@link lookup} would answer, if that is known without waiting: saves every call a turn of
   * the event loop. `undefined` means "ask `lookup`"; a registry that never knows leaves this out.
   */
  peek?(service: string): readonly ServiceRecord[] | undefined;
  /** Names of all known services. */
  list(signal: AbortSignal): Promise<readonly string[]>;
}
