/**
 * The steps that a store can take, from one state record to the next. Pure: what is written is
 * decided here, how it becomes durable elsewhere.
 */
import { AgentError } from "../../base/errors.ts";
import type { GenerationMark, MarkReason } from "./generation.ts";
import { numberOf } from "./generation-file.ts";
import { boundedReasons, keptIds, type Mark, type StateRecord, trimmed } from "./state-record.ts";

/** A new generation becomes `next`; a `next` that was there is given up without a mark. */
export function staged(record: StateRecord, id: string): StateRecord {
  const marks = { ...record.marks, [id]: { mark: "staged" as const, reasons: [] } };
  return trimmed({ ...record, next: id, lastNumber: numberOf(id), marks });
}

/** `next` goes in force. @throws AgentError `ERR_STORE_SEQUENCE`. */
export function committed(record: StateRecord): StateRecord {
  const { current, next } = record;
  if (next === undefined) throw outOfSequence("there is no next generation to put in force");
  return trimmed({ ...record, current: next, previous: current, next: undefined });
}

/** `previous` is in force again. @throws AgentError `ERR_STORE_SEQUENCE`. */
export function fellBack(record: StateRecord, reasons: readonly MarkReason[]): StateRecord {
  const { current, previous } = record;
  if (current === undefined || previous === undefined) {
    throw outOfSequence("there is no previous generation to fall back to");
  }
  const marks = { ...record.marks, [current]: bad(reasons) };
  return trimmed({ ...record, current: previous, previous: undefined, marks });
}

/** `next` is given up and kept for its reasons. @throws AgentError `ERR_STORE_SEQUENCE`. */
export function discarded(record: StateRecord, reasons: readonly MarkReason[]): StateRecord {
  const { next } = record;
  if (next === undefined) throw outOfSequence("there is no next generation to give up");
  return trimmed({ ...record, next: undefined, marks: { ...record.marks, [next]: bad(reasons) } });
}

/** @throws AgentError `ERR_STORE_SEQUENCE` for a generation that is not there, or bad for good. */
export function marked(
  record: StateRecord,
  number: number,
  mark: GenerationMark,
  reasons: readonly MarkReason[],
): StateRecord {
  const id = keptIds(record).find((kept) => numberOf(kept) === number);
  if (id === undefined) throw outOfSequence(`there is no generation ${number}`);
  if (record.marks[id]?.mark === "bad" && mark !== "bad") {
    throw outOfSequence(`generation ${number} is marked bad; import it again to use it again`);
  }
  const marks = { ...record.marks, [id]: { mark, reasons: boundedReasons(reasons) } };
  return trimmed({ ...record, marks });
}

function bad(reasons: readonly MarkReason[]): Mark {
  return { mark: "bad", reasons: boundedReasons(reasons) };
}

function outOfSequence(why: string): AgentError {
  return new AgentError("ERR_STORE_SEQUENCE", why);
}
