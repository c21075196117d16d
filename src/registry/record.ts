/**
 * Service records, in go-micro's words: a service has nodes, a node has one address.
 */
export interface ServiceNode {
  /** `<service>-<something unique>`. */
  readonly id: string;
  /** `host:port`; an IPv6 host is in brackets. */
  readonly address: string;
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
  /** Names of all known services. */
  list(signal: AbortSignal): Promise<readonly string[]>;
}
