/**
 * What the queue keeps of an error: enough for a person to see what is wrong, never a secret.
 */
import { isAgentError } from "../base/errors.ts";

const MAX_LENGTH = 200;
/** Keys, tokens, digests: no word of a sentence is so long. */
const OPAQUE = /[A-Za-z0-9+/=_-]{32,}/g;
const PEM = /-----BEGIN[\s\S]*/;

/**
 * Code and message of an `AgentError`, shortened, without anything that could be a key or a token. Of
 * other errors nothing is kept but that there was one: nobody has promised what their text holds.
 */
export function keptError(error: unknown): string {
  if (!isAgentError(error)) return "ERR_INTERNAL: the attempt failed with a bug; see the log";
  const text = `${error.code}: ${error.message}`
    .replace(PEM, "[PEM left out]")
    .replace(OPAQUE, "[left out]")
    .replace(/[\p{Cc}\s]+/gu, " ")
    .toWellFormed();
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH - 1)}…`;
}
