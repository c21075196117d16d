/**
 * Serves metrics where the configuration asks for it, or says why not: figures are never a reason not to
 * serve peers. What serves them is loaded when it is first asked for.
 */
import { isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { StatusView } from "../sidecar/admin-operations.ts";
import type { MetricsPlace, MetricsServer } from "../sidecar/metrics-server.ts";

export interface MetricsPortParts {
  readonly clock: Clock;
  readonly log: Logger;
  status(): StatusView;
}

/** Whoever has the address may end, or let it go. */
const TRY_AGAIN_MS = 60_000;

export class MetricsPort implements AsyncDisposable {
  readonly #parts: MetricsPortParts;
  readonly #stopping = new AbortController();
  #place: MetricsPlace | undefined;
  #server: MetricsServer | undefined;
  #fault: string | undefined;
  #retry: Timer | undefined;
  /** Changes come one after another. */
  #turns: Promise<void> = Promise.resolve();

  constructor(parts: MetricsPortParts) {
    this.#parts = parts;
  }

  /** Why nothing is served where it was asked for; `undefined` when all is well. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Serves there from now on; `undefined` ends it. Never rejects. */
  apply(place: MetricsPlace | undefined): Promise<void> {
    this.#turns = this.#turns.then(() => this.#move(place));
    return this.#turns;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.apply(undefined);
  }

  async #move(place: MetricsPlace | undefined): Promise<void> {
    if (JSON.stringify(place) === JSON.stringify(this.#place)) return;
    this.#place = place;
    this.#retry?.cancel();
    this.#fault = undefined;
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
    await this.#open();
  }

  async #open(): Promise<void> {
    const place = this.#place;
    const { signal } = this.#stopping;
    if (place === undefined) return;
    const { clock, log, status } = this.#parts;
    const [{ MetricsServer }, { formatMetrics }] = await Promise.all([
      import("../sidecar/metrics-server.ts"),
      import("../sidecar/metrics-text.ts"),
    ]);
    const server = new MetricsServer({ place, text: () => formatMetrics(status()), log, clock });
    try {
      await server.start(signal);
      this.#server = server;
      this.#fault = undefined;
    } catch (error) {
      if (signal.aborted) return;
      if (!isAgentError(error, "ERR_METRICS_LISTEN")) throw error;
      const reason = error.message;
      if (reason !== this.#fault) {
        log.emit("metrics.unavailable", {
          code: error.code,
          reason,
          fix: error.fields["fix"] ?? error.hint,
        });
      }
      this.#fault = reason;
      this.#retry = clock.setTimer(TRY_AGAIN_MS, () => {
        this.#turns = this.#turns.then(() => (this.#place === place ? this.#open() : undefined));
      });
    }
  }
}
