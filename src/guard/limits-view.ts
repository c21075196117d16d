/**
 * What `microedge limits` shows. Travels as JSON under these names.
 */

export interface RateView {
  /** `service/Handler.Method`, where the limit is for one endpoint. */
  readonly endpoint?: string;
  /** Per second. */
  readonly rate: number;
  readonly burst: number;
  readonly waitMs: number;
}

export interface LimitTableView {
  /** The key under `[limits]` that it belongs to. */
  readonly name: string;
  /** Clients, or endpoints, for which there is room. */
  readonly capacity: number;
  /** Buckets that are not full at the moment; `capacity` at most. */
  readonly used: number;
  /** Takes of clients that found no place and had to share the overflow bucket. */
  readonly evictions: number;
  readonly refused: number;
  /** Calls that were let in after a wait. */
  readonly waited: number;
  readonly bytes: number;
  readonly rates: readonly RateView[];
}

export interface PeerUseView {
  readonly peer: string;
  /** Over the last ten to twenty seconds. */
  readonly callsPerSecond: number;
  readonly calls: number;
  readonly refused: number;
  readonly inFlight: number;
}

export interface LimitsView {
  readonly tables: readonly LimitTableView[];
  readonly calls: {
    readonly inFlight: number;
    /** Held until it is their turn; part of `inFlight`. */
    readonly waiting: number;
    readonly max: number;
    /** 0: no limit. */
    readonly maxPerPeer: number;
    /** Refused because the agent had all the calls that it takes. */
    readonly shed: number;
    /** Refused because the peer had. */
    readonly refusedPerPeer: number;
  };
  /** The busiest peers first. */
  readonly peers: readonly PeerUseView[];
}
