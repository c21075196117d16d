/**
 * What this device learns about its network from whatever it sets out for: calls, lists, the authority.
 *
 * An outage of the network is a span in which nothing was reached and at least two different hosts were
 * tried in vain: a single one that is dead is that host's outage, not ours. It begins with the first of
 * these failures and ends with the first success, of whatever. Nobody is asked for the sake of knowing.
 */
import type { Clock, Timer } from "../host/clock.ts";
import type { Random } from "../host/random.ts";

export interface NetworkSignsOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** Shorter spans are the everyday life of a mobile link; milliseconds. */
export const MIN_CUT_OFF_MS = 60_000;
/** After a return the devices of a street don't all set out in the same second; milliseconds. */
const RETURN_SPREAD_MS = 60_000;
/** A link that comes and goes is no reason to try more often than that; milliseconds. */
const RETURN_SPACING_MS = 10 * 60_000;
/** Two failures that lie further apart don't belong to one outage: nobody knows what was between; milliseconds. */
const MAX_GAP_MS = 2 * 3_600_000;
/** As many in vain, and it is the network. */
const ENOUGH_HOSTS = 2;
/** Hosts told apart. */
const MAX_HOSTS = 32;

export interface NetworkListener {
  /** Nothing is reached, and not by one host's fault. Called for each failure. @param sinceMs How long it lasts. */
  cutOff?(sinceMs: number): void;
  /** Something was reached. */
  reached?(): void;
  /** A host that was missed for a while is reached again; told some time, at random, after that. */
  returned?(): void;
}

export class NetworkSigns implements Disposable {
  readonly #options: NetworkSignsOptions;
  readonly #listeners = new Set<NetworkListener>();
  readonly #missed = new Set<string>();
  /** Monotonic ms, all of them. */
  #since: number | undefined;
  #lastMiss = 0;
  #lastReturn = Number.NEGATIVE_INFINITY;
  #telling: Timer | undefined;

  constructor(options: NetworkSignsOptions) {
    this.#options = options;
  }

  /** @returns What ends it. */
  listen(listener: NetworkListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A host, by name or address, could not be reached. */
  missed(host: string): void {
    const now = this.#options.clock.monotonicMs();
    if (this.#since === undefined || now - this.#lastMiss > MAX_GAP_MS) {
      this.#since = now;
      this.#missed.clear();
    }
    this.#lastMiss = now;
    if (this.#missed.size < MAX_HOSTS) this.#missed.add(host);
    if (this.#missed.size < ENOUGH_HOSTS) return;
    const sinceMs = now - this.#since;
    for (const listener of [...this.#listeners]) listener.cutOff?.(sinceMs);
  }

  /** A host was reached. */
  reached(host: string): void {
    const { clock, random } = this.#options;
    const now = clock.monotonicMs();
    const since = this.#missed.has(host) ? this.#since : undefined;
    this.#since = undefined;
    this.#missed.clear();
    for (const listener of [...this.#listeners]) listener.reached?.();
    if (since === undefined || now - since < MIN_CUT_OFF_MS) return;
    if (now - this.#lastReturn < RETURN_SPACING_MS) return;
    this.#lastReturn = now;
    this.#telling?.cancel();
    this.#telling = clock.setTimer(Math.floor(random.draw() * RETURN_SPREAD_MS), () => {
      for (const listener of [...this.#listeners]) listener.returned?.();
    });
  }

  [Symbol.dispose](): void {
    this.#telling?.cancel();
    this.#listeners.clear();
  }
}
