/**
 * The way back to the generation before: whether there is one that is any good, and the change itself,
 * durable first. Never to one that is revoked, expired, distrusted or bad.
 */
import { AgentError, errorText } from "../base/errors.ts";
import type { MarkReason } from "../identity/store/generation.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import type { CandidateJudge } from "./candidate-judge.ts";
import { FALL_BACK_CODES } from "./identity-state.ts";
import type { RotatorOptions } from "./rotation-ports.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";

type Ports = Pick<RotatorOptions, "store" | "source" | "keys" | "log">;

type Way =
  | { readonly open: true; readonly to: Snapshot }
  | { readonly open: false; readonly reasons: readonly MarkReason[] };

export class FallBack {
  readonly #ports: Ports;
  readonly #judge: CandidateJudge;
  /** Generation whose way back was found closed and said so, to say it once. */
  #saidFor: number | undefined;
  /** A fall-back that serves from memory only; the store still has the failed generation in force. */
  #unwritten: readonly MarkReason[] | undefined;

  constructor(ports: Ports, judge: CandidateJudge) {
    this.#ports = ports;
    this.#judge = judge;
  }

  /** What could be gone back to now; `undefined` when there is nothing, or it is no good. */
  async target(): Promise<TlsMaterial | undefined> {
    const way = await this.#way();
    if (way.open) return way.to.material;
    if (this.#ports.store.previous !== undefined) this.#sayWithheld(way.reasons, []);
    return undefined;
  }

  /**
   * Puts the generation before in force again; the current one is kept, marked bad with `reasons`.
   *
   * @returns `false` when there is nothing good to go back to; nothing has changed then but the log.
   */
  async run(reasons: readonly MarkReason[]): Promise<boolean> {
    const { store, source, log } = this.#ports;
    const way = await this.#way();
    if (!way.open) {
      this.#saidFor = undefined;
      this.#sayWithheld(way.reasons, reasons);
      return false;
    }
    const failed = store.current?.number;
    let generation = way.to.generation;
    let fault: string | undefined;
    try {
      generation = await store.fallBack(reasons);
    } catch (error) {
      // Peers refuse the new one now: the old serves from memory, and the next start finds out again.
      fault = errorText(error);
      this.#unwritten = reasons;
    }
    const thrown = source.publish({ ...way.to, generation });
    this.#sayPublishFailed(thrown);
    log.emit("certificate.fallback", {
      generation: generation.number,
      failed_generation: failed,
      digest: generation.digest,
      serial: way.to.leaf.summary.serial,
      durable: fault === undefined,
      fault,
      reasons: reasons.map(({ code, words }) => ({ code, words })),
    });
    return true;
  }

  /**
   * Before the store changes again: a fall-back that could not be written is written now.
   *
   * @throws AgentError `ERR_STORE_*` when it still can't be.
   */
  async writeDown(): Promise<void> {
    if (this.#unwritten === undefined) return;
    await this.#ports.store.fallBack(this.#unwritten);
    this.#unwritten = undefined;
  }

  /**
   * A part of the agent could not take the new generation over: a local failure.
   *
   * @throws AgentError `ERR_CERT_LOCAL` when the one before is in force again; returns when there is none,
   *   and the new one stays in force for the parts that took it.
   */
  async afterPublishing(thrown: readonly unknown[]): Promise<void> {
    this.#sayPublishFailed(thrown);
    const words = thrown.map(errorText).join("; ");
    if (await this.run([{ code: FALL_BACK_CODES.publish, words }])) {
      throw new AgentError(
        "ERR_CERT_LOCAL",
        `a part of the agent could not take the new identity over, so the one before is in force again: ${words}`,
      );
    }
  }

  async #way(): Promise<Way> {
    const { store, keys } = this.#ports;
    const { current, previous } = store;
    if (previous === undefined) {
      return closed("no-previous", "there is no generation before it");
    }
    let to: Snapshot;
    try {
      to = await openSnapshot(previous, keys);
    } catch (error) {
      return closed("key-unusable", errorText(error));
    }
    const distrusted = current?.origin === "trust" ? this.#inForce() : undefined;
    const reasons = await this.#judge.objections(to, distrusted);
    return reasons.length === 0 ? { open: true, to } : { open: false, reasons };
  }

  #inForce(): TlsMaterial | undefined {
    return this.#ports.source.snapshot?.material;
  }

  #sayWithheld(against: readonly MarkReason[], failure: readonly MarkReason[]): void {
    const { store, log } = this.#ports;
    const number = store.current?.number;
    if (number === this.#saidFor) return;
    this.#saidFor = number;
    log.emit("certificate.fallback.withheld", {
      generation: number,
      previous: store.previous?.number,
      reasons: against.map(({ code, words }) => ({ code, words })),
      failure: failure.map(({ code, words }) => ({ code, words })),
    });
  }

  #sayPublishFailed(thrown: readonly unknown[]): void {
    for (const error of thrown) {
      this.#ports.log.emit("certificate.publish.failed", { reason: errorText(error) });
    }
  }
}

function closed(code: string, words: string): Way {
  return { open: false, reasons: [{ code, words }] };
}
