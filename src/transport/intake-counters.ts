/**
 * What a listener has seen since it started, by cause; read by status and metrics.
 */
export type CounterFamily = "refused" | "peersRefused" | "observed" | "handshakesFailed";

export class IntakeCounters {
  /** Connections that TCP brought. */
  accepted = 0;
  readonly #families: Readonly<Record<CounterFamily, Map<string, number>>> = {
    refused: new Map(),
    peersRefused: new Map(),
    observed: new Map(),
    handshakesFailed: new Map(),
  };

  /** Causes are a closed set: the maps stay small. */
  count(family: CounterFamily, cause: string): void {
    const counts = this.#families[family];
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }

  /** Counts by cause. */
  of(family: CounterFamily): ReadonlyMap<string, number> {
    return this.#families[family];
  }

  total(family: CounterFamily): number {
    let sum = 0;
    for (const count of this.#families[family].values()) sum += count;
    return sum;
  }
}
