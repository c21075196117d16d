/**
 * The connections to one node. The last one used is used first (go-micro does the same), so that the
 * others grow old and are closed; each lives for `ttlMs` at most, since a long-lived connection keeps
 * the identity of its handshake.
 *
 * Calls that find no free connection wait in one queue, first come first served, while up to `size`
 * connections are made. Whichever connection is ready first, a new one or one that came back, goes to
 * the call that has waited longest.
 */
import { AgentError, errorText, isAgentError } from "../../base/errors.ts";
import type { Clock, Timer } from "../../host/clock.ts";
import type { Dialer, DialTarget } from "../../transport/dialer.ts";
import type { PeerConnection } from "../../transport/peer-connection.ts";
import type { MessageLimits } from "../../wire/mucp/message.ts";
import { ClientConnection, type ConnectionOwner } from "./connection.ts";

/** Who waits for a connection; exactly one of the two is called, once, unless it cancels. */
export interface Waiter {
  ready(connection: ClientConnection): void;
  /** No request was sent. */
  refused(error: AgentError): void;
}

export interface PoolLimits {
  /** Connections to one node, those being made included. */
  readonly size: number;
  /** Age in milliseconds at which a connection is not used again. */
  readonly ttlMs: number;
  /** Calls that may wait for a connection to one node. */
  readonly maxWaiting: number;
  /** Bounds on every reply. */
  readonly messages: MessageLimits;
}

export interface PoolStatus {
  readonly node: string;
  readonly open: number;
  readonly idle: number;
  readonly dialing: number;
  readonly waiting: number;
}

/** What the client counts about connections. */
export interface PoolEvents {
  opened(): void;
  unsolicited(): void;
  /** Nothing is left in the pool: forget it. */
  empty(): void;
}

interface Dial {
  readonly controller: AbortController;
  readonly owner: Waiter;
}

export class NodePool implements ConnectionOwner {
  readonly #node: string;
  readonly #target: DialTarget;
  readonly #dialer: Dialer;
  readonly #clock: Clock;
  readonly #limits: PoolLimits;
  readonly #events: PoolEvents;
  readonly #open = new Set<ClientConnection>();
  /** Last used at the end. */
  readonly #idle: ClientConnection[] = [];
  /** In order of arrival. */
  readonly #waiting = new Set<Waiter>();
  readonly #dials = new Set<Dial>();
  #generation = 0;
  #sweep: Timer | undefined;

  constructor(
    node: string,
    target: DialTarget,
    dialer: Dialer,
    clock: Clock,
    limits: PoolLimits,
    events: PoolEvents,
  ) {
    this.#node = node;
    this.#target = target;
    this.#dialer = dialer;
    this.#clock = clock;
    this.#limits = limits;
    this.#events = events;
  }

