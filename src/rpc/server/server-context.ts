/**
 * What all connections of one server share, and what a call needs of the connection it came by.
 */
import type { Logger } from "../../base/log.ts";
import type { Principal } from "../../base/principal.ts";
import type { Clock } from "../../host/clock.ts";
import type { Random } from "../../host/random.ts";
import type { Interceptor } from "../interceptor.ts";
import type { BufferBudget } from "./buffer-budget.ts";
import type { DueTimer } from "./due-timer.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { MucpConnection } from "./mucp-connection.ts";
import type { Outbox } from "./outbox.ts";
import type { ServerCounters } from "./server-counters.ts";
import type { ServerLimits } from "./server-limits.ts";
import type { Turns } from "./turns.ts";

export interface ServerContext {
  /** The agent's own service name: who answers when no endpoint can be named. */
  readonly serviceName: string;
  readonly table: EndpointTable;
  /** In order; see `interceptors/order.ts`. */
  readonly interceptors: readonly Interceptor[];
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: ServerCounters;
  readonly timer: DueTimer;
  readonly budget: BufferBudget;
  readonly turns: Turns;
}

export interface CallHost {
  readonly context: ServerContext;
  readonly principal: Principal;
  /** Who is at the other end, for the budget of bytes. */
  readonly peerKey: string;
  /** Carries the peer on every line. */
  readonly log: Logger;
  readonly outbox: Outbox;
  /** Monotonic milliseconds of the present read event: one look at the clock serves all its calls. */
  readonly nowMs: number;
  /** Something must be looked at no later than `atMs`. */
  noticeDue(atMs: number): void;
  /** Open work became more or less: reading may have to pause or go on, closing may be due. */
  workChanged(): void;
}

/** The server, as its connections see it. */
export interface ConnectionOwner {
  /** New calls are refused while the server drains. */
  readonly draining: boolean;
  /** The socket is gone. Called once. */
  onClosed(connection: MucpConnection): void;
}
