/**
 * The rotation queue on a durable log: each change is one record, written before it counts. Use
 * `openIntentQueue`.
 */
import { AgentError, errorText } from "../base/errors.ts";
import type { LogEvent, Logger } from "../base/log.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { ATTEMPT_POLICY, pauseAfter } from "./attempt-budget.ts";
import type { DurableLog } from "./durable-log.ts";
import {
  hasEnded,
  type Intent,
  type NewIntent,
  RESERVED_KINDS,
  type StoreObject,
} from "./intent.ts";
import {
  advanced,
  begun,
  existing,
  planAdd,
  planUpdate,
  type QueueLimits,
  retried,
} from "./intent-plan.ts";
import type { IntentChange, IntentQueue, QueueHealth, QueueWear } from "./intent-queue.ts";
import { keptError } from "./kept-error.ts";
import {
  applyChange,
  encodeChange,
  encodeSnapshot,
  type QueueChange,
  type QueueState,
} from "./queue-state.ts";
import { leftMs, type SavedAttempts } from "./saved-attempts.ts";

export interface QueueParts {
  /** `undefined`: there is no place to write to, see {@link QueueParts.fault}. */
  readonly log: DurableLog | undefined;
  readonly state: QueueState;
  readonly healed: readonly string[];
  /** Why nothing can be written, from the beginning. */
  readonly fault: AgentError | undefined;
  /** `refuse`: a change that is not durable is none; for commands, which end before the disk recovers. */
  readonly withoutDisk: "memory" | "refuse";
  readonly limits: QueueLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Logger;
}

/** Between two attempts to write again after a failure: a failing card is not hammered. Milliseconds. */
const RECOVER_MS = 60_000;
/** Changes that wait for a slow disk. */
const MAX_WAITING = 64;

export class DurableIntentQueue implements IntentQueue {
  readonly #parts: QueueParts;
  readonly #listeners = new Set<(change: IntentChange) => void>();
  #state: QueueState;
  #fault: AgentError | undefined;
  /** When the disk failed last; monotonic ms. */
  #failedAt = Number.NEGATIVE_INFINITY;
  #recovery: Timer | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #operations = 0;
  #closed = false;
  #attempts: () => SavedAttempts | undefined = () => undefined;

  /** Use `openIntentQueue`. */
  constructor(parts: QueueParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#fault = parts.fault;
  }

  get epoch(): string {
    return this.#state.epoch;
  }

  get health(): QueueHealth {
    const { healed } = this.#parts;
    return { durable: this.#fault === undefined, fault: this.#fault?.message, healed };
  }

  get wear(): QueueWear {
    const { bytesWritten, syncs } = this.#parts.log?.wear ?? { bytesWritten: 0, syncs: 0 };
    return { bytesWritten, syncs, operations: this.#operations };
  }

  /** Of the attempt budget, as a process before this one has left it. */
  get savedAttempts(): SavedAttempts | undefined {
    return this.#state.attempts;
  }

  /** From now on the state of the attempt budget goes with every change; it costs no write of its own. */
  keepAttempts(save: () => SavedAttempts): void {
    this.#attempts = save;
  }

  list(): readonly Intent[] {
    return [...this.#state.intents.values()];
  }

  find(id: string): Intent | undefined {
    return this.#state.intents.get(id);
  }

  due(nowMs: number): readonly Intent[] {
    const rank = ({ kind }: Intent): number => (RESERVED_KINDS.includes(kind) ? 0 : 1);
    return this.list()
      .filter((intent) => !hasEnded(intent) && leftMs(intent.nextAttemptAt, nowMs) === 0)
      .toSorted((a, b) => rank(a) - rank(b));
  }

  /** Writes everything once: makes the file, or takes what was read over into a new lap. */
  setOut(): Promise<void> {
    return this.#inTurn("opening", async () => {
      if (this.#fault !== undefined) return this.#failed(this.#fault);
      try {
        await this.#write(this.#state, undefined);
      } catch (error) {
        // It has been told, and it goes on from memory.
        if (!(error instanceof AgentError)) throw error;
      }
    });
  }

  add(wish: NewIntent): Promise<Intent> {
    return this.#inTurn(`add ${wish.kind}`, async () => {
      const { clock, limits, events } = this.#parts;
      const { intents, epoch } = this.#state;
      const plan = this.#planned(() => planAdd(intents, epoch, wish, clock.now(), limits));
      const { intent, change, superseded, displaced } = plan;
      if (change === undefined) return intent;
      await this.#commit(change);
      if (displaced !== undefined) {
        events.emit("queue.report.displaced", { id: displaced.id, by: intent.id });
        this.#tell("dropped", displaced);
      }
      for (const old of superseded) {
        events.emit("queue.intent.superseded", { id: old.id, by: intent.id });
        this.#tell("ended", old);
      }
      events.emit("queue.intent.added", { id: intent.id, object: intent.object });
      this.#tell("added", intent);
      return intent;
    });
  }

  begin(id: string, step: string): Promise<Intent> {
    return this.#update(id, "begun", "queue.intent.begun", (intent, nowMs) =>
      // Killed in this attempt, it waits as if it had failed: what kills the process must not do so in a loop.
      begun(intent, step, nowMs + this.#pauseMs(intent.attempts + 1)),
    );
  }

  advance(id: string, step: string, object?: StoreObject): Promise<Intent> {
    return this.#update(id, "advanced", undefined, (intent) => advanced(intent, step, object));
  }