  /** Gives `waiter` a connection, at once if one is free. */
  acquire(waiter: Waiter): void {
    const stale: ClientConnection[] = [];
    let free = this.#idle.pop();
    for (; free !== undefined && !this.#isFresh(free); free = this.#idle.pop()) stale.push(free);
    if (free !== undefined) waiter.ready(free);
    else if (this.#waiting.size - this.#dials.size >= this.#limits.maxWaiting)
      waiter.refused(this.#overloaded());
    else this.#waiting.add(waiter);
    // Only now: retiring the last connection of a pool for which nobody waits ends the pool.
    for (const old of stale) old.retire();
    this.#fill();
  }

  /** `waiter` gives up; a connection that is being made for nobody is given up with it. */
  cancel(waiter: Waiter): void {
    if (!this.#waiting.delete(waiter)) return;
    if (this.#dials.size > this.#waiting.size) {
      const dials = [...this.#dials];
      const dial = dials.find(({ owner }) => owner === waiter) ?? dials.at(-1);
      if (dial !== undefined) this.#abandon(dial);
    }
    this.#forgetIfEmpty();
  }

  /** Own identity changed: idle connections close, those in use after their call, new ones are made anew. */
  refresh(): void {
    this.#generation += 1;
    for (const free of this.#idle.splice(0)) free.retire();
  }

  /** Refuses all who wait and closes all that is idle; calls in flight finish, and close theirs. */
  close(error: AgentError): void {
    this.refresh();
    for (const dial of [...this.#dials]) this.#abandon(dial);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.refused(error);
    this.#forgetIfEmpty();
  }

  get status(): PoolStatus {
    return {
      node: this.#node,
      open: this.#open.size,
      idle: this.#idle.length,
      dialing: this.#dials.size,
      waiting: this.#waiting.size,
    };
  }

  onIdle(connection: ClientConnection): void {
    if (!this.#isFresh(connection)) {
      connection.retire();
      return;
    }
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next);
      next.ready(connection);
      return;
    }
    this.#idle.push(connection);
    this.#armSweep();
  }

  onClosed(connection: ClientConnection, unsolicited: boolean): void {
    if (unsolicited) this.#events.unsolicited();
    // One that failed while it was being made was never counted.
    if (!this.#open.delete(connection)) return;
    const place = this.#idle.indexOf(connection);
    if (place !== -1) this.#idle.splice(place, 1);
    this.#fill();
    this.#forgetIfEmpty();
  }

  #isFresh(connection: ClientConnection): boolean {
    return (
      connection.generation === this.#generation &&
      connection.createdAt + this.#limits.ttlMs > this.#clock.monotonicMs()
    );
  }

  /** Makes connections for those who wait, one each, within the size. */
  #fill(): void {
    if (this.#dials.size >= this.#waiting.size) return;
    const owners = new Set([...this.#dials].map(({ owner }) => owner));
    for (const waiter of [...this.#waiting]) {
      if (this.#open.size + this.#dials.size >= this.#limits.size) return;
      if (this.#dials.size >= this.#waiting.size) return;
      if (!owners.has(waiter)) this.#dial(waiter);
    }
  }

  #dial(owner: Waiter): void {
    const dial: Dial = { controller: new AbortController(), owner };
    const generation = this.#generation;
    this.#dials.add(dial);
    this.#dialer.dial(this.#target, dial.controller.signal).then(
      (peer) => this.#dialed(dial, generation, peer),
      (thrown: unknown) => this.#dialFailed(dial, thrown),
    );
  }

  #dialed(dial: Dial, generation: number, peer: PeerConnection): void {
    if (!this.#dials.delete(dial)) {
      // Given up while the handshake was finishing: nobody wants it.
      peer.socket.on("error", ignoreError).destroy();
      return;
    }
    const identity = { node: this.#node, createdAt: this.#clock.monotonicMs(), generation };
    const connection = new ClientConnection(peer, identity, this.#limits.messages, this);
    if (connection.failure !== undefined) {
      this.#refuse(dial.owner, connection.failure);
      return;
    }
    this.#open.add(connection);
    this.#events.opened();
    this.#hand(connection);
  }

  /** A new connection serves whoever waits, even if the identity changed while it was being made. */
  #hand(connection: ClientConnection): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.onIdle(connection);
      return;
    }
    this.#waiting.delete(next);
    next.ready(connection);
  }

  #dialFailed(dial: Dial, thrown: unknown): void {
    if (!this.#dials.delete(dial)) return;
    const error = isAgentError(thrown)
      ? thrown
      : new AgentError("ERR_RPC_CONNECT", `cannot connect to ${this.#node}: ${errorText(thrown)}`, {
          cause: thrown,
          fields: { node: this.#node },
        });
    this.#refuse(dial.owner, error);
  }

  #refuse(owner: Waiter, error: AgentError): void {
    if (this.#waiting.delete(owner)) owner.refused(error);
    this.#fill();
    this.#forgetIfEmpty();
  }

  #abandon(dial: Dial): void {
    this.#dials.delete(dial);
    dial.controller.abort();
  }

  /** Idle connections close when they are too old, also if no call ever comes again. */
  #armSweep(): void {
    const [oldest] = this.#idle;
    if (oldest === undefined || this.#sweep !== undefined) return;
    const delayMs = oldest.createdAt + this.#limits.ttlMs - this.#clock.monotonicMs();
    this.#sweep = this.#clock.setTimer(Math.max(0, delayMs), () => {
      this.#sweep = undefined;
      for (const free of [...this.#idle]) if (!this.#isFresh(free)) free.retire();
      this.#armSweep();
    });
  }

  #forgetIfEmpty(): void {
    if (this.#open.size + this.#dials.size + this.#waiting.size > 0) return;
    this.#sweep?.cancel();
    this.#sweep = undefined;
    this.#events.empty();
  }

  #overloaded(): AgentError {
    const { maxWaiting, size } = this.#limits;
    return new AgentError(
      "ERR_RPC_OVERLOADED",
      `${maxWaiting} calls already wait for one of ${size} connections to ${this.#node}`,
      { fields: { node: this.#node, waiting: maxWaiting } },
    );
  }
}

function ignoreError(): void {
  // The socket is being thrown away: its error has nobody to tell.
}
