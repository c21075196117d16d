/**
 * The one note of the store that reports are kept in: what has been told, the last number, and the reports
 * that wait. Written once for each change of the identity; a report that was delivered leaves it with the
 * next one, as the queue knows what became of it. Pure.
 */
import * as v from "valibot";
import { formatNote, parseNote } from "../identity/store/json-note.ts";
import { type KeptReport, REPORT_OUTCOMES, type ReportKind } from "./report-document.ts";
import { NOTHING_TOLD, type Told } from "./report-transitions.ts";

export const REPORT_NOTE = "reports";
/** Less than a note may have, so that the store never refuses it. Bytes. */
export const MAX_REPORT_BYTES = 60 * 1024;

export interface ReportState {
  /** The number of the last report; 0 before the first. */
  readonly last: number;
  /** How many of the epoch are known to be lost. */
  readonly lost: number;
  readonly told: Told;
  /** Oldest first. */
  readonly waiting: readonly KeptReport[];
}

export const NO_REPORTS: ReportState = { last: 0, lost: 0, told: NOTHING_TOLD, waiting: [] };

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const kinds = Object.keys(REPORT_OUTCOMES) as ReportKind[];
const outcomes = Object.values(REPORT_OUTCOMES).flat();
const reportShape = v.object({
  ...{ device: v.string(), report: count, kind: v.picklist(kinds), outcome: v.picklist(outcomes) },
  ...{ generation: count, at: v.number(), vouched: v.boolean() },
  ...{ serial: v.string(), fingerprint: v.string(), notAfter: v.number() },
  origin: v.picklist(["import", "push", "renewal", "enrolment", "trust"]),
  reasons: v.array(v.object({ code: v.string(), words: v.string() })),
  intent: v.optional(v.string()),
});
const stateShape = v.object({
  ...{ last: count, lost: count },
  told: v.object({
    ...{ current: count, highest: count, confirmed: count, bad: v.array(count) },
    ...{ trust: v.string(), stuck: v.optional(v.string()), failed: v.array(v.string()) },
  }),
  waiting: v.array(reportShape),
});

/** Where there is no room for all words, the oldest reports lose theirs; their codes stay. */
export function formatReports(state: ReportState): Uint8Array {
  const waiting = [...state.waiting];
  let bytes = formatNote({ ...state, waiting });
  for (let index = 0; bytes.length > MAX_REPORT_BYTES && index < waiting.length; index++) {
    const report = waiting[index];
    if (report === undefined) break;
    waiting[index] = {
      ...report,
      reasons: report.reasons.map(({ code }) => ({ code, words: "" })),
    };
    bytes = formatNote({ ...state, waiting });
  }
  return bytes;
}

/** `undefined` for bytes that are no such note, or one of a later version. */
export function parseReports(bytes: Uint8Array): ReportState | undefined {
  const kept = parseNote(stateShape, bytes);
  if (kept === undefined) return undefined;
  const { told } = kept;
  return { ...kept, told: { ...told, stuck: told.stuck } };
}