  fail(id: string, error: unknown, retryAfterMs?: number): Promise<Intent> {
    return this.#update(id, "failed", "queue.intent.failed", (intent, nowMs) => ({
      ...intent,
      state: "waiting",
      lastError: keptError(error),
      nextAttemptAt: nowMs + this.#pauseMs(intent.attempts, retryAfterMs),
    }));
  }

  giveUp(id: string, error: unknown): Promise<Intent> {
    return this.#update(id, "ended", "queue.intent.abandoned", (intent) => ({
      ...intent,
      state: "failed",
      lastError: keptError(error),
    }));
  }

  finish(id: string): Promise<Intent> {
    return this.#update(id, "ended", "queue.intent.done", (intent) => ({
      ...intent,
      state: "done",
    }));
  }

  retry(id: string): Promise<Intent> {
    return this.#inTurn(`retry ${id}`, async () => {
      const intent = retried(existing(this.#state.intents, id), this.#parts.clock.now());
      await this.#commit({ put: [intent] });
      this.#parts.events.emit("queue.intent.retried", { id });
      this.#tell("retried", intent);
      return intent;
    });
  }

  drop(id: string): Promise<Intent> {
    return this.#inTurn(`drop ${id}`, async () => {
      const intent = existing(this.#state.intents, id);
      await this.#commit({ remove: [id] });
      this.#parts.events.emit("queue.intent.dropped", { id, state: intent.state });
      this.#tell("dropped", intent);
      return intent;
    });
  }

  onChange(listener: (change: IntentChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Waits for changes under way; what is in memory only is lost, as `health` has said all along. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#recovery?.cancel();
    await this.#last;
    this.#listeners.clear();
    await this.#parts.log?.[Symbol.asyncDispose]();
  }

  #update(
    id: string,
    what: IntentChange["what"],
    event: LogEvent | undefined,
    update: (intent: Intent, nowMs: number) => Intent,
  ): Promise<Intent> {
    return this.#inTurn(`${what} ${id}`, async () => {
      const nowMs = Math.round(this.#parts.clock.now());
      const plan = planUpdate(this.#state.intents, id, (intent) => update(intent, nowMs));
      const { intent, change } = plan;
      await this.#commit(change);
      if (event !== undefined) this.#parts.events.emit(event, fieldsOf(intent));
      this.#tell(what, intent);
      return intent;
    });
  }

  #pauseMs(attempts: number, retryAfterMs?: number): number {
    return pauseAfter(
      ATTEMPT_POLICY,
      Math.max(1, attempts),
      this.#parts.random.draw(),
      retryAfterMs,
    );
  }

  #planned<T>(plan: () => T): T {
    try {
      return plan();
    } catch (error) {
      if (error instanceof AgentError && error.code === "ERR_QUEUE_FULL") {
        this.#parts.events.emit("queue.full", { reason: error.message });
      }
      throw error;
    }
  }

  async #commit(change: QueueChange): Promise<void> {
    const whole = { ...change, attempts: this.#attempts() };
    const state = applyChange(this.#state, whole);
    await this.#write(state, encodeChange(whole));
    this.#state = state;
    this.#operations += 1;
  }

  /** Makes `state` durable: by `record` alone, or by a snapshot where the log asks for one. */
  async #write(state: QueueState, record: Uint8Array | undefined): Promise<void> {
    const { log, withoutDisk, clock } = this.#parts;
    const told = this.#fault;
    if (log === undefined || (told !== undefined && !this.#mayRecover())) {
      if (withoutDisk === "refuse" && told !== undefined) throw told;
      return;
    }
    try {
      // After a failure the record alone would leave out what has lived in memory since.
      const alone = record !== undefined && told === undefined && log.hasRoom(record.length);
      if (alone) await log.append(record);
      else await log.compact(encodeSnapshot(state));
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.#failedAt = clock.monotonicMs();
      this.#failed(error);
      // The one that met the fault is refused; those after it live in memory.
      if (told === undefined || withoutDisk === "refuse") throw error;
      return;
    }
    if (told === undefined) return;
    this.#fault = undefined;
    this.#recovery?.cancel();
    this.#parts.events.emit("queue.recovered", { path: log.path });
  }

  #mayRecover(): boolean {
    return this.#parts.clock.monotonicMs() - this.#failedAt >= RECOVER_MS;
  }

  #failed(fault: AgentError): void {
    const { clock, events, withoutDisk } = this.#parts;
    const isNews = this.#fault?.message !== fault.message || this.#recovery === undefined;
    this.#fault = fault;
    if (withoutDisk === "refuse") return;
    if (isNews) events.emit("queue.failed", { reason: fault.message });
    this.#recovery?.cancel();
    if (this.#closed || this.#parts.log === undefined) return;
    this.#recovery = clock.setTimer(RECOVER_MS, () => {
      const again = this.#inTurn("recovery", () => this.#write(this.#state, undefined));
      // Full of changes, each of which tries it as well; closed, there is nothing to do.
      again.catch((error: unknown) => {
        if (!this.#closed) events.emit("queue.failed", { reason: errorText(error) });
      });
    });
  }

  #tell(what: IntentChange["what"], intent: Intent): void {
    for (const listener of [...this.#listeners]) listener({ what, intent });
  }

  async #inTurn<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new AgentError("ERR_QUEUE_CLOSED", `${what}: the queue is closed`);
    if (this.#waiting >= MAX_WAITING) {
      const words = `${what}: ${this.#waiting} changes wait for the disk`;
      throw new AgentError("ERR_QUEUE_IO", words);
    }
    this.#waiting += 1;
    const turn = this.#last.then(run).finally(() => {
      this.#waiting -= 1;
    });
    // The next one runs whatever became of this one; who asked for this one gets its error.
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function fieldsOf({ id, step, attempts, state, lastError }: Intent) {
  return { id, step, attempts, reason: state === "running" ? undefined : lastError };
}
