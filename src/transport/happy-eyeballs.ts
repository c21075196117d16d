/**
 * Happy Eyeballs (RFC 8305): several addresses of one name are tried staggered, families in turn, and
 * the first connection wins. A black-holed first address costs one stagger, not the whole time limit.
 * Nothing is given up early: a slow address may still win. Losers are closed.
 */
import type { Clock, Timer } from "../host/clock.ts";

/** RFC 8305 section 8: the recommended Connection Attempt Delay. */
const STAGGER_MS = 250;
/** More addresses than this are not tried: a name with a thousand of them is no target. */
const MAX_ATTEMPTS = 8;

export interface Race<A, C> {
  readonly addresses: readonly A[];
  /** Opens one; must reject and leave nothing behind when the signal aborts. */
  open(address: A, signal: AbortSignal): Promise<C>;
  /** Closes one that came second. */
  discard(connection: C): void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly staggerMs?: number;
}

/**
 * Resolves with the first connection.
 *
 * @throws the signal's reason when it aborts; an `AggregateError` of every attempt when all failed.
 */
export function raceAddresses<A, C>(race: Race<A, C>): Promise<C> {
  const { clock, signal, open, discard } = race;
  const queue = race.addresses.slice(0, MAX_ATTEMPTS);
  const losers = new AbortController();
  const errors: unknown[] = [];
  let running = 0;
  let stagger: Timer | undefined;
  let done = false;
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      done = true;
      stagger?.cancel();
      signal.removeEventListener("abort", onAbort);
      losers.abort();
      settle();
    };
    const onAbort = (): void => finish(() => reject(signal.reason));
    const next = (): void => {
      stagger?.cancel();
      const address = queue.shift();
      if (address === undefined) return;
      running += 1;
      if (queue.length > 0) stagger = clock.setTimer(race.staggerMs ?? STAGGER_MS, next);
      open(address, losers.signal).then(
        (connection) => {
          if (done) discard(connection);
          else finish(() => resolve(connection));
        },
        (error) => {
          running -= 1;
          errors.push(error);
          if (done) return;
          // A failure starts the next at once (RFC 8305 section 5).
          if (queue.length > 0) next();
          else if (running === 0) finish(() => reject(new AggregateError(errors)));
        },
      );
    };
    if (signal.aborted) onAbort();
    else if (queue.length === 0) reject(new AggregateError([]));
    else {
      signal.addEventListener("abort", onAbort, { once: true });
      next();
    }
  });
}

/** Families in turn, the resolver's first choice first (RFC 8305 section 4). */
export function interleaveFamilies<A extends { readonly family: 4 | 6 }>(
  addresses: readonly A[],
): A[] {
  const first = addresses[0]?.family;
  const one = addresses.filter(({ family }) => family === first);
  const two = addresses.filter(({ family }) => family !== first);
  const mixed: A[] = [];
  for (let index = 0; index < Math.max(one.length, two.length); index++) {
    const [a, b] = [one[index], two[index]];
    if (a !== undefined) mixed.push(a);
    if (b !== undefined) mixed.push(b);
  }
  return mixed;
}
