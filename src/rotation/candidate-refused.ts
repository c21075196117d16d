/**
 * The error of an installation that was refused: every reason, each with a code and a fix.
 */
import { AgentError } from "../base/errors.ts";
import type { Generation, MarkReason } from "../identity/store/generation.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";

export class CandidateRefused extends AgentError {
  readonly reasons: readonly Reason[];

  constructor(reasons: readonly Reason[]) {
    super("ERR_CERT_REFUSED", reasons.map(({ words }) => words).join("; "), {
      fields: { reasons: reasons.map(({ code }) => code).join(",") },
    });
    this.reasons = reasons;
  }
}

/** What is kept with a generation that an error kept from going in force. */
export function reasonsOf(error: AgentError): readonly MarkReason[] {
  if (error instanceof CandidateRefused) return error.reasons;
  return [{ code: error.code, words: error.message }];
}

export function knownBad({ number, reasons }: Generation): Reason {
  const words = reasons.map(({ words }) => words).join("; ");
  return {
    code: "known-bad",
    words: `it is generation ${number}, which failed before: ${words}`,
    fix: "correct the cause, then import it with --force, or import another",
  };
}

export function wrongEpoch(epoch: string, own: string): Reason {
  return {
    code: "wrong-epoch",
    words: `it was made for epoch ${epoch.slice(0, 32)}, and this store's is ${own}`,
    fix: "issue it again for the device as it is now",
  };
}
