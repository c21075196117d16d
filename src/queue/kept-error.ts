/**
 * What the queue keeps of an error: enough for a person to see what is wrong, never a secret.
 */
import { isAgentError } from "../base/errors.ts";
import { withoutSecrets } from "./secret-words.ts";

const MAX_LENGTH = 200;

/**
 * Code and message of an `AgentError`, shortened, without anything that could be a key or a token. Of
 * other errors nothing is kept but that there was one: nobody has promised what their text holds.
 */
export function keptError(error: unknown): string {
  if (!isAgentError(error)) return "ERR_INTERNAL: the attempt failed with a bug; see the log";
  const text = `${error.code}: ${withoutSecrets(error.message)}`
    .replace(/[\p{Cc}\s]+/gu, " ")
    .toWellFormed();
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH - 1)}…`;
}
