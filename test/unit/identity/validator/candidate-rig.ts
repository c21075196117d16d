/**
 * Candidates for the validator's tests: from test certificates, judged by the real trial handshake.
 */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { systemClock } from "#src/host/clock.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import type {
  Candidate,
  CandidateContext,
  CandidateReport,
  HandshakeTrial,
} from "#src/identity/validator/candidate-report.ts";
import { validateCandidate } from "#src/identity/validator/validate-candidate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { memoryHandshakeTrial } from "#src/transport/handshake-trial.ts";

export const DAY = 86_400_000;
export const trial: HandshakeTrial = memoryHandshakeTrial(systemClock);

export function timeView(nowMs: number, change: Partial<TimeView> = {}): TimeView {
  return { state: "network", nowMs, floorMs: 0, clockWrong: false, words: undefined, ...change };
}

/** A leaf with what stands above it, and the bundle to judge by. */
export function candidateOf(
  { certificatePem, keyPem }: Issued,
  trustBundlePem: string,
  above: readonly string[] = [],
): Candidate {
  return {
    chainPem: [certificatePem, ...above].join(""),
    trustBundlePem,
    tlsKey: keyPem,
    publicKey: createPublicKey(createPrivateKey(keyPem)),
  };
}

/** Judges at the present time, which the trial's OpenSSL has too. */
export function judge(
  candidate: Candidate,
  context: Partial<CandidateContext> = {},
  by: HandshakeTrial = trial,
): Promise<CandidateReport> {
  return validateCandidate(candidate, { time: timeView(Date.now()), ...context }, by);
}

export const codes = (report: CandidateReport): string[] => report.reasons.map(({ code }) => code);
export const warnings = (report: CandidateReport): string[] =>
  report.warnings.map(({ code }) => code);
