/**
 * One measured figure, and how it stands beside a peer measured in the same run.
 */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `ms`, `us`, `KiB`, `calls`, ... */
  readonly unit: string;
  /** What it is compared with; empty when it stands alone. */
  readonly peer: string;
  /** Ours / the peer's; `null` when it stands alone. */
  readonly ratio: number | null;
  /** The ratios of the single rounds, lowest and highest; absent for a figure of one round. */
  readonly spread?: readonly [lowest: number, highest: number];
}

/** A figure measured once, or one that stands alone. */
export function figure(
  name: string,
  value: number,
  unit: string,
  peer?: { readonly name: string; readonly value: number },
): Figure {
  return {
    name,
    value: rounded(value),
    unit,
    peer: peer?.name ?? "",
    ratio: peer === undefined || peer.value === 0 ? null : rounded(value / peer.value),
  };
}

/**
 * A figure measured in rounds, in each of which ours and the peer took turns. The ratio is the median
 * of the rounds' ratios: what slows the machine down for a round slows both.
 */
export function comparison(
  name: string,
  ours: readonly number[],
  unit: string,
  peer: { readonly name: string; readonly values: readonly number[] },
): Figure {
  const ratios = ours.map((value, round) => value / (peer.values[round] ?? Number.NaN));
  return {
    name,
    value: rounded(median(ours)),
    unit,
    peer: peer.name,
    ratio: rounded(median(ratios)),
    spread: [rounded(Math.min(...ratios)), rounded(Math.max(...ratios))],
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  if (low === undefined || high === undefined) throw new Error("median of nothing");
  return (low + high) / 2;
}

/** Three significant digits: more would claim more than a shared machine can show. */
function rounded(value: number): number {
  return Number(value.toPrecision(value >= 1000 ? 4 : 3));
}
