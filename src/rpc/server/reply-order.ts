/**
 * Keeps the answers of one connection in the order of its requests: a mucp reply carries nothing by
 * which a peer could tell whose it is.
 */
import type { Outbox } from "./outbox.ts";
import type { ServerLimits } from "./server-limits.ts";
import type { UnaryCall } from "./unary-call.ts";

/** An answer that is ready, or a call that will have one. */
type Place = UnaryCall | { readonly reply: Uint8Array };

export class ReplyOrder {
  readonly #outbox: Outbox;
  readonly #places: Place[] = [];

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** Calls whose answer has not gone out. */
  get size(): number {
    return this.#places.length;
  }

  /** Calls whose request is complete; `reading` takes the one that is being read. */
  taken(reading: object | undefined): number {
    return this.#places.filter((place) => place !== reading).length;
  }

  /** More should not be read: too many calls wait, too much is held back, or a call is undecided. */
  full({ maxPendingCalls, maxHeldBytes }: ServerLimits): boolean {
    if (this.#places.length === 0) return false;
    if (this.#places.length >= maxPendingCalls) return true;
    for (const place of this.#places) if ("undecided" in place && place.undecided) return true;
    return this.heldBytes > maxHeldBytes;
  }

  /** Bytes of replies that wait for their turn, and of requests whose handler is not done. */
  get heldBytes(): number {
    let bytes = 0;
    for (const place of this.#places) {
      bytes += place.reply?.byteLength ?? ("pendingBytes" in place ? place.pendingBytes : 0);
    }
    return bytes;
  }

  add(place: Place): void {
    this.#places.push(place);
  }

  /** Sends every answer whose turn it is. */
  release(): void {
    for (let reply = this.#places[0]?.reply; reply !== undefined; reply = this.#places[0]?.reply) {
      this.#outbox.push(reply);
      this.#places.shift();
    }
  }

  /** Answers calls whose deadline has passed; returns the earliest deadline that is left. */
  expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const place of [...this.#places]) {
      if (!("deadlineAt" in place) || place.settled || place.deadlineAt === undefined) continue;
      if (place.deadlineAt <= nowMs) place.expire();
      else next = Math.min(next, place.deadlineAt);
    }
    return next;
  }

  /** The connection is over, or its time to finish is. */
  cancel(): void {
    for (const place of this.#places.splice(0)) if ("deadlineAt" in place) place.cancel();
  }
}
