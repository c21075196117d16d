/**
 * The peers that "observe" has let in unverified, and their end: enforcing begins at a moment, also for
 * connections that were there before, which go-micro keeps open for as long as it has calls.
 */
import type { Clock, Timer } from "../host/clock.ts";

export interface ObservedPeersOptions<P> {
  readonly clock: Clock;
  /** End of observing, Unix milliseconds. */
  readonly untilMs: number;
  /** Cuts one peer off. */
  readonly expire: (peer: P) => void;
}

/** The wall clock may be set at any time: look at least this often. */
const LOOK_MS = 60_000;

export class ObservedPeers<P> implements Disposable {
  readonly #options: ObservedPeersOptions<P>;
  readonly #peers = new Set<P>();
  #timer: Timer | undefined;

  constructor(options: ObservedPeersOptions<P>) {
    this.#options = options;
  }

  add(peer: P): void {
    this.#peers.add(peer);
    if (this.#timer === undefined) this.#watch();
  }

  delete(peer: P): void {
    this.#peers.delete(peer);
    if (this.#peers.size === 0) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #watch(): void {
    const { clock, untilMs } = this.#options;
    const waitMs = Math.max(1, Math.min(untilMs - clock.now(), LOOK_MS));
    this.#timer = clock.setTimer(waitMs, () => {
      this.#timer = undefined;
      if (clock.now() >= untilMs) {
        const peers = [...this.#peers];
        this.#peers.clear();
        for (const peer of peers) this.#options.expire(peer);
      } else if (this.#peers.size > 0) {
        this.#watch();
      }
    });
  }
}
