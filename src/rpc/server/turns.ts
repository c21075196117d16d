/**
 * Fair turns: how much one connection may have served before the others come.
 *
 * A peer that pipelines without a pause fills the socket as fast as we empty it, and one read holds
 * hundreds of calls. Were they all served at once, a peer with a single call would wait for the piles of
 * all others. So each connection has a share for one round of the event loop; who has used it up waits
 * in line, unread, and one portion of the line is served in each round, after the input of everybody
 * else. A peer that asks one thing at a time never waits in line.
 */
import type { Clock } from "../../host/clock.ts";

/** Calls or messages of one connection in one round. */
export const SHARE_MESSAGES = 16;
/** So little is not looked at more closely: to know the round costs more than what it would save. */
const UNNOTICED = SHARE_MESSAGES / 2;
/** A message counts once more for so many bytes: large ones take longer to read and to answer. */
const BYTES_PER_MESSAGE = 4 * 1024;

export interface Waiting {
  /** It is this connection's turn: it has a fresh share. */
  takeTurn(): void;
}

export class Turns {
  readonly #clock: Clock;
  /** In order of arrival. */
  readonly #line = new Set<Waiting>();
  #round = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The number of the present round; it only counts rounds in which somebody took {@link part}. */
  get round(): number {
    return this.#round;
  }

  /** The same, and the next round will have another number. */
  part(): number {
    this.#schedule();
    return this.#round;
  }

  /** Gets in line, at its end; whoever is in it already keeps its place. */
  wait(connection: Waiting): void {
    this.#line.add(connection);
    this.#schedule();
  }

  leave(connection: Waiting): void {
    this.#line.delete(connection);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.afterInput(this.#next);
  }

  readonly #next = (): void => {
    this.#scheduled = false;
    this.#round++;
    const [first] = this.#line;
    if (first === undefined) return;
    this.#line.delete(first);
    first.takeTurn();
    if (this.#line.size > 0) this.#schedule();
  };
}

/** What one connection may still have served in the present round. */
export class Share {
  readonly #turns: Turns;
  readonly #owner: Waiting;
  #round: number;
  /** In round {@link #round}; below {@link UNNOTICED} also in earlier ones. */
  #used = 0;
  #waiting = false;

  constructor(turns: Turns, owner: Waiting) {
    this.#turns = turns;
    this.#round = turns.round;
    this.#owner = owner;
  }

  /** Used up: nothing more of this connection is read before its turn. */
  get over(): boolean {
    return this.#waiting;
  }

  /** One message of so many bytes has been served. */
  spend(bytes: number): void {
    const cost = 1 + Math.floor(bytes / BYTES_PER_MESSAGE);
    this.#used += cost;
    if (this.#used < UNNOTICED || this.#waiting) return;
    const round = this.#turns.part();
    if (round !== this.#round) {
      this.#round = round;
      this.#used = cost;
    }
    if (this.#used < SHARE_MESSAGES) return;
    this.#waiting = true;
    this.#turns.wait(this.#owner);
  }

  /** The owner's turn has come. */
  renew(): void {
    this.#waiting = false;
    this.#used = 0;
    this.#round = this.#turns.round;
  }

  /** The connection is over, or reads no more. */
  leave(): void {
    this.#waiting = false;
    this.#turns.leave(this.#owner);
  }
}
