/**
 * One limit in force: its buckets, its pace, and what it has counted.
 */
import { BucketTable } from "./bucket-table.ts";
import type { Buckets } from "./buckets.ts";
import { type Pace, paceOf, type Rate } from "./gcra.ts";
import type { LimitTableView, RateView } from "./limits-view.ts";

export interface LimitCounts {
  refused: number;
  waited: number;
}

/** A limit with one rate for everybody. The buckets stay when a reload changes the rate. */
export class Limit<B extends Buckets = BucketTable> implements LimitCounts {
  readonly name: string;
  readonly buckets: B;
  refused = 0;
  waited = 0;
  #rate: Rate;
  #pace: Pace;

  constructor(name: string, buckets: B, rate: Rate) {
    this.name = name;
    this.buckets = buckets;
    this.#rate = rate;
    this.#pace = paceOf(rate);
  }

  get pace(): Pace {
    return this.#pace;
  }

  setRate(rate: Rate): void {
    this.#rate = rate;
    this.#pace = paceOf(rate);
  }

  view(nowMs: number): LimitTableView {
    return tableView(this.name, this.buckets, this, [this.#rate], nowMs);
  }
}

/**
 * The limit of this name with a new rate: the one there was, so that nobody gets a fresh burst from a
 * reload; a new one; or none.
 */
export function withRate<B extends Buckets>(
  limit: Limit<B> | undefined,
  rate: Rate | undefined,
  name: string,
  makeBuckets: () => B,
): Limit<B> | undefined {
  if (rate === undefined) return undefined;
  limit?.setRate(rate);
  return limit ?? new Limit(name, makeBuckets(), rate);
}

export function tableView(
  name: string,
  buckets: Buckets,
  { refused, waited }: LimitCounts,
  rates: readonly RateView[],
  nowMs: number,
): LimitTableView {
  const isTable = buckets instanceof BucketTable;
  const capacity = isTable ? buckets.capacity : buckets.count;
  return {
    name,
    capacity,
    // A table has some places more than it is stated to hold, so that everybody finds one.
    used: Math.min(buckets.used(nowMs), capacity),
    evictions: isTable ? buckets.evictions : 0,
    refused,
    waited,
    bytes: buckets.bytes,
    rates,
  };
}
