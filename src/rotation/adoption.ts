/**
 * What becomes of a generation that a process staged which then died. Whoever staged it has gone, so a
 * refusal is only said. It stays staged when a clock that nobody vouches for may be the only reason: a device
 * without a battery starts in 1970, before everything that it has staged; then its time comes when the clock does.
 */
import { isAgentError } from "../base/errors.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { Generation, MarkReason } from "../identity/store/generation.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import { reasonsOf } from "./candidate-refused.ts";
import { isClockAlone } from "./dates-in-doubt.ts";

export interface AdoptionPorts {
  readonly store: Pick<CertificateStore, "next">;
  readonly time: () => TimeView;
  /** Judges what is staged and puts it in force. @throws AgentError; it may have been given up then. */
  readonly goOn: (next: Generation) => Promise<unknown>;
  /** Never rejects. */
  readonly giveUp: (reasons: readonly MarkReason[]) => Promise<void>;
}

export class Adoption {
  readonly #ports: AdoptionPorts;
  /** Number of the generation that waits for the clock. */
  #waiting: number | undefined;

  constructor(ports: AdoptionPorts) {
    this.#ports = ports;
  }

  /** Only of what a start has found: anything else that is staged belongs to somebody who is there. */
  get waits(): boolean {
    return this.#waiting !== undefined && this.#waiting === this.#ports.store.next?.number;
  }

  /** Takes up what is staged. Rejects only for a bug. */
  async run(): Promise<void> {
    const { store, time, goOn, giveUp } = this.#ports;
    const { next } = store;
    this.#waiting = undefined;
    if (next === undefined) return;
    try {
      await goOn(next);
    } catch (error) {
      if (!isAgentError(error)) throw error;
      if (store.next?.number !== next.number) return;
      const reasons = reasonsOf(error);
      if (isClockAlone(reasons, time(), next.chainPem)) this.#waiting = next.number;
      else await giveUp(reasons);
    }
  }
}
