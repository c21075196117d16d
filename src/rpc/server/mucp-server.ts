/**
 * The mucp server: takes connections over from the listener, counts, and drains.
 */
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../host/clock.ts";
import type { Random } from "../../host/random.ts";
import type { ConnectionHandler } from "../../transport/peer-connection.ts";
import type { Interceptor } from "../interceptor.ts";
import { BufferBudget } from "./buffer-budget.ts";
import { identityFields } from "./connection-log.ts";
import { DueTimer } from "./due-timer.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import { MucpConnection } from "./mucp-connection.ts";
import type { ConnectionOwner, ServerContext } from "./server-context.ts";
import { ServerCounters } from "./server-counters.ts";
import { type ServerLimits, serverLimits } from "./server-limits.ts";
import { Turns } from "./turns.ts";

export interface MucpServerParts {
  /** The agent's own service name: who answers when no endpoint can be named. */
  readonly serviceName: string;
  readonly table: EndpointTable;
  /** From `interceptorsInOrder`. */
  readonly interceptors: readonly Interceptor[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What is not given is {@link DEFAULT_SERVER_LIMITS}. */
  readonly limits?: Partial<ServerLimits>;
}

export class MucpServer implements ConnectionOwner {
  readonly counters = new ServerCounters();
  /** Gives a connection to the server, which owns its socket from then on. */
  readonly handle: ConnectionHandler;
  readonly #context: ServerContext;
  /** With the monotonic milliseconds at which each opened. */
  readonly #connections = new Map<MucpConnection, number>();
  #draining = false;
  #empty: PromiseWithResolvers<void> | undefined;

  constructor(parts: MucpServerParts) {
    const { serviceName, table, interceptors, clock, random, log } = parts;
    const limits = serverLimits(parts.limits);
    this.#context = {
      serviceName,
      table,
      interceptors,
      clock,
      random,
      counters: this.counters,
      timer: new DueTimer(clock),
      budget: new BufferBudget(limits.maxBufferedBytes),
      turns: new Turns(clock),
      limits,
    };
    this.handle = (peer) => {
      const connection = new MucpConnection(this.#context, peer, log, this);
      this.#connections.set(connection, clock.monotonicMs());
      this.counters.connections++;
      this.counters.connectionsTotal++;
      if (log.enabled("debug")) {
        connection.log.emit("connection.opened", identityFields(peer.principal));
      }
      connection.open();
      if (this.#draining) connection.drain();
    };
  }

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Ends all connections: idle ones at once, the others when their calls and streams are done. New
   * calls are answered 503. What is left after `deadlineMs` is cut off, its calls aborted.
   *
   * Resolves when the last connection is gone; calling again joins the running drain.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    for (const connection of [...this.#connections.keys()]) connection.drain();
    if (this.#connections.size === 0) return;
    this.#empty ??= Promise.withResolvers<void>();
    const timer = this.#context.clock.setTimer(deadlineMs, () => {
      for (const connection of [...this.#connections.keys()]) connection.destroy();
    });
    await this.#empty.promise;
    timer.cancel();
  }

  onClosed(connection: MucpConnection): void {
    const nowMs = this.#context.clock.monotonicMs();
    const openedMs = this.#connections.get(connection) ?? nowMs;
    this.#connections.delete(connection);
    connection.log.emit("connection.closed", { duration_ms: Math.round(nowMs - openedMs) });
    this.counters.connections--;
    if (this.#connections.size === 0) this.#empty?.resolve();
  }
}
