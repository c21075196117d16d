/**
 * What the server has counted since it started; read by `Debug.Stats` and by the status command.
 */
import type { ErrorCode } from "../../base/errors.ts";

export class ServerCounters {
  /** Calls and streams begun, refused ones included. */
  requests = 0;
  /** Of these, answered with an error. */
  errors = 0;
  /** Connections and streams open now. */
  connections = 0;
  streams = 0;
  /** Connections taken over since the start. */
  connectionsTotal = 0;
  /** Events (`Micro-Topic`) that nobody here subscribes to. */
  eventsDropped = 0;
  /** Messages dropped because the stream of their id has ended. */
  lateMessages = 0;
  readonly #refusedCalls = new Map<ErrorCode, number>();
  readonly #refusedMessages = new Map<ErrorCode, number>();

  /** Counts a call that was answered with an error of ours. */
  refuse(code: ErrorCode): void {
    count(this.#refusedCalls, code);
  }

  /** Counts a message that could not be read, after which its connection ended. */
  refuseMessage(code: ErrorCode): void {
    count(this.#refusedMessages, code);
  }

  /** Refused and failed calls by error code. */
  get refusedCalls(): ReadonlyMap<ErrorCode, number> {
    return this.#refusedCalls;
  }

  /** Messages that could not be read, by error code. */
  get refusedMessages(): ReadonlyMap<ErrorCode, number> {
    return this.#refusedMessages;
  }
}

function count(counts: Map<ErrorCode, number>, code: ErrorCode): void {
  counts.set(code, (counts.get(code) ?? 0) + 1);
}
