/**
 * When revocation data are fetched: whenever a list by URL or our own staple is due, all that are due in one
 * round, by leave of the budget of all outgoing work.
 *
 * With a rotation queue a round is one intent `revocation-N`: that it waits, how often it failed and when
 * it is tried again outlives a restart, and so does when the last one was done, so that a device that is
 * switched on and off asks nobody anew. Its step says what is left: `begin` everything, `staple` all lists
 * are in. To spare the flash, rounds that follow each other within minutes are written down only when they
 * fail. Without a queue the pauses are kept in memory.
 */
import { type AgentError, errorText, isAgentError, stackText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { refusalCause, refuse } from "../identity/revocation/refusal.ts";
import { ATTEMPT_POLICY, type AttemptBudget, pauseAfter } from "../queue/attempt-budget.ts";
import type { FailureTraits, IntentHandler } from "../queue/handlers.ts";
import { hasEnded, type Intent } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import type { CrlFailure, CrlSources } from "../transport/crl-sources.ts";
import type { FetchFailure } from "../transport/http-fetch.ts";
import type { OcspStaple } from "../transport/ocsp-staple.ts";

export interface RevocationRoundsParts {
  readonly lists: Pick<CrlSources, "urlsDueInMs" | "askDue">;
  readonly staple: Pick<OcspStaple, "dueInMs" | "ask">;
  readonly budget: AttemptBudget;
  /** `undefined` without a certificate store. */
  readonly queue: IntentQueue | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const KIND = "revocation";
/** All lists are in. */
const STAPLE_STEP = "staple";
/** Rounds nearer together than this leave no trace in the queue unless they fail; milliseconds. */
const RECORD_MS = 10 * 60_000;

export class RevocationRounds implements AsyncDisposable {
  readonly #parts: RevocationRoundsParts;
  readonly #stop = new AbortController();
  #started = false;
  #timer: Timer | undefined;
  #unlisten: () => void = () => undefined;
  /** A round that the queue knows nothing of, or the wish for one that is being written. */
  #own: Promise<void> | undefined;
  /** Somebody wants a round now. */
  #asked = false;
  #failures = 0;
  /** Monotonic ms. */
  #restUntil = 0;
  /** When a round was written down last; monotonic ms, maybe before the start. */
  #recordedAt: number | undefined;
  /** The highest number given, in case it was dropped from the queue. */
  #given = 0;

  constructor(parts: RevocationRoundsParts) {
    this.#parts = parts;
  }

  /** For the queue's worker. */
  readonly handler: IntentHandler = async (intent, steps, signal) => {
    this.#recordedAt = this.#parts.clock.monotonicMs();
    await this.#ask(signal, async () => {
      if (intent.step !== STAPLE_STEP) await steps.advance(STAPLE_STEP);
    });
  };

  /**
   * How long ago every list was asked for the last time, as the queue knows it; `undefined` when it does
   * not. A clock that went back counts as no time. Milliseconds.
   */
  askedAgoMs(): number | undefined {
    const rounds = this.#rounds();
    // The attempt that succeeded began before the one that would have followed it.
    const moments = rounds.map(({ state, step, createdAt, nextAttemptAt }) => {
      if (state === "done") return Math.max(createdAt, nextAttemptAt);
      // Its lists are in, for else it would not have come so far.
      return !hasEnded({ state }) && step === STAPLE_STEP ? createdAt : undefined;
    });
    const known = moments.filter((at) => at !== undefined);
    if (known.length === 0) return undefined;
    return Math.max(0, this.#parts.clock.now() - Math.max(...known));
  }

  /** From now on, until it is disposed of. */
  start(): void {
    const { queue, clock } = this.#parts;
    this.#started = true;
    const agoMs = this.askedAgoMs();
    if (agoMs !== undefined) this.#recordedAt = clock.monotonicMs() - agoMs;
    const end = queue?.onChange(({ intent, what }) => {
      if (intent.kind !== KIND || (what !== "ended" && what !== "dropped")) return;
      this.#schedule();
    });
    this.#unlisten = end ?? this.#unlisten;
    this.#schedule();
  }

  /** What is due has changed. @param asked Somebody wants it now, whatever the pauses. */
  due(asked: boolean): void {
    if (asked) this.#asked = true;
    this.#schedule();
  }

  /** There is a network again. */
  networkIsBack(): void {
    this.#restUntil = 0;
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the agent is stopping"));
    this.#unlisten();
    this.#timer?.cancel();
    await this.#own;
  }

  #rounds(): readonly Intent[] {
    return this.#parts.queue?.list().filter(({ kind }) => kind === KIND) ?? [];
  }

  #dueInMs(): number | undefined {
    const { lists, staple } = this.#parts;
    const due = [lists.urlsDueInMs(), staple.dueInMs()].filter((ms) => ms !== undefined);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (!this.#started || this.#stop.signal.aborted || this.#own !== undefined) return;
    const open = this.#rounds().find((intent) => !hasEnded(intent));
    if (open !== undefined) {
      if (this.#asked) this.#turn(() => this.#hurry(open));
      return;
    }
    const dueInMs = this.#dueInMs();
    if (dueInMs === undefined) return;
    const { clock, budget } = this.#parts;
    const restMs = this.#asked ? 0 : this.#restUntil - clock.monotonicMs();
    const recorded = !this.#asked && this.#isRecorded();
    const leaveMs = recorded || this.#asked ? 0 : budget.waitMs("other");
    const waitMs = Math.max(this.#asked ? 0 : dueInMs, restMs, leaveMs);
    if (waitMs > 0) {
      this.#timer = clock.setTimer(Math.min(MAX_TIMER_MS, Math.ceil(waitMs)), () =>
        this.#schedule(),
      );
    } else this.#turn(recorded ? () => this.#wish() : () => this.#round());
  }

  /** Whether a round that begins now is the queue's. */
  #isRecorded(): boolean {
    const { queue, clock } = this.#parts;
    if (queue === undefined) return false;
    return this.#recordedAt === undefined || clock.monotonicMs() - this.#recordedAt >= RECORD_MS;
  }

  /** One thing at a time; what is due then is looked at again. */
  #turn(run: () => Promise<void>): void {
    this.#asked = false;
    this.#own = run().finally(() => {
      this.#own = undefined;
      this.#schedule();
    });
  }

  /** Somebody asks for a round that waits in a pause. */
  async #hurry({ id, state }: Intent): Promise<void> {
    if (state !== "waiting") return;
    try {
      await this.#parts.queue?.retry(id);
    } catch (error) {
      this.#unwritten(id, error);
    }
  }

  /** Puts a round into the queue. @param notBeforeAt Unix ms. */
  async #wish(notBeforeAt?: number): Promise<void> {
    const { queue, clock } = this.#parts;
    const numbers = this.#rounds().map(({ generation }) => generation);
    const generation = Math.max(this.#given, ...numbers) + 1;
    this.#recordedAt = clock.monotonicMs();
    try {
      await queue?.add({ kind: KIND, generation, notBeforeAt });
      this.#given = generation;
    } catch (error) {
      // A disk that fails is no reason to know less: the round is made from memory.
      this.#unwritten(`${KIND}-${generation}`, error);
    }
  }

  /** A round that the queue knows nothing of. Never rejects. */
  async #round(): Promise<void> {
    const { budget, clock, random, queue } = this.#parts;
    const attempt = budget.take("other", true);
    // For want of a token, of which the last ones are for renewal.
    if (attempt === undefined) {
      this.#restUntil = clock.monotonicMs() + Math.max(1, budget.waitMs("other"));
      return;
    }
    try {
      await this.#ask(this.#stop.signal, async () => undefined);
      attempt.succeeded();
      this.#failures = 0;
      this.#restUntil = 0;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // As the queue's worker does: nobody else hears of it.
      if (!isAgentError(error)) {
        this.#parts.log.emit("queue.handler.failed", { id: KIND, stack: stackText(error) });
      }
      const { apart, retryAfterMs } = error as FailureTraits;
      if (apart !== true) attempt.failed(retryAfterMs);
      this.#failures += 1;
      const draw = random.draw();
      const pauseMs = pauseAfter(ATTEMPT_POLICY, this.#failures, draw, retryAfterMs);
      this.#restUntil = clock.monotonicMs() + pauseMs;
      if (queue !== undefined) await this.#wish(clock.now() + pauseMs);
    }
  }

  /**
   * Asks for all that is due.
   *
   * @param listsAreIn Called when no list is left and the staple is next.
   * @throws AgentError with {@link FailureTraits} when anything gave nothing.
   */
  async #ask(signal: AbortSignal, listsAreIn: () => Promise<void>): Promise<void> {
    const { lists, staple } = this.#parts;
    const { asked, failures } = await lists.askDue(signal);
    signal.throwIfAborted();
    let stapleFault: string | undefined;
    if (staple.dueInMs() === 0) {
      if (failures.length === 0) await listsAreIn();
      stapleFault = await staple.ask();
      signal.throwIfAborted();
    }
    if (failures.length === 0 && stapleFault === undefined) return;
    // Somebody answered: there is a network, and no other work has to wait for our sake.
    const apart = failures.length < asked || failures.some(({ error }) => wasAnswered(error));
    throw failed(failures, stapleFault, apart);
  }

  #unwritten(id: string, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#parts.log.emit("queue.outcome.unwritten", { id, reason: errorText(error) });
  }
}

function wasAnswered(error: unknown): boolean {
  return refusalCause(error) !== "fetch" || (error as FetchFailure).answered === true;
}

/** One error for the round: what it says is what `queue list` shows. */
function failed(
  failures: readonly CrlFailure[],
  stapleFault: string | undefined,
  apart: boolean,
): AgentError {
  const words = failures.map(({ source, error }) => `${source}: ${errorText(error)}`);
  if (stapleFault !== undefined) words.push(stapleFault);
  const [first = "", ...more] = words;
  const error = refuse("fetch", more.length > 0 ? `${first}; and ${more.length} more` : first);
  // The one that may be asked first decides; the responder asks for no pause.
  const rests = stapleFault === undefined ? failures.map(({ restMs }) => restMs) : [];
  const retryAfterMs = rests.length === 0 ? 0 : Math.min(...rests);
  return Object.assign(error, { apart, retryAfterMs } satisfies FailureTraits);
}
