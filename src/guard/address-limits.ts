/**
 * How often an address may connect, and how often it may fail to: decided when TCP has accepted,
 * before any TLS state is made. Failures have a budget of their own, because a handshake that fails
 * costs as much as one that does not and is all that a stranger can have.
 *
 * Peers are counted elsewhere (`call-limits.ts`), so addresses can't push peers out of their table.
 * A table of addresses is hard to fill: a bucket that is full again is free, so holding `n` places
 * takes `n` times the rate in connections every second.
 */
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { addressKey } from "./address-key.ts";
import { BucketTable } from "./bucket-table.ts";
import type { Rate } from "./gcra.ts";
import { KeyedHash } from "./keyed-hash.ts";
import { type Limit, withRate } from "./limit.ts";
import type { LimitTableView } from "./limits-view.ts";

export interface AddressRates {
  readonly perAddress: Rate | undefined;
  readonly failedHandshakes: Rate | undefined;
}

export interface AddressLimitsParts {
  /** Room in each of the two tables. */
  readonly trackedAddresses: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Of all addresses beyond their failures, one in so long: a twentieth of the CPU on a server's core. */
const PARDON_MS = 50;

/** Which limit turns a connection away; also the cause under which it is counted. */
export type AddressRefusal = "address-rate" | "failed-handshakes";

export class AddressLimits {
  readonly #parts: AddressLimitsParts;
  readonly #hash: KeyedHash;
  #perAddress: Limit | undefined;
  #failed: Limit | undefined;
  /** When an address beyond its failures was let in last; monotonic milliseconds. */
  #pardonedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: AddressLimitsParts, rates: AddressRates) {
    this.#parts = parts;
    this.#hash = KeyedHash.random(parts.random);
    this.apply(rates);
  }

  /** Puts new rates in force. What was spent stays spent. */
  apply({ perAddress, failedHandshakes }: AddressRates): void {
    const table = (): BucketTable => new BucketTable(this.#parts.trackedAddresses);
    this.#perAddress = withRate(this.#perAddress, perAddress, "per_address", table);
    this.#failed = withRate(this.#failed, failedHandshakes, "failed_handshakes", table);
  }

  /**
   * Asks for one connection; `undefined` lets it in.
   *
   * An address that has used up its failures is not shut out: behind one router there may be peers that
   * did nothing wrong. It comes last: only when nobody is in a handshake, and then seldom, because its
   * handshakes may well fail again.
   *
   * @param contended Somebody is in a handshake, or waits for one.
   */
  admit(address: string, contended: boolean): AddressRefusal | undefined {
    const [failed, perAddress] = [this.#failed, this.#perAddress];
    if (failed === undefined && perAddress === undefined) return undefined;
    const nowMs = this.#parts.clock.monotonicMs();
    const { high, low } = this.#hash.of(addressKey(address));
    if (failed !== undefined) {
      // a look only: whether it will fail is not known yet
      const slot = failed.buckets.locate(high, low, nowMs);
      if (failed.buckets.untilFit(slot, failed.pace, nowMs) > 0) {
        if (contended || nowMs - this.#pardonedAt < PARDON_MS) {
          failed.refused++;
          return "failed-handshakes";
        }
        this.#pardonedAt = nowMs;
      }
    }
    if (perAddress !== undefined) {
      const slot = perAddress.buckets.locate(high, low, nowMs);
      if (perAddress.buckets.untilFit(slot, perAddress.pace, nowMs) > 0) {
        perAddress.refused++;
        return "address-rate";
      }
      perAddress.buckets.spend(slot, perAddress.pace, nowMs);
    }
    return undefined;
  }

  /** A handshake of this address failed, or its certificate was refused. */
  failed(address: string): void {
    const limit = this.#failed;
    if (limit === undefined) return;
    const nowMs = this.#parts.clock.monotonicMs();
    const { high, low } = this.#hash.of(addressKey(address));
    const slot = limit.buckets.locate(high, low, nowMs);
    // several may fail at once that were let in together: the debt ends at an empty bucket
    if (limit.buckets.untilFit(slot, limit.pace, nowMs) === 0) {
      limit.buckets.spend(slot, limit.pace, nowMs);
    }
  }

  tables(): readonly LimitTableView[] {
    const nowMs = this.#parts.clock.monotonicMs();
    return [this.#perAddress, this.#failed].flatMap((limit) => limit?.view(nowMs) ?? []);
  }
}
