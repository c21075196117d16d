/**
 * Dates of a peer's certificate when the clock is known to be wrong, or when a grace after the end is
 * configured. OpenSSL judges by the system's clock; here the proven time counts:
 *
 * - what has ended by the proven time is refused, though OpenSSL, by its wrong clock, finds it good;
 * - "not yet valid" is excused as {@link NotYetValidPolicy} says, and only for a chain whose issuers all
 *   come from our own trust bundle and that holds at the proven time without OpenSSL's verdict;
 * - "expired" is excused by nothing but the configured grace, for the leaf alone.
 */
import { explainChain } from "../chain-explanation.ts";
import type { OpensslVerdict } from "../openssl-verdict.ts";
import type { Problem } from "../peer-checks.ts";
import { formatMoment } from "../span-words.ts";
import type { TrustBundle } from "../trust-bundle.ts";
import type { Certificate } from "../x509/certificate.ts";
import { chainFaultAt } from "./chain-at.ts";
import type { DateDoubt } from "./time-view.ts";

export interface DoubtfulPeer {
  readonly certificate: Certificate;
  readonly verdict: OpensslVerdict;
  readonly sent: readonly Certificate[];
  readonly bundle: TrustBundle;
  /** The proven time, Unix ms. */
  readonly nowMs: number;
  readonly role: "client" | "server";
  readonly doubt: DateDoubt;
}

export interface DateJudgement {
  /** OpenSSL's bad verdict was about dates alone, and does not stand. */
  readonly excused: boolean;
  /** What is left of the problems that our checks found, with those that were found here. */
  readonly problems: readonly Problem[];
}

const DAY_MS = 86_400_000;

/** @param found What our own checks found, by the proven time. */
export function judgeDoubtfulDates(peer: DoubtfulPeer, found: readonly Problem[]): DateJudgement {
  const { verdict } = peer;
  if (verdict.good) return judgeGood(peer, found);
  if (!mayExcuse(peer)) return { excused: false, problems: [...found, ...blameClock(peer)] };
  const { certificate, bundle, role, nowMs, doubt } = peer;
  const fault = chainFaultAt(certificate, bundle, {
    nowMs,
    role,
    maybeLater: doubt.clockWrong && doubt.policy.notYetValid === "tolerate",
    leafGraceMs: doubt.policy.expiredGraceMs,
  });
  if (fault !== undefined) {
    return { excused: false, problems: [...found, unprovenProblem(peer, fault)] };
  }
  const rest = found.filter(({ cause }) => cause !== "not-yet-valid" && cause !== "expired");
  return { excused: true, problems: rest };
}

/** OpenSSL is content by a clock that is wrong: what it did not see by it is looked at here. */
function judgeGood(peer: DoubtfulPeer, found: readonly Problem[]): DateJudgement {
  const { certificate, sent, bundle, nowMs, doubt } = peer;
  const graced = nowMs <= certificate.summary.notAfter + doubt.policy.expiredGraceMs;
  const own = found.filter(({ cause }) => !(cause === "expired" && graced));
  if (!doubt.clockWrong) return { excused: false, problems: own };
  const above = explainChain(certificate, sent, bundle, nowMs);
  const dates = above.filter(({ cause }) => cause === "expired" || cause === "not-yet-valid");
  const unseen = above.some(({ cause }) => cause === "unknown-authority");
  // Node does not always show what the peer sent. A clock that lags a little must not cost the service.
  if (unseen && Math.abs(nowMs - doubt.clockMs) > DAY_MS) {
    const words = "has an issuer that does not stand in the trust bundle";
    return { excused: false, problems: [...own, ...dates, unprovenProblem(peer, words)] };
  }
  return { excused: false, problems: [...own, ...dates] };
}

/** The policy lets the clock's word stand; whoever reads of it learns that the clock is at fault. */
function blameClock(peer: DoubtfulPeer): readonly Problem[] {
  const { verdict, doubt } = peer;
  if (!doubt.clockWrong || verdict.code !== "CERT_NOT_YET_VALID") return [];
  return [unprovenProblem(peer, "is not yet valid by the clock, which is wrong")];
}

function mayExcuse({ verdict, doubt }: DoubtfulPeer): boolean {
  const { policy, clockWrong } = doubt;
  if (verdict.code === "CERT_NOT_YET_VALID") return clockWrong && policy.notYetValid !== "refuse";
  return verdict.code === "CERT_HAS_EXPIRED" && policy.expiredGraceMs > 0;
}

function unprovenProblem({ doubt, nowMs }: DoubtfulPeer, words: string): Problem {
  const clock = doubt.clockWrong
    ? ` (the clock says ${formatMoment(doubt.clockMs)}, proven is ${formatMoment(nowMs)})`
    : "";
  return {
    cause: "not-yet-valid",
    words: `${words}${clock}`,
    fix: "set this machine's clock; or put every authority of the chain into the trust bundle, and see time.not_yet_valid",
  };
}
