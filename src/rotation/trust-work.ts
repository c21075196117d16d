/**
 * Puts signed trust updates in force, however often the power goes on the way. What is handed in is judged
 * first, signatures before anything else: what nobody has signed is never kept. What counts, or will when its
 * time has come, is kept as the note `trust-N` and queued as the intent `trust-N`, N being its last sequence;
 * then whoever brought it may go. The worker puts it in force (`TrustUpdates`), which the sequence that
 * the store keeps makes good to do twice, and removes the note.
 */
import { AgentError, ERRORS, errorText, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { Hold, IntentSteps } from "../queue/handlers.ts";
import { type Intent, type IntentState, intentId } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { MAX_WAIT_MS } from "../queue/saved-attempts.ts";
import { InstallFailed } from "./install-failure.ts";
import { noteName } from "./install-objects.ts";
import { dropLongNote, readLongNote, writeLongNote } from "./long-note.ts";
import { PushedEntries } from "./pushed-entries.ts";
import { formatTrustUpdate, type SignedTrustUpdate } from "./trust-update.ts";
import { isTooEarly } from "./trust-update-chain.ts";
import type { TrustUpdateOutcome, TrustUpdates } from "./trust-updates.ts";

export interface TrustWorkPorts {
  readonly store: CertificateStore;
  readonly queue: IntentQueue;
  readonly updates: Pick<TrustUpdates, "judge" | "take" | "sequence">;
  readonly time: () => TimeView;
  readonly log: Logger;
}

export interface AcceptedTrust {
  /** Of the entry in the queue. */
  readonly id: string;
  /** Of the last update of the chain. */
  readonly sequence: number;
  readonly steps: number;
  /** `superseded`: a newer update waits already, and nothing was kept. */
  readonly state: IntentState;
}

/** Nothing newer in it than what counts already. */
export type KnownTrust = TrustUpdateOutcome & { readonly outcome: "known" };

export class TrustWork {
  readonly #ports: TrustWorkPorts;
  readonly #entries: PushedEntries;
  /** What is found again and again is told once. */
  #refused: string | undefined;
  #waits: string | undefined;

  constructor(ports: TrustWorkPorts) {
    this.#ports = ports;
    this.#entries = new PushedEntries("trust", ports);
  }

  /** Removes what a crash has left, and from now on what belongs to intents that are over. */
  start(): Promise<void> {
    return this.#entries.start();
  }

  /**
   * Makes durable what a file of updates holds, and the wish to put it in force.
   *
   * @throws AgentError `ERR_TRUST_UPDATE` with the reason, `ERR_IDENTITY_NONE` for an empty store;
   *   `ERR_STORE_*`, `ERR_QUEUE_*`: nothing was accepted.
   */
  accept(text: string): Promise<AcceptedTrust | KnownTrust> {
    return this.#entries.take(() => this.#accept(text));
  }

  /** As {@link accept}, for what was found rather than given: a refusal is told once, and nothing thrown. */
  async offer(text: string, source: string): Promise<AcceptedTrust | KnownTrust | undefined> {
    try {
      const accepted = await this.accept(text);
      this.#refused = undefined;
      return accepted;
    } catch (error) {
      const reason = errorText(error);
      if (this.#refused !== reason) {
        this.#ports.log.emit("trust.update.refused", { source, reason });
      }
      this.#refused = reason;
      return undefined;
    }
  }

  /** Whether its time is known not to have come, for the queue's worker. */
  holds({ id }: Intent): Hold | undefined {
    const beginsAt = this.#entries.beginsAt(id);
    const time = this.#ports.time();
    return isTooEarly(beginsAt, time) ? { by: "early", forMs: beginsAt - time.nowMs } : undefined;
  }

  /** An `IntentHandler` for `trust`. @throws InstallFailed. */
  async handle(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<void> {
    try {
      await this.#apply(intent, steps, signal);
      this.#waits = undefined;
    } catch (error) {
      if (signal.aborted || !isAgentError(error)) throw error;
      throw this.#failed(intent, error);
    }
  }

  /** As {@link PushedEntries.sweep}. */
  sweep(): Promise<void> {
    return this.#entries.sweep();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#entries[Symbol.asyncDispose]();
  }

  async #accept(text: string): Promise<AcceptedTrust | KnownTrust> {
    const { store, queue, updates, log } = this.#ports;
    const verdict = await updates.judge(text);
    if (verdict.kind === "refused") throw refusal(verdict.words, verdict.reason);
    if (verdict.kind === "known") {
      const { words } = verdict;
      return { outcome: "known", sequence: await updates.sequence(), steps: 0, words };
    }
    const { steps, chain } = verdict;
    const { sequence } = verdict.update;
    // One of later that stands on its own does not lead through those that count until then.
    const begun = verdict.kind === "take" ? [] : (verdict.begun?.chain ?? []);
    const kept = [...new Set([...begun, ...chain])];
    const newer = queue.list().find(({ kind, generation, state }) => {
      return kind === "trust" && generation > sequence && state !== "failed";
    });
    const id = intentId("trust", sequence);
    if (newer !== undefined) return { id, sequence, steps, state: "superseded" };
    const before = queue.find(id);
    // Only the links that count; the signature covers what they say, not how they are written.
    const { state } = await this.#entries.add(sequence, () =>
      writeLongNote(store, noteName("trust", sequence), textOf(kept)),
    );
    if (before === undefined) log.emit("trust.update.accepted", { id, sequence, steps });
    return { id, sequence, steps, state };
  }

  async #apply(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<void> {
    const { store, updates } = this.#ports;
    const { id, generation, step } = intent;
    const name = noteName("trust", generation);
    if ((await updates.sequence()) < generation) {
      const text = await readLongNote(store, name);
      if (text === undefined) {
        throw new AgentError("ERR_STORE_CORRUPT", `what was taken as ${id} is not in the store`);
      }
      // Anew: keys, name and position may be others by now, and the note is only as good as the disk.
      const verdict = await updates.judge(text);
      if (verdict.kind === "refused") throw refusal(verdict.words, verdict.reason);
      if (verdict.kind === "not-yet-valid") {
        if (verdict.begun !== undefined) {
          if (step !== "apply") await steps.advance("apply");
          signal.throwIfAborted();
          await updates.take(textOf(verdict.begun.chain));
        }
        this.#entries.isEarly(id, verdict.update.notBefore);
        const leftMs = verdict.update.notBefore - this.#ports.time().nowMs;
        const reached = await updates.sequence();
        const until = reached === 0 ? "" : `, until then update ${reached} does`;
        const words = `${verdict.words}${until}; it goes in force by itself`;
        const error = new AgentError("ERR_INSTALL_WAITS", words);
        throw new InstallFailed(error, false, Math.min(MAX_WAIT_MS, leftMs));
      }
      if (step !== "apply") await steps.advance("apply");
      signal.throwIfAborted();
      await updates.take(text);
    }
    this.#entries.hasBegun(id);
    if (step !== "clean") await steps.advance("clean");
    await dropLongNote(store, name);
  }

  #failed({ id }: Intent, error: AgentError): InstallFailed {
    const failed =
      error instanceof InstallFailed ? error : new InstallFailed(error, !canPass(error));
    const { log } = this.#ports;
    const reason = error.message;
    if (failed.permanent) log.emit("trust.update.refused", { source: id, reason });
    else if (this.#waits !== reason) log.emit("trust.update.waits", { id, reason });
    this.#waits = reason;
    return failed;
  }
}

function textOf(chain: readonly SignedTrustUpdate[]): string {
  return chain.map(formatTrustUpdate).join("\n");
}

function refusal(words: string, cause: string): AgentError {
  return new AgentError("ERR_TRUST_UPDATE", words, { fields: { cause } });
}

/**
 * What the validator has against the device under the new bundle concerns its certificate, which is renewed;
 * and an empty store may be filled. What the update is refused for stays.
 */
function canPass({ code }: AgentError): boolean {
  const passing = ["ERR_CERT_REFUSED", "ERR_CERT_SUPERSEDED", "ERR_IDENTITY_NONE"];
  return passing.includes(code) || ERRORS[code].retry;
}
