/**
 * What the rotation queue holds, and how it is written: a snapshot of everything, and changes to it. Pure.
 */
import * as v from "valibot";
import { INTENT_KINDS, type Intent, parseObject } from "./intent.ts";
import type { SavedAttempts } from "./saved-attempts.ts";

export interface QueueState {
  /** As certificates call this device; `undefined` while it has no name. */
  readonly device: string | undefined;
  readonly epoch: string;
  readonly intents: ReadonlyMap<string, Intent>;
  /** Of the attempt budget, as of the last change. */
  readonly attempts: SavedAttempts | undefined;
}

export interface QueueChange {
  readonly put?: readonly Intent[];
  /** Ids. */
  readonly remove?: readonly string[];
  readonly attempts?: SavedAttempts | undefined;
}

/** Changed in any way that a reader of version 1 could not bear, this rises. */
export const QUEUE_FORMAT = { kind: "queue", version: 1 };

const time = v.pipe(v.number(), v.safeInteger());
const count = v.pipe(time, v.minValue(0));
const intentShape = v.object({
  id: v.string(),
  kind: v.picklist(INTENT_KINDS),
  epoch: v.string(),
  generation: count,
  state: v.picklist(["waiting", "running", "done", "failed", "superseded"]),
  step: v.optional(v.string()),
  attempts: count,
  nextAttemptAt: time,
  lastError: v.optional(v.string()),
  createdAt: time,
  object: v.optional(v.pipe(v.string(), v.transform(parseObject))),
});
const laneShape = v.object({ failures: count, notBeforeAt: time });
const attemptsShape = v.object({ renewal: laneShape, other: laneShape });
const snapshotShape = v.object({
  device: v.optional(v.string()),
  epoch: v.string(),
  intents: v.array(intentShape),
  attempts: v.optional(attemptsShape),
});
const changeShape = v.object({
  put: v.optional(v.array(intentShape)),
  remove: v.optional(v.array(v.string())),
  attempts: v.optional(attemptsShape),
});

export function applyChange(state: QueueState, change: QueueChange): QueueState {
  const intents = new Map(state.intents);
  for (const id of change.remove ?? []) intents.delete(id);
  for (const intent of change.put ?? []) intents.set(intent.id, intent);
  return { ...state, intents, attempts: change.attempts ?? state.attempts };
}

export function encodeSnapshot(state: QueueState): Uint8Array {
  return encode({ ...state, intents: [...state.intents.values()] });
}

export function encodeChange(change: QueueChange): Uint8Array {
  return encode(change);
}

/** @throws Error when it was not written by {@link encodeSnapshot}. */
export function decodeSnapshot(bytes: Uint8Array): QueueState {
  const { device, epoch, intents, attempts } = v.parse(snapshotShape, parse(bytes));
  const entries = intents.map((each) => [each.id, whole(each)] as const);
  return { device, epoch, intents: new Map(entries), attempts };
}

/** @throws Error when it was not written by {@link encodeChange}. */
export function decodeChange(bytes: Uint8Array): QueueChange {
  const { put = [], remove = [], attempts } = v.parse(changeShape, parse(bytes));
  return { put: put.map(whole), remove, attempts };
}

function whole(found: v.InferOutput<typeof intentShape>): Intent {
  const { step, lastError, object } = found;
  return { ...found, step, lastError, object };
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}
