/**
 * Fairness between addresses before the handshake: whoever holds many places yields to those who hold
 * few. One address that connects without a word, or begins handshakes and dawdles, must not keep the
 * peers of other addresses out. Pure.
 */

/** Of whom an address (a /64 of IPv6) is known. */
export interface Crowded {
  /** The name under which the address is counted; peers without one are one crowd. */
  readonly crowd?: string | undefined;
}

/** How many of these seats each address has. */
export class Crowds {
  readonly #sizes = new Map<string, number>();

  constructor(...groups: readonly Iterable<Crowded>[]) {
    for (const seats of groups) {
      for (const { crowd = "" } of seats) this.#sizes.set(crowd, (this.#sizes.get(crowd) ?? 0) + 1);
    }
  }

  of({ crowd = "" }: Crowded): number {
    return this.#sizes.get(crowd) ?? 0;
  }

  /** Whether this seat's address has more than half of all. */
  isMost(seat: Crowded): boolean {
    let all = 0;
    for (const size of this.#sizes.values()) all += size;
    return this.of(seat) * 2 > all;
  }

  /** The first seat of the largest crowd; `undefined` when there is none. */
  largest<S extends Crowded>(seats: Iterable<S>): S | undefined {
    return this.#extreme(seats, 1);
  }

  /** The first seat of the smallest crowd; `undefined` when there is none. */
  smallest<S extends Crowded>(seats: Iterable<S>): S | undefined {
    return this.#extreme(seats, -1);
  }

  #extreme<S extends Crowded>(seats: Iterable<S>, sign: 1 | -1): S | undefined {
    let found: S | undefined;
    let most = Number.NEGATIVE_INFINITY;
    for (const seat of seats) {
      const size = sign * this.of(seat);
      if (size <= most) continue;
      found = seat;
      most = size;
    }
    return found;
  }
}

/**
 * Who gives way to a newcomer when all places are taken; `undefined`: nobody, the newcomer must go.
 *
 * - Of the silent: the oldest of the largest crowd, unless the newcomer's own crowd is larger still.
 *   Among equals that is the oldest of all, so a peer that talks never waits for those that do not.
 * - If nobody is, or one crowd has more than half of all places, of those that have spoken: the latest
 *   of a crowd that stays at least as large as the newcomer's.
 */
export function whoYields<S extends Crowded>(
  newcomer: S,
  places: { readonly silent: ReadonlySet<S>; readonly waiting: ReadonlySet<S> },
  crowds: Crowds,
): S | undefined {
  const own = crowds.of(newcomer);
  const eligible = [...places.silent].filter(
    (seat) => crowds.of(seat) > own || (seat.crowd ?? "") === (newcomer.crowd ?? ""),
  );
  const silent = crowds.largest(eligible);
  const spoken = crowds.largest([...places.waiting].reverse());
  if (spoken === undefined || crowds.of(spoken) <= own + 1) return silent;
  return silent === undefined || crowds.isMost(spoken) ? spoken : silent;
}
