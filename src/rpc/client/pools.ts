/**
 * All pools of a client, one for each node and server name. A pool without connections is forgotten, so
 * that addresses that come and go take no memory.
 */
import type { AgentError } from "../../base/errors.ts";
import type { Clock } from "../../host/clock.ts";
import { parseAddress } from "../../registry/address.ts";
import type { ServiceNode } from "../../registry/record.ts";
import type { Dialer, DialTarget } from "../../transport/dialer.ts";
import { NodePool, type PoolLimits, type PoolStatus } from "./node-pool.ts";

/** mucp offers this and nothing else, as go-micro does (`docs/wire.md`, "TLS"). */
const ALPN = ["http/1.1"] as const;

export interface PoolCounts {
  connectionsOpened: number;
  /** Connections closed because of bytes that nobody had asked for. */
  unsolicited: number;
}

export class Pools {
  readonly #dialer: Dialer;
  readonly #clock: Clock;
  readonly #limits: PoolLimits;
  readonly #counts: PoolCounts;
  readonly #pools = new Map<string, NodePool>();

  constructor(dialer: Dialer, clock: Clock, limits: PoolLimits, counts: PoolCounts) {
    this.#dialer = dialer;
    this.#clock = clock;
    this.#limits = limits;
    this.#counts = counts;
  }

  /** @throws AgentError `ERR_REGISTRY_ADDRESS`. */
  of(node: ServiceNode): NodePool {
    const key = node.serverName === undefined ? node.address : `${node.address} ${node.serverName}`;
    return this.#pools.get(key) ?? this.#make(key, node);
  }

  /** Own identity changed; see {@link NodePool.refresh}. */
  refresh(): void {
    for (const pool of [...this.#pools.values()]) pool.refresh();
  }

  close(error: AgentError): void {
    for (const pool of [...this.#pools.values()]) pool.close(error);
  }

  get status(): readonly PoolStatus[] {
    return [...this.#pools.values()].map((pool) => pool.status);
  }

  #make(key: string, node: ServiceNode): NodePool {
    const counts = this.#counts;
    const pool = new NodePool(
      node.address,
      dialTarget(node),
      this.#dialer,
      this.#clock,
      this.#limits,
      {
        opened: () => {
          counts.connectionsOpened += 1;
        },
        unsolicited: () => {
          counts.unsolicited += 1;
        },
        empty: () => this.#forget(key, pool),
      },
    );
    this.#pools.set(key, pool);
    return pool;
  }

  #forget(key: string, pool: NodePool): void {
    if (this.#pools.get(key) === pool) this.#pools.delete(key);
  }
}

/** @throws AgentError `ERR_REGISTRY_ADDRESS`. */
export function dialTarget(node: ServiceNode): DialTarget {
  const { host, port } = parseAddress(node.address);
  return {
    host,
    port,
    alpn: ALPN,
    ...(node.serverName === undefined ? {} : { serverName: node.serverName }),
  };
}
