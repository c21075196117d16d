/**
 * Who may stay when not everybody can. Decides before any TLS state exists, which is the dear part.
 * Pure: it keeps counts and orders; the caller closes sockets.
 *
 * - A newcomer is first `silent` (TCP only), then `waiting` for a handshake slot, then `shaking`;
 *   those three together are bounded, and a silent newcomer gives way to the next one: of the address
 *   that has the most, the oldest first. So connects without a word, however many, never keep a
 *   talking peer out.
 * - Handshake slots go to the address that has the fewest. A peer whose handshake dawdles gives way when
 *   another waits for its slot, sooner if its address has more slots than that of the other.
 * - An established peer that is idle gives way to a newly *verified* one; connects alone can't
 *   displace it. First of all gives way a peer that has more than its share of the places, and such a one
 *   also when it is not idle: one stolen certificate must not shut out all others.
 */
import { type Crowded, Crowds, whoYields } from "./crowding.ts";

export type Stage = "silent" | "waiting" | "shaking" | "established";

/** What the table knows of one connection; the caller may put its own things on it. */
export interface Seat extends Crowded {
  stage: Stage;
  /** Monotonic milliseconds when it entered its stage. */
  since: number;
  /** From this machine: may take places that are kept from everybody else. */
  readonly local?: boolean;
  /** Who it has proved to be; known once it is established. One peer may have many connections. */
  peer?: string | undefined;
  /** Ours: when it became idle, as a number that grows; absent while it is not. */
  idleSince?: number | undefined;
}

export interface AdmissionLimits {
  /** Established connections. */
  readonly maxConnections: number;
  /** Connections that have not shaken hands yet. Default: as many as established ones. */
  readonly maxNewcomers?: number;
  /** Places of each kind that only local peers may take. Default: none. */
  readonly reserved?: number;
  /** Handshakes in flight. */
  readonly maxHandshakes: number;
  /** A handshake that has lasted this long gives way to a waiting one. */
  readonly dawdleMs?: number;
  /** The same, to one of an address that has fewer slots. */
  readonly crowdDawdleMs?: number;
}

const DAWDLE_MS = 2000;
/** A round trip over a bad cellular link; who is one of many of its address gets no more than that. */
const CROWD_DAWDLE_MS = 500;

/** A peer that has more than this part of all places gives way to others. */
const LARGE_SHARE = 1 / 4;

