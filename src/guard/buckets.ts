/**
 * Token buckets by number, 8 bytes each. What a bucket is says `gcra.ts`.
 */
import { afterOne, type Pace, untilFit, withinLimit } from "./gcra.ts";

export class Buckets {
  /** When each is full again; monotonic milliseconds. */
  protected readonly fullAt: Float64Array;

  constructor(count: number) {
    this.fullAt = new Float64Array(count);
  }

  get count(): number {
    return this.fullAt.length;
  }

  get bytes(): number {
    return this.fullAt.byteLength;
  }

  /** Buckets that are not full at the moment; looks at all of them. */
  used(nowMs: number): number {
    let used = 0;
    for (const fullAt of this.fullAt) if (fullAt > nowMs) used++;
    return used;
  }

  /** Milliseconds until a call fits; 0: it fits now. */
  untilFit(slot: number, pace: Pace, nowMs: number): number {
    const fullAt = this.fullAt[slot] as number;
    const sane = withinLimit(fullAt, pace, nowMs);
    if (sane !== fullAt) this.fullAt[slot] = sane;
    return untilFit(sane, pace, nowMs);
  }

  /** Spends one call, whether it fits or not. Returns a receipt for {@link giveBack}. */
  spend(slot: number, pace: Pace, nowMs: number): number {
    const after = afterOne(this.fullAt[slot] as number, pace, nowMs);
    this.fullAt[slot] = after;
    return after;
  }

  /** Takes one call back that waited and will not run, unless somebody has queued up behind it. */
  giveBack(slot: number, pace: Pace, receipt: number): void {
    if (this.fullAt[slot] === receipt) this.fullAt[slot] = receipt - pace.intervalMs;
  }

  /** Lets a bucket go on where another one is. */
  copy(slot: number, from: Buckets, fromSlot: number): void {
    this.fullAt[slot] = from.fullAt[fromSlot] as number;
  }
}
