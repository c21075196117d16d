/**
 * The state record: which generation is in force, which one before, which one next, and what became
 * of each. It fits one slot whatever happens, so that writing it never needs space. Pure.
 */
import * as v from "valibot";
import { AgentError } from "../../base/errors.ts";
import { openChecked, sealChecked } from "./checked-file.ts";
import type { GenerationMark, MarkReason } from "./generation.ts";
import { numberOf, type ReadOutcome } from "./generation-file.ts";

export interface StateRecord {
  /** Rises with every write; the higher of two slots counts. */
  readonly sequence: number;
  readonly epoch: string;
  /** A reset has begun and is finished before anything else. */
  readonly resetting: boolean;
  /** The highest number ever given in this epoch. */
  readonly lastNumber: number;
  readonly current: string | undefined;
  readonly previous: string | undefined;
  readonly next: string | undefined;
  /** By id of the generation. */
  readonly marks: Readonly<Record<string, Mark>>;
}

export interface Mark {
  readonly mark: GenerationMark;
  readonly reasons: readonly MarkReason[];
}

/** The version that is written, and how a payload of each older one becomes one of the next. */
export interface StateFormat {
  readonly version: number;
  /** By the version that it starts from. */
  readonly upgrades: Readonly<Record<number, (payload: unknown) => unknown>>;
}

export const STATE_FORMAT: StateFormat = { version: 1, upgrades: {} };

/** Bytes that each of the two slots has on disk from the beginning. */
export const SLOT_BYTES = 32 * 1024;
const PAGE = 4096;

/** Generations marked bad that are kept for their reasons. */
export const MAX_BAD = 3;
const MAX_REASONS = 8;
const MAX_WORDS = 200;
const MAX_CODE = 60;

const KIND = "state";
const ID = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}-[1-9]\d{0,15}$/));
const NATURAL = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const shape = v.object({
  sequence: NATURAL,
  epoch: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  resetting: v.boolean(),
  lastNumber: NATURAL,
  current: v.nullable(ID),
  previous: v.nullable(ID),
  next: v.nullable(ID),
  marks: v.record(
    ID,
    v.object({
      mark: v.picklist(["staged", "unproven", "trialled", "bad"]),
      reasons: v.array(v.object({ code: v.string(), words: v.string() })),
    }),
  ),
});

export function emptyRecord(epoch: string): StateRecord {
  const none = { current: undefined, previous: undefined, next: undefined };
  return { sequence: 0, epoch, resetting: false, lastNumber: 0, ...none, marks: {} };
}

/** Whole pages, so that nothing of an older record is read back by the device to fill one up. */
export function encodeState(record: StateRecord, format: StateFormat): Uint8Array {
  const { current = null, previous = null, next = null } = record;
  const payload = JSON.stringify({ ...record, current, previous, next });
  const sealed = sealChecked(KIND, format.version, new TextEncoder().encode(payload));
  if (sealed.length > SLOT_BYTES) {
    throw new AgentError("ERR_STORE_CONTENT", `state record of ${sealed.length} bytes`);
  }
  const padded = new Uint8Array(Math.ceil(sealed.length / PAGE) * PAGE);
  padded.set(sealed);
  return padded;
}

export interface ReadState {
  readonly record: StateRecord;
  /** Of an older format than the one that is written. */
  readonly old: boolean;
}

export function decodeState(bytes: Uint8Array, format: StateFormat): ReadOutcome<ReadState> {
  const opened = openChecked(KIND, bytes);
  if (opened === undefined) return { kind: "damaged" };
  const { version } = opened;
  if (version > format.version) return { kind: "newer", version };
  try {
    let payload: unknown = JSON.parse(new TextDecoder().decode(opened.payload));
    for (let from = version; from < format.version; from++) {
      payload = format.upgrades[from]?.(payload);
    }
    const parsed = v.safeParse(shape, payload);
    if (!parsed.success) return { kind: "damaged" };
    const { current, previous, next, ...rest } = parsed.output;
    const roles = {
      current: current ?? undefined,
      previous: previous ?? undefined,
      next: next ?? undefined,
    };
    return {
      kind: "whole",
      value: { record: { ...rest, ...roles }, old: version < format.version },
    };
  } catch {
    return { kind: "damaged" };
  }
}

/** The generations that stay on flash: the three roles, and the newest few that are bad. */
export function keptIds({ current, previous, next, marks }: StateRecord): readonly string[] {
  const roles = [current, previous, next].filter((id) => id !== undefined);
  const bad = Object.keys(marks).filter((id) => marks[id]?.mark === "bad" && !roles.includes(id));
  return [...roles, ...bad.sort((a, b) => numberOf(b) - numberOf(a)).slice(0, MAX_BAD)];
}

/** The record without the marks of what is not kept. */
export function trimmed(record: StateRecord): StateRecord {
  const marks = keptIds(record).flatMap((id) => {
    const mark = record.marks[id];
    return mark === undefined ? [] : [[id, mark] as const];
  });
  return { ...record, marks: Object.fromEntries(marks) };
}

/** Reasons cut to what a slot has room for; what was left out is said. */
export function boundedReasons(reasons: readonly MarkReason[]): readonly MarkReason[] {
  const cut = (text: string, length: number): string => {
    // Plain letters, so that a character is a byte and nothing grows when it is escaped.
    const plain = text.replaceAll(/[^ -~]/g, "?").replaceAll(/["\\]/g, "'");
    return plain.length > length ? `${plain.slice(0, length - 3)}...` : plain;
  };
  const kept = reasons.length > MAX_REASONS ? reasons.slice(0, MAX_REASONS - 1) : reasons;
  const bounded = kept.map(({ code, words }) => ({
    code: cut(code, MAX_CODE),
    words: cut(words, MAX_WORDS),
  }));
  const left = reasons.length - kept.length;
  return left === 0 ? bounded : [...bounded, { code: "more", words: `and ${left} more reasons` }];
}

/** Whether two marks say the same, so that writing one over the other would be for nothing. */
export function sameMark(one: Mark | undefined, other: Mark): boolean {
  return one !== undefined && JSON.stringify(one) === JSON.stringify(other);
}
