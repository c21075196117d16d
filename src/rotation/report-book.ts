/**
 * Numbers reports and keeps them until the queue has done with them:
 *
 * | on flash | a restart |
 * |---|---|
 * | the change alone | finds it and reports it |
 * | the note with the report and its number | adds the intent |
 * | the intent | the worker sends it, perhaps for the second time, under the same number |
 * | the intent has ended | the report leaves the note with the next one |
 *
 * Intents are added in the order of their numbers, so a report above all that the queue has ever had is
 * one whose intent is missing, and one that the queue has no more has ended.
 */
import { isAgentError } from "../base/errors.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { hasEnded, objectNamed } from "../queue/intent.ts";
import type { IntentChange, IntentQueue } from "../queue/intent-queue.ts";
import { type KeptReport, reportId } from "./report-document.ts";
import {
  formatReports,
  NO_REPORTS,
  parseReports,
  REPORT_NOTE,
  type ReportState,
} from "./report-note.ts";
import { isSame, type Told } from "./report-transitions.ts";

export type BookStore = Pick<CertificateStore, "readNote" | "writeNote">;
/** A report that has no number yet. */
export type NewReport = Omit<KeptReport, "report">;

/** Never more, should the queue refuse them all for long. */
const MAX_WAITING = 64;

interface Entry {
  readonly report: KeptReport;
  /** The receiver has it, or will never take it; only the queue has still to be told. */
  isOver: boolean;
  /** It was given up, and counts as lost. */
  isLost: boolean;
}

export class ReportBook {
  readonly #store: BookStore;
  readonly #queue: IntentQueue;
  readonly #entries = new Map<number, Entry>();
  readonly #unlisten: () => void;
  #told: Told;
  #last: number;
  #lost: number;
  /** Something that a restart must know has not been written. */
  #isStale = false;
  /** Why it is not known what has been told; `undefined` when it is, and once that has been told. */
  forgot: { readonly code: string; readonly words: string } | undefined;

  /** Use {@link openReportBook}. */
  constructor(store: BookStore, queue: IntentQueue, state: ReportState) {
    this.#store = store;
    this.#queue = queue;
    const highest = this.#highest();
    this.#told = state.told;
    this.#last = Math.max(state.last, highest);
    this.#lost = state.lost;
    for (const report of state.waiting) {
      const isLost = queue.find(reportId(report.report))?.state === "failed";
      this.#entries.set(report.report, { report, isOver: isLost, isLost });
    }
    this.#tidy();
    if (state.last === 0 && highest > 0) {
      const words = `what was told before report ${highest + 1} is lost with a damaged note`;
      this.forgot = { code: "note-lost", words };
    }
    this.#unlisten = queue.onChange((change) => this.#changed(change));
  }

  get told(): Told {
    return this.#told;
  }

  get last(): number {
    return this.#last;
  }

  /** How many of this epoch are known to be lost: displaced, dropped or refused. */
  get lost(): number {
    return this.#lost;
  }

