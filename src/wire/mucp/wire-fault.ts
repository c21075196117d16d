/**
 * The two ways a message can be refused, and how the offender is described: what was wrong and where,
 * with octets as numbers and never a header value, which may be a secret.
 */
import { AgentError, type ErrorFields } from "../../base/errors.ts";

/** A message that is not well-formed. */
export function malformed(message: string, fields: ErrorFields = {}): AgentError {
  return new AgentError("ERR_WIRE_MESSAGE", message, { fields });
}

/** A message beyond a limit; `limit` in bytes, or a number of things if `message` says so. */
export function tooLarge(message: string, limit: number): AgentError {
  return new AgentError("ERR_WIRE_TOO_LARGE", message, { fields: { limit } });
}

/** An octet for a message: `0x16`. */
export function octetText(octet: number | undefined): string {
  return octet === undefined ? "nothing" : `0x${octet.toString(16).padStart(2, "0")}`;
}
