/**
 * What a change of the queue comes to: which entries appear, change and leave. Pure; whoever asked
 * writes it down first and applies it then.
 *
 * What is dropped when the queue is full: the oldest report that is not being worked on, and nothing
 * else. What the identity hangs on (`RESERVED_KINDS`) has places that nothing else can take.
 */
import { AgentError } from "../base/errors.ts";
import {
  assertStep,
  hasEnded,
  type Intent,
  intentId,
  type NewIntent,
  parseObject,
  RESERVED_KINDS,
  type StoreObject,
} from "./intent.ts";
import type { QueueChange } from "./queue-state.ts";

export interface QueueLimits {
  /** Intents that wait or run. */
  readonly maxIntents: number;
  /** Of these, how many only {@link RESERVED_KINDS} may take. */
  readonly reserved: number;
}

/**
 * Of every kind but reports there is one at a time, so in truth this bounds reports: at most 56. All
 * of them together are less than a snapshot may hold.
 */
export const QUEUE_LIMITS: QueueLimits = { maxIntents: 64, reserved: 8 };

type Intents = ReadonlyMap<string, Intent>;

export interface AddPlan {
  readonly intent: Intent;
  /** `undefined`: it is there already, or a newer one is. */
  readonly change: QueueChange | undefined;
  readonly superseded: readonly Intent[];
  readonly displaced: Intent | undefined;
}

/** @throws AgentError `ERR_QUEUE_FULL`, `ERR_QUEUE_CONTENT`. */
export function planAdd(
  intents: Intents,
  epoch: string,
  wish: NewIntent,
  nowMs: number,
  limits: QueueLimits,
): AddPlan {
  const { kind, generation, object, notBeforeAt = nowMs } = wish;
  if (!Number.isSafeInteger(generation) || generation < 1) {
    throw new AgentError("ERR_QUEUE_CONTENT", `${kind}: a generation is a whole number from 1`);
  }
  if (object !== undefined) parseObject(object);
  const none = { change: undefined, superseded: [], displaced: undefined };
  const found = intents.get(intentId(kind, generation));
  if (found !== undefined) return { ...none, intent: found };
  const intent: Intent = {
    ...{ id: intentId(kind, generation), kind, epoch, generation, object },
    ...{ state: "waiting", step: undefined, attempts: 0, lastError: undefined },
    ...{ nextAttemptAt: Math.round(notBeforeAt), createdAt: Math.round(nowMs) },
  };
  const same = [...intents.values()].filter((each) => each.kind === kind);
  const late = same.some((each) => each.generation > generation);
  if (late) return { ...none, intent: { ...intent, state: "superseded" } };
  const superseded = kind === "report" ? [] : same.filter((each) => !hasEnded(each)).map(supersede);
  const displaced = displacedBy(intents, intent, superseded.length, limits);
  const change = {
    put: [...superseded, intent],
    remove: displaced === undefined ? [] : [displaced.id],
  };
  return { intent, change: tidied(intents, change), superseded, displaced };
}

function supersede(intent: Intent): Intent {
  return { ...intent, state: "superseded" };
}

/** @throws AgentError `ERR_QUEUE_FULL`. */
function displacedBy(
  intents: Intents,
  intent: Intent,
  leaving: number,
  { maxIntents, reserved }: QueueLimits,
): Intent | undefined {
  const live = [...intents.values()].filter((each) => !hasEnded(each));
  const isReserved = RESERVED_KINDS.includes(intent.kind);
  const others = live.filter((each) => !RESERVED_KINDS.includes(each.kind)).length;
  const fits =
    live.length - leaving < maxIntents && (isReserved || others - leaving < maxIntents - reserved);
  if (fits) return undefined;
  const oldest = live.find((each) => each.kind === "report" && each.state === "waiting");
  if (oldest !== undefined) return oldest;
  throw new AgentError(
    "ERR_QUEUE_FULL",
    `${intent.id}: ${live.length} intents wait, and none of them is a report that could give way`,
  );
}

/** Ends an intent, or changes it. @throws AgentError `ERR_QUEUE_UNKNOWN`, `ERR_QUEUE_SEQUENCE`. */
export function planUpdate(
  intents: Intents,
  id: string,
  update: (intent: Intent) => Intent,
): { readonly intent: Intent; readonly change: QueueChange } {
  const found = liveOne(intents, id);
  const intent = update(found);
  return { intent, change: tidied(intents, { put: [intent] }) };
}

export function existing(intents: Intents, id: string): Intent {
  const found = intents.get(id);
  if (found !== undefined) return found;
  // What was asked for may be anything, and long.
  throw new AgentError("ERR_QUEUE_UNKNOWN", `there is no ${JSON.stringify(id.slice(0, 40))}`);
}

function liveOne(intents: Intents, id: string): Intent {
  const found = existing(intents, id);
  if (!hasEnded(found)) return found;
  throw new AgentError("ERR_QUEUE_SEQUENCE", `${id} has ended: ${found.state}`);
}

export function begun(intent: Intent, step: string, nextAttemptAt: number): Intent {
  assertStep(step);
  return { ...intent, state: "running", step, attempts: intent.attempts + 1, nextAttemptAt };
}

/** @throws AgentError `ERR_QUEUE_SEQUENCE` when no attempt is under way. */
export function advanced(intent: Intent, step: string, object: StoreObject | undefined): Intent {
  assertStep(step);
  if (object !== undefined) parseObject(object);
  if (intent.state !== "running") {
    throw new AgentError("ERR_QUEUE_SEQUENCE", `${intent.id}: no attempt is under way`);
  }
  return { ...intent, step, object: object ?? intent.object };
}

/** Anew, with nothing held against it. @throws AgentError `ERR_QUEUE_SEQUENCE` when there is nothing to try again. */
export function retried(intent: Intent, nowMs: number): Intent {
  if (intent.state === "done" || intent.state === "superseded") {
    throw new AgentError("ERR_QUEUE_SEQUENCE", `${intent.id} has ended: ${intent.state}`);
  }
  const nextAttemptAt = Math.round(nowMs);
  if (intent.state === "running") return { ...intent, nextAttemptAt };
  return { ...intent, state: "waiting", attempts: 0, nextAttemptAt };
}

/** Of each kind the newest that has ended is kept: it tells what became of it, and that it was. */
function tidied(intents: Intents, change: QueueChange): QueueChange {
  const after = new Map(intents);
  for (const intent of change.put ?? []) after.set(intent.id, intent);
  const ended = [...after.values()].filter(hasEnded);
  const newest = (intent: Intent): boolean =>
    !ended.some((other) => other.kind === intent.kind && other.generation > intent.generation);
  const superfluous = ended.filter((intent) => !newest(intent)).map(({ id }) => id);
  if (superfluous.length === 0) return change;
  return {
    put: (change.put ?? []).filter(({ id }) => !superfluous.includes(id)),
    remove: [...(change.remove ?? []), ...superfluous],
  };
}
