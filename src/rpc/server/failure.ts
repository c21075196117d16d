/**
 * From anything thrown to what the peer is told.
 *
 * An `AgentError` and an error that a handler chose speak for themselves. Everything else is a bug: the
 * peer gets 500 and a correlation id, the stack goes to the log under the same id and nowhere else.
 */
import { AgentError, type ErrorCode, isAgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { correlationId, type Random } from "../../host/random.ts";
import {
  type MicroError,
  microErrorOf,
  retryAfterMsOf,
  statusText,
} from "../../wire/mucp/error.ts";
import { HandlerError } from "./handler-error.ts";

export interface Failure {
  readonly micro: MicroError;
  /** `undefined` for an error that the handler chose. */
  readonly code: ErrorCode | undefined;
  /** When the peer may come back, if that is known. */
  readonly retryAfterMs?: number | undefined;
}

/** @param id Who answers, dotted. */
export function refusal(error: AgentError, id: string): Failure {
  return { micro: microErrorOf(error, id), code: error.code, retryAfterMs: retryAfterMsOf(error) };
}

/** @param id Who answers, dotted; a handler's own error may name another. */
export function failureOf(thrown: unknown, id: string, log: Logger, random: Random): Failure {
  if (isAgentError(thrown)) return refusal(thrown, id);
  if (thrown instanceof HandlerError) {
    const { status, message } = thrown;
    const micro = {
      id: thrown.id ?? id,
      code: status,
      detail: message,
      status: statusText(status),
    };
    return { micro, code: undefined };
  }
  return bug(thrown, id, log, random);
}

/**
 * Whether an answer that can't be written is told as it stands and is not taken for the handler's bug:
 * the caller chose a format that the shape can't be written in, or the codec of a module failed (and has
 * been reported) or rests.
 */
export function isAnswerable(thrown: unknown): boolean {
  return isAgentError(thrown) && ANSWERABLE.includes(thrown.code);
}

const ANSWERABLE: readonly ErrorCode[] = [
  "ERR_WIRE_CONTENT_TYPE",
  "ERR_HANDLER_CODEC",
  "ERR_RPC_OVERLOADED",
];

/** Logs a bug and answers with its correlation id only. */
export function bug(thrown: unknown, id: string, log: Logger, random: Random): Failure {
  const correlation = correlationId(random);
  log.emit("rpc.handler.failed", { correlation_id: correlation, stack: stackOf(thrown) });
  const micro = {
    id,
    code: 500,
    detail: `internal error; the agent's log has it under correlation id ${correlation}`,
    status: statusText(500),
  };
  return { micro, code: "ERR_INTERNAL" };
}

const MAX_STACK_CHARACTERS = 4_000;

function stackOf(thrown: unknown): string {
  const lines: string[] = [];
  let next = thrown;
  for (let depth = 0; depth < 4 && next !== undefined; depth++) {
    lines.push(next instanceof Error ? (next.stack ?? next.message) : describe(next));
    next = next instanceof Error ? next.cause : undefined;
  }
  return lines.join("\ncaused by: ").slice(0, MAX_STACK_CHARACTERS);
}

/** What was thrown and is no Error. Of an object only names are said: its members may be a body. */
function describe(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null)
    return `${String(thrown)} (a value, not an Error)`;
  const { name = "Object" } = (Object.getPrototypeOf(thrown)?.constructor ?? {}) as {
    readonly name?: string;
  };
  const members = Object.keys(thrown).slice(0, 8).join(", ");
  return `an object of ${name}, not an Error, with ${members === "" ? "no members" : members}`;
}

/** Why a message can't be read, or a bug in words that tell nothing of it. */
export function readingError(
  thrown: unknown,
  serviceName: string,
  log: Logger,
  random: Random,
): AgentError {
  if (isAgentError(thrown)) return thrown;
  return new AgentError("ERR_INTERNAL", bug(thrown, serviceName, log, random).micro.detail);
}

/** What is said to a call that comes while the agent stops. */
export function draining(): AgentError {
  return new AgentError("ERR_RPC_DRAINING", "the agent is stopping and takes no new calls");
}
