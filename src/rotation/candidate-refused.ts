/**
 * The error of an installation that was refused: every reason, each with a code and a fix.
 */
import { AgentError } from "../base/errors.ts";
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
