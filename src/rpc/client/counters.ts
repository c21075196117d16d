/**
 * What a client counts, for status. Keys come from our own tables or are clamped, never from a peer's
 * text, so the counters can't grow.
 */
import type { AgentError } from "../../base/errors.ts";
import type { NodeRest } from "../../registry/selector.ts";
import type { PoolStatus } from "./node-pool.ts";
import type { PoolCounts } from "./pools.ts";
import { isRemoteError } from "./remote-error.ts";

export interface ClientStatus {
  readonly calls: number;
  readonly succeeded: number;
  readonly inFlight: number;
  readonly retries: number;
  readonly streams: number;
  readonly streamsOpen: number;
  /** Failed calls and streams by our error code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Errors that services answered, by go-micro code; 0 stands for numbers that are no code. */
  readonly remoteErrors: Readonly<Record<string, number>>;
  readonly connectionsOpened: number;
  /** Connections closed because of bytes that nobody had asked for. */
  readonly unsolicited: number;
  readonly pools: readonly PoolStatus[];
  readonly resting: readonly NodeRest[];
}

export class ClientCounters implements PoolCounts {
  calls = 0;
  succeeded = 0;
  inFlight = 0;
  retries = 0;
  streams = 0;
  connectionsOpened = 0;
  unsolicited = 0;
  readonly #failures = new Map<string, number>();
  readonly #remote = new Map<number, number>();

  failed(error: AgentError): void {
    this.#failures.set(error.code, (this.#failures.get(error.code) ?? 0) + 1);
    if (!isRemoteError(error)) return;
    const { code } = error.remote;
    const key = Number.isInteger(code) && code >= 100 && code < 1000 ? code : 0;
    this.#remote.set(key, (this.#remote.get(key) ?? 0) + 1);
  }

  status(rest: Pick<ClientStatus, "streamsOpen" | "pools" | "resting">): ClientStatus {
    return {
      calls: this.calls,
      succeeded: this.succeeded,
      inFlight: this.inFlight,
      retries: this.retries,
      streams: this.streams,
      failures: Object.fromEntries(this.#failures),
      remoteErrors: Object.fromEntries(this.#remote),
      connectionsOpened: this.connectionsOpened,
      unsolicited: this.unsolicited,
      ...rest,
    };
  }
}
