/**
 * What the fleet is told of this device: one JSON document for each change of its identity. Names, numbers,
 * dates and reasons; never a key, a certificate or a token. `docs/reports.md` describes it for whoever
 * receives it.
 */
import type { GenerationContent } from "../identity/store/generation.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import { intentId } from "../queue/intent.ts";
import { withoutSecrets } from "../queue/secret-words.ts";

export const REPORT_VERSION = 1;

/**
 * What has happened, and to what:
 *
 * | kind | outcomes |
 * |---|---|
 * | `epoch` | `begun` |
 * | `generation` | `in-force`, `confirmed`, `bad`, `fallen-back` |
 * | `trust` | `replaced` |
 * | `renewal` | `stuck`, `recovered` |
 * | `intent` | `failed` |
 */
export const REPORT_OUTCOMES = {
  epoch: ["begun"],
  generation: ["in-force", "confirmed", "bad", "fallen-back"],
  trust: ["replaced"],
  renewal: ["stuck", "recovered"],
  intent: ["failed"],
} as const;

export type ReportKind = keyof typeof REPORT_OUTCOMES;
export type ReportOutcome = (typeof REPORT_OUTCOMES)[ReportKind][number];

export interface ReportReason {
  /** Constant: `peer-refuses-it`, `ERR_ISSUER_REFUSED`. */
  readonly code: string;
  readonly words: string;
}

/** Of the certificate that the report is about. */
export interface ReportedCertificate {
  readonly serial: string;
  /** SHA-256 of the certificate (DER), hexadecimal. */
  readonly fingerprint: string;
  /** Unix ms. */
  readonly notAfter: number;
  readonly origin: GenerationContent["origin"];
}

/** As it is kept until it has been delivered; the same each time that it is sent. */
export interface KeptReport extends ReportedCertificate {
  /** As certificates call the device. */
  readonly device: string;
  /** From 1 within an epoch, without a gap; in the queue the intent's generation. */
  readonly report: number;
  readonly kind: ReportKind;
  readonly outcome: ReportOutcome;
  /** The generation of the store that it is about; with `intent` that of the intent. */
  readonly generation: number;
  /** When it was noticed, Unix ms by the trusted time. */
  readonly at: number;
  /** Whether anybody vouches for `at`. */
  readonly vouched: boolean;
  readonly reasons: readonly ReportReason[];
  /** Only with the kind `intent`: its id. */
  readonly intent?: string | undefined;
}

/** As it travels. (device, epoch, report) names it: what comes twice is one. */
export interface ReportDocument extends KeptReport {
  readonly v: typeof REPORT_VERSION;
  readonly epoch: string;
  /** How many reports of this epoch are known to be lost: displaced, dropped or refused. */
  readonly lost: number;
}

/**
 * How reports travel. Whoever builds and queues them knows nothing of it.
 */
export interface ReportDelivery {
  /**
   * Resolves when the receiver has taken it. May be called again with the same report.
   *
   * @throws AgentError; with `permanent: true` in its fields when the receiver will never take this one, with
   *   `suspect: true` when it failed, maybe for what this one says; with `retryAfterMs` when it asks to wait.
   */
  deliver(report: ReportDocument, signal: AbortSignal): Promise<void>;
}

export function reportId(report: number): string {
  return intentId("report", report);
}

const MAX_REASONS = 3;
const MAX_WORDS = 160;
const MAX_CODE = 48;
/** Short, and without anything that could be a key or a token: they come from errors and from peers. */
export function reportReasons(reasons: readonly ReportReason[]): readonly ReportReason[] {
  return reasons.slice(0, MAX_REASONS).map(({ code, words }) => ({
    code: kept(code, MAX_CODE),
    words: kept(words, MAX_WORDS),
  }));
}

function kept(text: string, most: number): string {
  const plain = withoutSecrets(text)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .toWellFormed();
  return plain.length <= most ? plain : `${plain.slice(0, most - 1).toWellFormed()}…`;
}

/** `CODE: words`, as the queue keeps an error. */
export function reasonOfKept(lastError: string | undefined): readonly ReportReason[] {
  if (lastError === undefined) return [];
  const [, code = "ERR_INTERNAL", words = lastError] =
    /^(ERR_[A-Z0-9_]+): (.*)$/s.exec(lastError) ?? [];
  return [{ code, words }];
}

export function isVouched({ state, vouched }: TimeView): boolean {
  return state === "network" || state === "authenticated" || vouched === true;
}
