/** Whether renewal deserves a look: the facts that `doctor` shows. Pure. */
import { formatMoment, formatSpan } from "../identity/span-words.ts";
import type { RenewalView } from "./renewal-ports.ts";

export interface RenewalJudgement {
  readonly level: "ok" | "warn" | "error";
  readonly words: string;
  /** What to do; `undefined` when there is nothing to be done. */
  readonly fix: string | undefined;
}

/** An attempt that fails for so long is no hiccup any more. Attempts, with back-off about an hour. */
const MANY_ATTEMPTS = 8;
/** What mends itself as a rule. A portal, a wrong authority or a nonsense answer does not. */
const HICCUPS = ["unreachable", "timeout", "busy", "server-error", "pending"];

/**
 * @param notAfter End of the certificate in force, Unix ms; `undefined` without one.
 * @param nowMs The trusted time, Unix ms.
 */
export function judgeRenewal(
  view: RenewalView,
  notAfter: number | undefined,
  nowMs: number,
): RenewalJudgement {
  const { dueAt, fault, attempts } = view;
  // What to do stands in a field of its own here.
  const words = fault === undefined ? view.words : view.words.replace(`; ${fault.fix}`, () => "");
  if (notAfter === undefined || dueAt === undefined) {
    return { level: "warn", words, fix: "enrol the device: `microedge enroll --token-file FILE`" };
  }
  const leftMs = notAfter - nowMs;
  const end = leftMs > 0 ? `ends in ${formatSpan(leftMs)}` : `ended ${formatMoment(notAfter)}`;
  if (fault?.needsOperator === true) {
    return { level: "error", words: `${words}; the certificate ${end}`, fix: fault.fix };
  }
  if (leftMs <= 0) {
    const fix = fault?.fix ?? "look at `microedge queue list`, then `microedge cert renew --now`";
    return { level: "error", words: `${words}; the certificate ${end}`, fix };
  }
  if (fault !== undefined && (attempts >= MANY_ATTEMPTS || !HICCUPS.includes(fault.reason))) {
    return { level: "warn", words: `${words}; the certificate ${end}`, fix: fault.fix };
  }
  return { level: "ok", words, fix: undefined };
}