export class Admission<S extends Seat> {
  readonly #limits: AdmissionLimits;
  readonly #stages: Readonly<Record<Stage, Set<S>>> = {
    silent: new Set(),
    waiting: new Set(),
    shaking: new Set(),
    established: new Set(),
  };
  /** Grows with each peer that becomes idle. */
  #idleCount = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  count(stage: Stage): number {
    return this.#stages[stage].size;
  }

  /** Newcomers in all their stages. */
  get pending(): number {
    return this.count("silent") + this.count("waiting") + this.count("shaking");
  }

  /**
   * Takes a newcomer in. `evict` is who must go for it; `undefined` result means that there is no
   * place and the newcomer must go.
   */
  arrive(seat: S): { readonly evict: S | undefined } | undefined {
    let evict: S | undefined;
    const { maxConnections, maxNewcomers = maxConnections } = this.#limits;
    if (this.pending >= this.#open(seat, maxNewcomers)) {
      const { silent, waiting, shaking } = this.#stages;
      evict = whoYields(seat, this.#stages, new Crowds(silent, waiting, shaking));
      if (evict === undefined) return undefined;
      this.leave(evict);
    }
    this.#stages[seat.stage].add(seat);
    return { evict };
  }

  move(seat: S, stage: Stage, nowMs: number): void {
    this.leave(seat);
    seat.stage = stage;
    seat.since = nowMs;
    this.#stages[stage].add(seat);
  }

  /** The next that may begin its handshake, if a slot is free. */
  nextHandshake(): S | undefined {
    if (this.count("shaking") >= this.#limits.maxHandshakes) return undefined;
    return new Crowds(this.#stages.shaking).smallest(this.#stages.waiting);
  }

  /** Somebody is in a handshake, or waits for one: whoever comes now takes something from others. */
  get contended(): boolean {
    return this.count("shaking") > 0 || this.count("waiting") > 0;
  }

  /**
   * When all slots are taken and somebody waits: who of the address with the most slots has had his for
   * longest, and how long to wait until he has dawdled (0: now).
   */
  dawdler(nowMs: number): { readonly seat: S; readonly inMs: number } | undefined {
    if (this.count("waiting") === 0 || this.count("shaking") < this.#limits.maxHandshakes) {
      return undefined;
    }
    const crowds = new Crowds(this.#stages.shaking);
    const next = crowds.smallest(this.#stages.waiting);
    const seat = crowds.largest(this.#stages.shaking);
    if (seat === undefined || next === undefined) return undefined;
    const { dawdleMs = DAWDLE_MS, crowdDawdleMs = CROWD_DAWDLE_MS } = this.#limits;
    // Taking it must not just turn the two round.
    const crowded = crowds.of(seat) > crowds.of(next) + 1;
    const longest = crowded ? seat : first(this.#stages.shaking);
    if (longest === undefined) return undefined;
    const patienceMs = crowded ? Math.min(dawdleMs, crowdDawdleMs) : dawdleMs;
    return { seat: longest, inMs: Math.max(0, longest.since + patienceMs - nowMs) };
  }

  /** Makes a peer established; like {@link arrive}, may name one to evict or have no place. */
  establish(seat: S, nowMs: number): { readonly evict: S | undefined } | undefined {
    let evict: S | undefined;
    if (this.count("established") >= this.#open(seat, this.#limits.maxConnections)) {
      evict = this.#whoLeaves(seat);
      if (evict === undefined) return undefined;
      this.leave(evict);
    }
    this.move(seat, "established", nowMs);
    return { evict };
  }

  /** The longest idle peer, which leaves; `undefined` when all have calls. */
  takeIdle(): S | undefined {
    const seat = longestIdle(this.#stages.established);
    if (seat !== undefined) this.leave(seat);
    return seat;
  }

  /**
   * Says whether an established peer has no call in flight. Every call passes here: a number costs it
   * nothing, while a set in order of idling would make a new table every few calls.
   */
  setIdle(seat: S, idle: boolean): void {
    seat.idleSince = idle ? ++this.#idleCount : undefined;
  }

  leave(seat: S): void {
    this.#stages[seat.stage].delete(seat);
  }

  /** Idle or not: who is not keeps its place unless its peer has a large share of them. */
  #whoLeaves(newcomer: S): S | undefined {
    const { established } = this.#stages;
    const peers = new Crowds([...established].map(ofPeer));
    const large = established.size * LARGE_SHARE;
    const crowding = [...established].filter((seat) => peers.of(ofPeer(seat)) > large);
    const idle = longestIdle(crowding) ?? longestIdle(established);
    if (idle !== undefined) return idle;
    // Taking it must not just turn the two round.
    const own = peers.of(ofPeer(newcomer));
    return crowding.findLast((seat) => peers.of(ofPeer(seat)) > own + 1);
  }

  /** Of `places`, those that are open to this seat. */
  #open(seat: S, places: number): number {
    return seat.local === true ? places : places - (this.#limits.reserved ?? 0);
  }

  /** Everybody, for closing. */
  *all(): Generator<S> {
    for (const seats of Object.values(this.#stages)) yield* seats;
  }
}

function ofPeer({ peer }: Seat): Crowded {
  return { crowd: peer };
}

function longestIdle<S extends Seat>(seats: Iterable<S>): S | undefined {
  let longest: S | undefined;
  let since = Number.POSITIVE_INFINITY;
  for (const seat of seats) {
    if (seat.idleSince === undefined || seat.idleSince >= since) continue;
    longest = seat;
    since = seat.idleSince;
  }
  return longest;
}

function first<S>(seats: Set<S>): S | undefined {
  const [seat] = seats;
  return seat;
}
