/**
 * Reports to the fleet what becomes of this device's identity: looks what has changed whenever something
 * may have, keeps a report of each change, and works the queue's reports off. How they travel it does not
 * know.
 *
 * An attempt sends all that wait, oldest first, so that a backlog is gone soon after there is a network. That
 * the attempt has begun is on flash before anything is sent; what is sent twice has the same number. A report
 * at which the service fails each time, while it takes the next one, is given up.
 */
import { AgentError, type ErrorFields, errorText, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { Generation } from "../identity/store/generation.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import type { IntentSteps } from "../queue/handlers.ts";
import { hasEnded, type Intent } from "../queue/intent.ts";
import type { IntentChange, IntentQueue } from "../queue/intent-queue.ts";
import type { RenewalView } from "./renewal-ports.ts";
import { type NewReport, openReportBook, type ReportBook } from "./report-book.ts";
import {
  isVouched,
  type KeptReport,
  REPORT_VERSION,
  type ReportDelivery,
  type ReportedCertificate,
  reportId,
  reportReasons,
} from "./report-document.ts";
import { compare, type Standing, stuckReason, type Transition } from "./report-transitions.ts";
import type { Rotator } from "./rotator.ts";
import type { StoreSource } from "./store-source.ts";

export interface ReportWorkOptions {
  readonly store: CertificateStore;
  readonly source: Pick<StoreSource, "subscribe" | "leaf">;
  readonly rotator: Pick<Rotator, "status" | "onChange">;
  readonly queue: IntentQueue;
  readonly delivery: ReportDelivery;
  /** As certificates call this device; `undefined` while it has no name, and then there is nothing to tell. */
  readonly device: () => string | undefined;
  /** `undefined` without an issuer. */
  readonly renewal: () => RenewalView | undefined;
  readonly time: { view(): TimeView; dueMs(): number };
  readonly clock: Clock;
  readonly log: Logger;
}

/** For what nobody tells: a renewal that is stuck for a day now, a note that could not be written. */
const LOOK_MS = 600_000;
/** A service that has been away for so many attempts is asked for no more than every 20 minutes. */
const MANY_ATTEMPTS = 8;
const LONG_PAUSE_MS = 20 * 60_000;
/** A report at which the service has failed as often is passed over, to see whether it takes the next one. */
const SUSPICIOUS = 5;
/** In one attempt; a service that fails at everything is not asked for everything. */
const MAX_PASSED = 4;

/**
 * Begins to report; what happened while no agent ran is found now.
 *
 * @throws AgentError `ERR_STORE_IO` when the note can't be read.
 */
export async function openReportWork(options: ReportWorkOptions): Promise<ReportWork> {
  const work = new ReportWork(options, await openReportBook(options.store, options.queue));
  // Not waited for: an agent serves, also where the disk takes its time.
  void work.look();
  return work;
}

export class ReportWork implements AsyncDisposable {
  readonly #options: ReportWorkOptions;
  readonly #book: ReportBook;
  readonly #unlisten: readonly (() => void)[];
  #timer: Timer | undefined;
  /** How often the service has failed at a report, since the start. */
  readonly #suspects = new Map<number, number>();
  #looking: Promise<void> = Promise.resolve();
  #waits = false;
  #closed = false;

  /** Use {@link openReportWork}. */
  constructor(options: ReportWorkOptions, book: ReportBook) {
    this.#options = options;
    this.#book = book;
    const { source, rotator, queue } = options;
    const soon = (): void => void this.look();
    this.#unlisten = [
      source.subscribe(soon),
      rotator.onChange(soon),
      queue.onChange((change) => this.#changed(change)),
    ];
    this.#lookAgain();
  }

  /** Looks what has changed, and resolves when it is kept; never rejects. */
  look(): Promise<void> {
    if (this.#waits || this.#closed) return this.#looking;
    this.#waits = true;
    this.#looking = this.#looking.then(async () => {
      this.#waits = false;
      try {
        await this.#look();
      } catch (error) {
        this.#options.log.emit("report.unwritten", { reason: errorText(error) });
      }
    });
    return this.#looking;
  }

  /**
   * An `IntentHandler` for `report`.
   *
   * @throws AgentError of the delivery; `ERR_REPORT_LOST` when what was to be sent is not there any more.
   */
  async handle(intent: Intent, _steps: IntentSteps, signal: AbortSignal): Promise<void> {
    await this.#looking;
    const own = intent.generation;
    if (this.#book.stateOf(own) === "unknown") {
      throw new AgentError(
        "ERR_REPORT_LOST",
        `${intent.id}: what it says was lost with a damaged note of the store`,
        { fields: { permanent: true } },
      );
    }
    let refused: AgentError | undefined;
    let failure: AgentError | undefined;
    const settle = async (report: number, outcome: Outcome): Promise<void> => {
      if (outcome.kind === "failed") failure = outcome.error;
      else if (report !== own) await this.#settle(report, outcome);
      else if (outcome.kind === "refused") refused = outcome.error;
    };
    const passed: KeptReport[] = [];
    let next = this.#book.next();
    for (; next !== undefined; next = this.#book.next(passed.at(-1)?.report)) {
      signal.throwIfAborted();
      const { report } = next;
      const outcome = await this.#send(next, signal);
      if (outcome.kind === "failed") {
        failure ??= outcome.error;
        if (!this.#maySkip(report, outcome.error) || passed.length === MAX_PASSED) break;
        passed.push(next);
        continue;
      }
      await settle(report, outcome);
      if (outcome.kind !== "sent") continue;
      failure = undefined;
      for (const each of passed.splice(0)) {
        signal.throwIfAborted();
        await settle(each.report, await this.#sendOnceMore(each, report, signal));
      }
      if (failure !== undefined) break;
    }
    // Where its own is through, this attempt has not failed; the one that has is tried by its own intent.
    if (failure !== undefined && this.#book.stateOf(own) === "waiting")
      throw paused(failure, intent);
    if (refused !== undefined) throw apart(refused, { permanent: true });
  }

  /** Whether an older one comes first: so the oldest alone is tried while nobody answers. */
  holds({ generation }: Intent): boolean {
    return this.#options.queue
      .list()
      .some((each) => each.kind === "report" && !hasEnded(each) && each.generation < generation);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const end of this.#unlisten) end();
    await this.#looking;
    this.#book[Symbol.dispose]();
  }

  #lookAgain(): void {
    this.#timer = this.#options.clock.setTimer(LOOK_MS, () => {
      this.#lookAgain();
      void this.look();
    });
  }

  #changed({ what, intent }: IntentChange): void {
    if (what === "begun" || what === "advanced") return;
    // Of reports only that one is lost: the next start must know it.
    if (intent.kind === "report" && what !== "dropped" && intent.state !== "failed") return;
    void this.look();
  }

  async #look(): Promise<void> {
    const { store, device, log } = this.#options;
    const name = device();
    const standing = this.#standing();
    if (name === undefined || standing === undefined) return;
    const { transitions, told } = compare(this.#book.told, standing, this.#book.forgot);
    const fresh = transitions.map((each) => this.#report(each, name));
    const kept = await this.#book.keep(fresh, told);
    for (const { report, kind, outcome, generation } of kept) {
      log.emit("report.made", { report, kind, outcome, generation, epoch: store.epoch });
    }
  }

  #standing(): Standing | undefined {
    const { store, rotator, queue, renewal, time } = this.#options;
    const { current } = store;
    if (current === undefined) return undefined;
    const { fingerprint, notAfter } = certificateOf(current);
    return {
      current,
      history: store.history(),
      confirmed: rotator.status()?.state === "ACTIVE",
      leaf: fingerprint,
      stuck: stuckReason(renewal(), time.dueMs(), notAfter),
      failed: queue.list().filter(({ kind, state }) => kind !== "report" && state === "failed"),
    };
  }

  #report({ kind, outcome, of, reasons, intent }: Transition, device: string): NewReport {
    const view = this.#options.time.view();
    return {
      ...{ device, kind, outcome, generation: intent?.generation ?? of.number },
      ...{ at: Math.round(view.nowMs), vouched: isVouched(view) },
      ...certificateOf(of),
      reasons: reportReasons(reasons),
      ...(intent === undefined ? {} : { intent: intent.id }),
    };
  }

  async #send(report: KeptReport, signal: AbortSignal): Promise<Outcome> {
    const { delivery, queue, log } = this.#options;
    const number = report.report;
    const { epoch } = queue;
    try {
      const { lost } = this.#book;
      await delivery.deliver({ v: REPORT_VERSION, epoch, ...report, lost }, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      if (error.fields["permanent"] !== true) return { kind: "failed", error };
      return this.#refused(number, error);
    }
    this.#book.isOver(number);
    this.#suspects.delete(number);
    log.emit("report.delivered", { report: number, kind: report.kind, outcome: report.outcome });
    return { kind: "sent" };
  }

  /** Whether the one after it is to be tried: is the service ill, or is it for what this report says? */
  #maySkip(report: number, { fields }: AgentError): boolean {
    if (fields["suspect"] !== true) return false;
    const failures = (this.#suspects.get(report) ?? 0) + 1;
    this.#suspects.set(report, failures);
    return failures >= SUSPICIOUS;
  }

  /** A later one was taken, so the service is well: now this one, or never. */
  async #sendOnceMore(report: KeptReport, later: number, signal: AbortSignal): Promise<Outcome> {
    const outcome = await this.#send(report, signal);
    if (outcome.kind !== "failed" || outcome.error.fields["suspect"] !== true) return outcome;
    const failures = (this.#suspects.get(report.report) ?? 0) + 1;
    const words = `it failed ${failures} times, and report ${later} was taken: ${outcome.error.message}`;
    return this.#refused(report.report, new AgentError("ERR_REPORT_REFUSED", words));
  }

  #refused(report: number, error: AgentError): Outcome {
    this.#book.isOver(report);
    this.#suspects.delete(report);
    const { log } = this.#options;
    log.emit("report.refused", { report, code: error.code, reason: errorText(error) });
    return { kind: "refused", error };
  }

  /** Tells the queue of one that another's attempt has sent. */
  async #settle(report: number, outcome: Exclude<Outcome, { kind: "failed" }>): Promise<void> {
    const { queue } = this.#options;
    const id = reportId(report);
    try {
      if (outcome.kind === "sent") await queue.finish(id);
      else await queue.giveUp(id, outcome.error);
    } catch (error) {
      // Dropped in the same moment, which has been told.
      if (isAgentError(error, "ERR_QUEUE_UNKNOWN") || isAgentError(error, "ERR_QUEUE_SEQUENCE"))
        return;
      throw error;
    }
  }
}

type Outcome =
  | { readonly kind: "sent" }
  | { readonly kind: "refused"; readonly error: AgentError }
  | { readonly kind: "failed"; readonly error: AgentError };

/** What the queue is told of an attempt after which the report still waits. */
function paused(error: AgentError, { attempts }: Intent): AgentError {
  const asked = "retryAfterMs" in error ? Number(error.retryAfterMs ?? 0) : 0;
  const least = attempts < MANY_ATTEMPTS ? 0 : LONG_PAUSE_MS;
  return apart(error, { retryAfterMs: Math.max(least, asked) });
}

/** A service of reports that is away, or refuses one, holds nothing else up. */
function apart(error: AgentError, traits: ErrorFields): AgentError {
  const fields = { ...traits, apart: true };
  return new AgentError(error.code, error.message, { cause: error, fields });
}

function certificateOf({ chainPem, origin }: Generation): ReportedCertificate {
  const { serial, fingerprint, notAfter } = parseCertificate(chainPem).summary;
  return { serial, fingerprint, notAfter, origin };
}
