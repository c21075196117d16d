/**
 * An error of a connection in use, as what the caller of the call in flight hears.
 */
import { AgentError, errorText } from "../../base/errors.ts";
import { lateRefusal } from "../../transport/node-error.ts";

/** A refusal of our certificate by its cause; everything else is a connection that broke. */
export function connectionFault(error: unknown, node: string): AgentError {
  const refusal = lateRefusal(error);
  if (refusal === undefined) {
    return new AgentError(
      "ERR_RPC_CONNECTION_LOST",
      `connection to ${node} broke (${errorText(error).trim()})`,
      { cause: error, fields: { node } },
    );
  }
  const { words, fix, cause } = refusal;
  return new AgentError("ERR_TLS_HANDSHAKE", `${node}: ${words}`, {
    cause: error,
    fields: { node, cause, fix },
  });
}
