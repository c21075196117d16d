/** What a failed renewal means: for the operator, for the history of outages, for the next attempt. Pure. */
import { AgentError, ERRORS, type ErrorFields, errorText, isAgentError } from "../base/errors.ts";
import { IssuerError, type IssuerReason } from "../identity/issuer.ts";
import type { FailureTraits } from "../queue/handlers.ts";
import type { RenewalFault } from "./renewal-ports.ts";

/** Of these nothing is known to have been heard by the authority. */
const CUT_OFF: ReadonlySet<IssuerReason> = new Set([
  "unreachable",
  "timeout",
  "proxy",
  "captive-portal",
]);

/** Whether the way to the authority failed, rather than the authority. */
export function isCutOff(error: unknown): boolean {
  return error instanceof IssuerError && CUT_OFF.has(error.reason);
}

/** Whether only an operator can change it, here or at the authority. */
export function needsOperator(error: unknown): boolean {
  if (error instanceof IssuerError) return error.permanent;
  return isAgentError(error, "ERR_CERT_REFUSED");
}

export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof IssuerError ? error.retryAfterMs : undefined;
}

/**
 * @param before The fault of the attempt before, to count repetitions.
 * @param nowMs Unix ms.
 */
export function faultOf(
  error: AgentError,
  before: RenewalFault | undefined,
  nowMs: number,
): RenewalFault {
  const reason = error instanceof IssuerError ? error.reason : reasonOfCode(error.code);
  const { fix } = error.fields;
  const same = before?.code === error.code && before.reason === reason;
  return {
    code: error.code,
    reason,
    words: errorText(error),
    fix: typeof fix === "string" ? fix : ERRORS[error.code].hint,
    needsOperator: needsOperator(error),
    at: nowMs,
    times: same ? before.times + 1 : 1,
  };
}

/** `ERR_STORE_FULL` -> `store-full`. */
function reasonOfCode(code: string): string {
  return code.replace(/^ERR_/, "").toLowerCase().replaceAll("_", "-");
}

/** What the queue is told of a failed attempt: never that it is for good, as authorities change their mind. */
export class RenewalFailed extends AgentError implements FailureTraits {
  readonly retryAfterMs: number | undefined;
  readonly fault: RenewalFault;

  constructor(error: AgentError, fault: RenewalFault, retryAfterMs: number | undefined) {
    const fields: ErrorFields = { ...error.fields, fix: fault.fix };
    super(error.code, error.message, { cause: error, fields });
    this.retryAfterMs = retryAfterMs;
    this.fault = fault;
  }
}
