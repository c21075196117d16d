/**
 * Works the rotation queue off: whatever is due and has a handler, one intent of a kind at a time,
 * what the identity hangs on first, each attempt by leave of the attempt budget but those for which
 * nobody is called.
 *
 * It looks when something is added or retried, when a pause is over, and once a minute while anything
 * waits: a clock that is set is noticed by then. An empty queue costs nothing.
 */
import { AgentError, errorText, isAgentError, stackText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import type { Attempt, AttemptBudget, Work } from "./attempt-budget.ts";
import type {
  FailureTraits,
  Hold,
  IntentHandler,
  IntentHandlers,
  IntentSteps,
} from "./handlers.ts";
import { hasEnded, type Intent, type IntentKind, LOCAL_KINDS, RESERVED_KINDS } from "./intent.ts";
import type { IntentChange, IntentQueue } from "./intent-queue.ts";
import { leftMs } from "./saved-attempts.ts";
import { withoutSecrets } from "./secret-words.ts";

export interface QueueWorkerOptions {
  readonly queue: IntentQueue;
  readonly budget: AttemptBudget;
  readonly handlers: IntentHandlers;
  readonly clock: Clock;
  readonly log: Logger;
  /** After so long an attempt is told to stop; default 10 minutes, one hour at most. */
  readonly attemptMs?: number;
}

export interface WorkerCounters {
  readonly attempts: number;
  readonly succeeded: number;
  readonly failed: number;
}

const LOOK_MS = 60_000;
const ATTEMPT_MS = 10 * 60_000;
/** Handlers that don't stop when they are told to hold the agent's end up no longer than this. */
const STOP_MS = 10_000;
const MAX_STACK_CHARACTERS = 2_000;
/** What an intent is said to do before its handler has said anything. */
export const FIRST_STEP = "begin";

interface Running {
  readonly id: string;
  readonly control: AbortController;
}

export class QueueWorker implements AsyncDisposable {
  readonly #options: QueueWorkerOptions;
  readonly #running = new Map<IntentKind, Running>();
  readonly #work = new Set<Promise<void>>();
  /** Ids that somebody has asked for: they don't wait for the back-off. */
  readonly #urgent = new Set<string>();
  /** Ids whose own pause is over before its time. */
  readonly #early = new Set<string>();
  readonly #counters = { attempts: 0, succeeded: 0, failed: 0 };
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;
  #stopping = false;

  constructor(options: QueueWorkerOptions) {
    this.#options = options;
  }

  get counters(): WorkerCounters {
    return { ...this.#counters };
  }

  start(): void {
    this.#unlisten ??= this.#options.queue.onChange((change) => this.#changed(change));
    this.wake();
  }

  /** Looks now: after a jump of the clock, say, or when there is a network again. */
  wake(): void {
    if (this.#stopping || this.#unlisten === undefined) return;
    this.#timer?.cancel();
    const { queue, clock } = this.#options;
    for (const intent of queue.due(clock.now())) this.#consider(intent);
    for (const id of this.#early) this.#considerEarly(id);
    const nextMs = this.#nextMs();
    if (nextMs === undefined) return;
    this.#timer = clock.setTimer(nextMs, () => this.wake());
  }

  /**
   * There is a network again: what waits in a pause is tried now, once each, but for what renews, whose
   * pauses are the authority's. Nothing is written down for it.
   */
  networkIsBack(): void {
    const { queue, budget } = this.#options;
    budget.comeBack();
    for (const intent of queue.list()) {
      if (intent.state === "waiting" && workOf(intent) === "other") this.#early.add(intent.id);
    }
    this.wake();
  }

  /** Why an intent that waits is not attempted when its pause is over; `undefined` when nothing is in its way. */
  hold(intent: Intent): Hold | undefined {
    const { budget, clock, handlers } = this.#options;
    const handler = handlers[intent.kind];
    if (handler === undefined) return { by: "no-handler", forMs: undefined };
    const shared = isLocal(intent) ? undefined : budget.hold(workOf(intent));
    const another: Hold | undefined = this.#running.has(intent.kind)
      ? { by: "another", forMs: undefined }
      : undefined;
    const ownMs = leftMs(intent.nextAttemptAt, clock.now());
    return [holdOf(handler, intent), another, shared].find(
      (hold) => hold !== undefined && (hold.forMs ?? Number.POSITIVE_INFINITY) > ownMs,
    );
  }

  /** Begins nothing more, tells what runs to stop, and waits for it; a later start resumes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#unlisten?.();
    this.#timer?.cancel();
    const reason = new AgentError("ERR_QUEUE_CLOSED", "the agent is stopping");
    for (const { control } of this.#running.values()) control.abort(reason);
    const late = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimer(STOP_MS, late.resolve);
    await Promise.race([Promise.all(this.#work), late.promise]);
    timer.cancel();
  }

  #changed({ what, intent }: IntentChange): void {
    const underWay = this.#running.get(intent.kind)?.id === intent.id;
    if (what === "retried" && !underWay) this.#urgent.add(intent.id);
    if (what === "ended" || what === "dropped") {
      this.#urgent.delete(intent.id);
      const running = this.#running.get(intent.kind);
      const words = `${intent.id} is ${what === "dropped" ? "dropped" : intent.state}`;
      if (running?.id === intent.id) {
        running.control.abort(new AgentError("ERR_QUEUE_SEQUENCE", words));
      }
    }
    this.wake();
  }

  #considerEarly(id: string): void {
    const intent = this.#options.queue.find(id);
    if (intent?.state === "waiting") this.#consider(intent);
    else this.#early.delete(id);
  }

  #consider(intent: Intent): void {
    const { handlers, budget } = this.#options;
    const handler = handlers[intent.kind];
    if (handler === undefined || this.#running.has(intent.kind)) return;
    const urgent = this.#urgent.has(intent.id);
    if (!urgent && holdOf(handler, intent) !== undefined) return;
    const attempt = isLocal(intent) ? FREE : budget.take(workOf(intent), urgent);
    if (attempt === undefined) return;
    this.#urgent.delete(intent.id);
    this.#early.delete(intent.id);
    const running = { id: intent.id, control: new AbortController() };
    this.#running.set(intent.kind, running);
    const work = this.#attempt(intent, handler, attempt, running.control).finally(() => {
      this.#running.delete(intent.kind);
      this.#work.delete(work);
      this.wake();
    });
    this.#work.add(work);
  }

  /** Never rejects. */
  async #attempt(
    { id, step = FIRST_STEP }: Intent,
    handler: IntentHandler,
    attempt: Attempt,
    control: AbortController,
  ): Promise<void> {
    const { queue, clock, attemptMs = ATTEMPT_MS } = this.#options;
    this.#counters.attempts += 1;
    const { signal } = control;
    const timer = clock.setTimer(Math.min(attemptMs, MAX_TIMER_MS), () => {
      const words = `${id}: no answer within ${attemptMs} ms`;
      control.abort(new AgentError("ERR_QUEUE_ATTEMPT_TIMEOUT", words));
    });
    const steps: IntentSteps = {
      advance: async (next, object) => {
        signal.throwIfAborted();
        return queue.advance(id, next, object);
      },
    };
    try {
      const intent = await queue.begin(id, step);
      signal.throwIfAborted();
      await handler(intent, steps, signal);
    } catch (error) {
      this.#counters.failed += 1;
      this.#tellBug(id, error, signal);
      await this.#failed(id, attempt, error, signal);
      return;
    } finally {
      timer.cancel();
    }
    this.#counters.succeeded += 1;
    attempt.succeeded();
    await this.#record(id, () => queue.finish(id));
  }

  /** What is no error of ours has only its name kept with the intent. */
  #tellBug(id: string, error: unknown, signal: AbortSignal): void {
    if (isAgentError(error) || signal.aborted) return;
    // Places in the program are no secrets; what a bug has to say may be one.
    const [words = "", ...places] = stackText(error).split(/(?=\n {4}at )/);
    const stack = `${withoutSecrets(words)}${places.join("")}`.slice(0, MAX_STACK_CHARACTERS);
    this.#options.log.emit("queue.handler.failed", { id, stack });
  }

  async #failed(id: string, attempt: Attempt, error: unknown, signal: AbortSignal): Promise<void> {
    const { queue } = this.#options;
    const { retryAfterMs, permanent, apart } = traitsOf(error);
    const ended = queue.find(id);
    // Superseded or dropped: nobody failed. Stopping: the next start goes on from the step.
    if (ended === undefined || hasEnded(ended) || isStop(signal)) return;
    if (apart !== true) attempt.failed(retryAfterMs);
    await this.#record(id, () =>
      permanent === true ? queue.giveUp(id, error) : queue.fail(id, error, retryAfterMs),
    );
  }

  /**
   * Writes the outcome down; when the disk refuses it, once more, for by then the queue goes on from
   * memory: an attempt that was made is not made again while this process lives.
   */
  async #record(id: string, write: () => Promise<Intent>): Promise<void> {
    const { log } = this.#options;
    for (let tries = 1; tries <= 2; tries++) {
      try {
        await write();
        return;
      } catch (error) {
        const ended = isAgentError(error, "ERR_QUEUE_SEQUENCE");
        // It ended in the same moment by another hand, which has told so.
        if (ended || isAgentError(error, "ERR_QUEUE_UNKNOWN")) return;
        log.emit("queue.outcome.unwritten", { id, reason: errorText(error) });
      }
    }
  }

  /** Milliseconds until the next look; `undefined` when nothing waits for time to pass. */
  #nextMs(): number | undefined {
    const { queue, budget, clock, handlers } = this.#options;
    const nowMs = clock.now();
    const waits = queue
      .list()
      .filter((intent) => !hasEnded(intent) && handlers[intent.kind] !== undefined)
      .filter(({ kind }) => !this.#running.has(kind))
      .map((intent) => {
        const ownMs = this.#early.has(intent.id) ? 0 : leftMs(intent.nextAttemptAt, nowMs);
        const held = ownMs === 0 ? holdOf(handlers[intent.kind], intent) : undefined;
        if (held !== undefined) return held.forMs ?? LOOK_MS;
        return Math.max(ownMs, isLocal(intent) ? 0 : budget.waitMs(workOf(intent)), 1);
      });
    return waits.length === 0 ? undefined : Math.min(LOOK_MS, ...waits);
  }
}

function holdOf(handler: IntentHandler | undefined, intent: Intent): Hold | undefined {
  const held = handler?.holds?.(intent);
  return held === true ? { by: "early", forMs: undefined } : held || undefined;
}

/** Of work for which nobody is called: its failures hold nothing else up. */
const FREE: Attempt = { succeeded: () => undefined, failed: () => 0 };

function isLocal({ kind }: Intent): boolean {
  return LOCAL_KINDS.includes(kind);
}

function workOf({ kind }: Intent): Work {
  return RESERVED_KINDS.includes(kind) ? "renewal" : "other";
}

function isStop(signal: AbortSignal): boolean {
  return signal.aborted && isAgentError(signal.reason, "ERR_QUEUE_CLOSED");
}

/** Anything may be thrown, so nothing is taken for granted. */
function traitsOf(error: unknown): FailureTraits {
  if (typeof error !== "object" || error === null) return {};
  const fields = isAgentError(error) ? error.fields : {};
  const found = (name: string): unknown => Reflect.get(error, name) ?? fields[name];
  const [retryAfterMs, permanent] = [found("retryAfterMs"), found("permanent")];
  return {
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined,
    permanent: permanent === true,
    apart: found("apart") === true,
  };
}
