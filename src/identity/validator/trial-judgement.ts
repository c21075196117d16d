/**
 * What OpenSSL says of one way of issuers, in the roles that count, and what its codes hide. Its clock is
 * the machine's; where that is wrong, twins of the chain are judged at the trusted time beside it.
 */
import { problemOf } from "../openssl-verdict.ts";
import type { TrustBundle } from "../trust-bundle.ts";
import type { Certificate } from "../x509/certificate.ts";
import { certificatePem } from "../x509/certificate-builder.ts";
import type {
  Candidate,
  CandidateContext,
  CandidateRole,
  HandshakeTrial,
  Reason,
  TrialOutcome,
} from "./candidate-report.ts";
import type { Issuers } from "./issuer-paths.ts";
import { problemReason, unique } from "./path-reasons.ts";
import { type TwinMoment, timeTwin } from "./time-twin.ts";

/** When the chain is judged, and what made it another moment than now. */
export interface JudgedMoment {
  /** Unix ms, whole seconds. */
  readonly atMs: number;
  /** The policy lets a certificate pass whose time has not come, and its own bundle vouches for it. */
  readonly early: boolean;
  /** The certificate has ended, and the policy's grace has not. */
  readonly grace: boolean;
}

export interface TrialCase {
  readonly candidate: Candidate;
  readonly context: CandidateContext;
  readonly roles: readonly CandidateRole[];
  /** Leaf first. */
  readonly sent: readonly [Certificate, ...Certificate[]];
  readonly bundle: TrustBundle;
  readonly issuers: Issuers;
  readonly moment: JudgedMoment;
}

const EARLY = "CERT_NOT_YET_VALID";
const LATE = "CERT_HAS_EXPIRED";

/** Reasons out of the trial; empty exactly when OpenSSL finds the chain good in every role. */
export async function trialReasons(given: TrialCase, trial: HandshakeTrial): Promise<Reason[]> {
  const { candidate, context, roles, sent, bundle, moment } = given;
  const crlsPem = context.crlsPem ?? [];
  const outcome = await trial.run({
    chainPem: chainPem(sent),
    trustBundlePem: chainPem(bundle),
    tlsKey: candidate.tlsKey,
    crlsPem,
  });
  if (outcome.kind === "failed") {
    return unique([failureReason(outcome), ...(await hiddenReasons(given, trial))]);
  }
  const codes = badCodes(outcome, roles);
  const forbidden = codes.filter((code) => !isTolerated(code, given));
  const reasons = forbidden.map(verdictReason);
  const aboutDates = codes.some((code) => code === EARLY || code === LATE);
  if (aboutDates && crlsPem.length > 0) {
    reasons.push({
      code: "revocation-unknown",
      words: "whether the certificate is revoked can't be told while this machine's clock is wrong",
      fix: "set the clock",
    });
  }
  if (reasons.length > 0) {
    return unique([...reasons, ...(aboutDates ? await hiddenReasons(given, trial) : [])]);
  }
  const elsewhen = context.time.clockWrong || moment.early || moment.grace || aboutDates;
  return elsewhen ? await twinReasons(given, moment.atMs, trial) : [];
}

/** Does the leaf alone, without anything that came with it, chain to `bundle` at `atMs`? */
export async function chainsAlone(
  leaf: Certificate,
  bundle: TrustBundle,
  issuers: Issuers,
  roles: readonly CandidateRole[],
  atMs: number,
  trial: HandshakeTrial,
): Promise<boolean> {
  const outcome = await trial.run(timeTwin({ sent: [leaf], bundle, issuers, at: atMs }));
  return outcome.kind === "done" && badCodes(outcome, roles).length === 0;
}

/** Certificates as PEM, one after the other. */
export function chainPem(chain: readonly Certificate[]): string {
  return chain.map(({ x509 }) => certificatePem(x509.raw)).join("");
}

function badCodes(
  outcome: TrialOutcome & { readonly kind: "done" },
  roles: readonly CandidateRole[],
): string[] {
  return [...new Set(roles.flatMap((role) => outcome[role] ?? []))];
}

/**
 * A verdict about dates, by a clock that is known to be wrong, gives way to the trusted time: outright
 * when a signature has vouched for that, or is on the certificate itself, which answers us; otherwise by
 * policy only. The twins then decide.
 */
function isTolerated(code: string, { context: { time, policy }, moment }: TrialCase): boolean {
  const signed = time.state === "authenticated" || time.vouched === true;
  const vouched = time.clockWrong && signed;
  const answered = time.clockWrong && policy?.answered === true;
  if (code === EARLY) return vouched || answered || moment.early;
  return code === LATE && (vouched || moment.grace);
}

/** "Not yet valid" can hide an unknown authority: what would OpenSSL say if all dates were good? */
function hiddenReasons(given: TrialCase, trial: HandshakeTrial): Promise<Reason[]> {
  return twinReasons(given, "any", trial);
}

async function twinReasons(
  { sent, bundle, issuers, roles }: TrialCase,
  at: TwinMoment,
  trial: HandshakeTrial,
): Promise<Reason[]> {
  const outcome = await trial.run(timeTwin({ sent, bundle, issuers, at }));
  if (outcome.kind === "failed") return [failureReason(outcome)];
  return badCodes(outcome, roles).map(verdictReason);
}

function verdictReason(code: string): Reason {
  const reason = problemReason(problemOf(code));
  return code === "CERT_REVOKED" ? { ...reason, code: "revoked" } : reason;
}

function failureReason({ step, cause }: TrialOutcome & { readonly kind: "failed" }): Reason {
  if (cause === "key values mismatch" || cause === "key type mismatch") {
    return {
      code: "key-mismatch",
      words: "the key does not belong to the certificate",
      fix: "use the key that the certificate was requested with, or request a certificate for this key",
    };
  }
  const what = step === "load" ? "OpenSSL can't use this pair" : "a trial handshake failed";
  return {
    code: step === "load" ? "unusable" : "handshake",
    words: `${what} (${cause})`,
    fix: "use a key of a kind that TLS 1.3 knows (ECDSA P-256 is best), and check that the key can be used",
  };
}
