/**
 * How many calls are in progress at once, of each peer and of all; and who is refused first when there
 * is no room left. Reads are shed before writes: a read can be made again, a write may carry what is
 * lost otherwise. The last tenth is for health checks and for the operator.
 */
import { AgentError } from "../base/errors.ts";
import type { EndpointKind } from "./endpoint-kind.ts";
import type { PeerUse } from "./peer-ledger.ts";

/** Calls in progress; a stream is one for as long as it is open. */
export interface Concurrency {
  readonly maxCalls: number;
  /** 0: no limit. */
  readonly maxCallsPerPeer: number;
}

export interface OccupyingCall {
  readonly endpoint: string;
  readonly kind: EndpointKind;
  /**
   * Ours: whose call it is, while it is in progress. Not in a map of calls: V8 makes a new table every
   * few entries, and an old one, dead but not yet collected, keeps every call that came after it.
   */
  occupiedBy?: PeerUse | undefined;
}

/** Share of `maxCalls` that calls of a kind may fill. */
const SHARES: Readonly<Record<EndpointKind, number>> = { read: 0.8, write: 0.9, admin: 1 };
/** What go-micro's tools ask to see whether a service lives. */
const HEALTH_ENDPOINT = "Debug.Health";

/** Nobody knows when a call ends; most end sooner. */
const PEER_RETRY_MS = 100;
const AGENT_RETRY_MS = 1000;

export class InFlight {
  /** Refused because the agent was full, and because the peer had its share. */
  shed = 0;
  refusedPerPeer = 0;
  #size = 0;
  #limits: Concurrency;

  constructor(limits: Concurrency) {
    this.#limits = limits;
  }

  apply(limits: Concurrency): void {
    this.#limits = limits;
  }

  get limits(): Concurrency {
    return this.#limits;
  }

  get size(): number {
    return this.#size;
  }

  /** Why a call may not begin: `ERR_RATE_LIMITED` (429) or `ERR_RPC_OVERLOADED` (503). */
  obstacle(call: OccupyingCall, peer: PeerUse): AgentError | undefined {
    const { maxCalls, maxCallsPerPeer } = this.#limits;
    if (maxCallsPerPeer > 0 && peer.inFlight >= maxCallsPerPeer) {
      this.refusedPerPeer++;
      return new AgentError("ERR_RATE_LIMITED", "this peer has too many calls in progress", {
        fields: { limit: "max_calls_per_peer", retry_after_ms: PEER_RETRY_MS },
      });
    }
    const share = call.endpoint === HEALTH_ENDPOINT ? 1 : SHARES[call.kind];
    if (this.#size < Math.ceil(maxCalls * share)) return undefined;
    this.shed++;
    return new AgentError("ERR_RPC_OVERLOADED", "the agent has too many calls in progress", {
      fields: { limit: "max_calls", retry_after_ms: AGENT_RETRY_MS },
    });
  }

  enter(call: OccupyingCall, peer: PeerUse): void {
    call.occupiedBy = peer;
    peer.inFlight++;
    this.#size++;
  }

  /** For a call that never entered, nothing. */
  leave(call: OccupyingCall): void {
    const peer = call.occupiedBy;
    if (peer === undefined) return;
    call.occupiedBy = undefined;
    peer.inFlight--;
    this.#size--;
  }
}
