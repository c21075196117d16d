/**
 * What a metric is: its type, its words, and how it is read from what `status` says. Pure.
 *
 * Names follow Prometheus' conventions: base units (seconds, bytes) in the name, counters end in
 * `_total`, moments are Unix seconds and end in `_timestamp_seconds`. Values of labels come from closed
 * sets of our own (error codes, causes, kinds, states), never from a peer: no name, no address.
 */
import type { StatusView } from "./admin-operations.ts";

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  readonly type: "counter" | "gauge";
  /** A sentence without a full stop. */
  readonly help: string;
  /** Names of its labels; none without. */
  readonly labels?: readonly string[];
  /** What this device has no such figure of is left out. */
  read(status: StatusView): readonly Sample[] | number | boolean | undefined | null;
}

export type Metrics = Readonly<Record<`microedge_${string}`, Metric>>;

/** Of milliseconds; what is not there stays so. */
export function seconds(ms: number | undefined | null): number | undefined {
  return ms === undefined || ms === null ? undefined : ms / 1000;
}

/** Of counters like `calls_refused:ERR_ACL_DENIED`: one sample for each that begins with `prefix` and a colon. */
export function counted(
  counters: StatusView["counters"],
  prefix: string,
  label: string,
): readonly Sample[] {
  return Object.entries(counters).flatMap(([name, value]) =>
    name.startsWith(`${prefix}:`)
      ? [{ labels: { [label]: name.slice(prefix.length + 1) }, value }]
      : [],
  );
}

/** One sample for each state there is: 1 for the one that holds, 0 for the others. */
export function stateSet<S extends string>(
  label: string,
  states: Readonly<Record<S, true>>,
  current: S | undefined,
): readonly Sample[] {
  if (current === undefined) return [];
  return Object.keys(states).map((state) => ({
    labels: { [label]: state },
    value: state === current ? 1 : 0,
  }));
}
