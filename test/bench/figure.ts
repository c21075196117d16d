/**
 * One measured figure, and how it stands beside a peer measured in the same run.
 */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `ms CPU/call`, `KiB`, `calls`, ... */
  readonly unit: string;
  /** What it is compared with; empty when it stands alone. */
  readonly peer: string;
  /** value / the peer's value; `null` when it stands alone. */
  readonly ratio: number | null;
}

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

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  if (low === undefined || high === undefined) throw new Error("median of nothing");
  return (low + high) / 2;
}

/** Four significant digits: more would claim more than a shared machine can show. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