  /** Gives numbers and writes them down, together with what is told by them; then queues. */
  async keep(reports: readonly NewReport[], told: Told): Promise<readonly KeptReport[]> {
    const fresh = reports.map((report, index) => ({ ...report, report: this.#last + 1 + index }));
    if (fresh.length > 0 || !isSame(told, this.#told)) await this.#write(fresh, told);
    await this.#enqueue();
    // How many were displaced by these.
    if (this.#isStale) await this.#write([], this.#told);
    return fresh;
  }

  /** The oldest after `passed` that has still to be sent, and is in the queue. */
  next(passed = 0): KeptReport | undefined {
    for (const [number, { report, isOver }] of this.#entries) {
      if (number > passed && !isOver && this.#isInQueue(number)) return report;
    }
    return undefined;
  }

  /** `over`: sent or refused, by this process. `unknown`: its document is lost. */
  stateOf(number: number): "waiting" | "over" | "unknown" {
    const entry = this.#entries.get(number);
    if (entry === undefined) return "unknown";
    return entry.isOver ? "over" : "waiting";
  }

  /** Nothing more is to be sent; the queue is told by whoever works it off. */
  isOver(number: number): void {
    const entry = this.#entries.get(number);
    if (entry !== undefined) entry.isOver = true;
  }

  [Symbol.dispose](): void {
    this.#unlisten();
  }

  async #write(fresh: readonly KeptReport[], told: Told): Promise<void> {
    this.#tidy();
    const kept = [...this.#entries.values()].map(({ report }) => report);
    const waiting = [...kept, ...fresh].slice(-MAX_WAITING);
    const given = kept.length + fresh.length - waiting.length;
    const last = this.#last + fresh.length;
    const lost = this.#lost + given;
    await this.#store.writeNote(REPORT_NOTE, formatReports({ last, lost, told, waiting }));
    this.#told = told;
    this.#last = last;
    // Some may have been lost while the disk was busy: those the note does not have.
    this.#lost += given;
    this.#isStale = this.#lost !== lost;
    this.forgot = undefined;
    for (const { report } of kept.slice(0, given)) this.#entries.delete(report);
    for (const report of fresh) {
      this.#entries.set(report.report, { report, isOver: false, isLost: false });
    }
  }

  /** In the order of the numbers: one that the queue refuses holds up those after it, until the next time. */
  async #enqueue(): Promise<void> {
    for (const number of [...this.#entries.keys()]) {
      if (!this.#entries.has(number) || this.#queue.find(reportId(number)) !== undefined) continue;
      await this.#queue.add({
        ...{ kind: "report", generation: number },
        object: objectNamed("note", REPORT_NOTE),
      });
    }
  }

  #changed({ what, intent: { kind, generation, state } }: IntentChange): void {
    if (kind !== "report") return;
    const entry = this.#entries.get(generation);
    if (what === "retried") {
      // It was refused, and somebody asks for it once more; nothing comes of asking for one that is through.
      if (entry?.isLost !== true) return;
      this.#lose(-1);
      entry.isOver = false;
      entry.isLost = false;
    } else if (what === "ended" && state === "failed") {
      if (entry !== undefined) {
        entry.isOver = true;
        entry.isLost = true;
      }
      this.#lose(1);
    } else if (what === "ended") {
      this.#entries.delete(generation);
    } else if (what === "dropped") {
      this.#entries.delete(generation);
      if (state === "waiting" || state === "running") this.#lose(1);
    }
  }

  #lose(reports: number): void {
    // Power lost before it was written down: then it is not counted, and can't be taken off again.
    this.#lost = Math.max(0, this.#lost + reports);
    this.#isStale = true;
  }

  /** Takes out what the queue has done with. */
  #tidy(): void {
    const highest = this.#highest();
    for (const number of [...this.#entries.keys()]) {
      const state = this.#queue.find(reportId(number))?.state;
      const isKept = state === undefined ? number > highest : state !== "done";
      if (!isKept) this.#entries.delete(number);
    }
  }

  /** The highest number that the queue knows. */
  #highest(): number {
    const reports = this.#queue.list().filter(({ kind }) => kind === "report");
    return Math.max(0, ...reports.map(({ generation }) => generation));
  }

  #isInQueue(number: number): boolean {
    const intent = this.#queue.find(reportId(number));
    return intent !== undefined && !hasEnded(intent);
  }
}

/**
 * A note that is damaged or of a later version counts as none: the numbers go on from those in the queue.
 *
 * @throws AgentError `ERR_STORE_IO` when it can't be read.
 */
export async function openReportBook(store: BookStore, queue: IntentQueue): Promise<ReportBook> {
  return new ReportBook(store, queue, await readState(store));
}

async function readState(store: BookStore): Promise<ReportState> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await store.readNote(REPORT_NOTE);
  } catch (error) {
    if (!isAgentError(error, "ERR_STORE_CORRUPT")) throw error;
    return NO_REPORTS;
  }
  return bytes === undefined ? NO_REPORTS : (parseReports(bytes) ?? NO_REPORTS);
}
