/**
 * The part of the control socket that concerns trusted time; docs/time.md has the rest.
 *
 * | request | answer |
 * |---|---|
 * | `POST /v1/time/challenge` | `{device, epoch, nonce, forMs}`: what a time statement must answer |
 * | `POST /v1/time/statement` | `{statement}` -> `{floorMs, loweredFromMs?}`, or `ERR_TIME_STATEMENT` |
 *
 * What is known of the time stands in `GET /v1/status`.
 */
import { AgentError } from "../base/errors.ts";
import type { TimeChallenge } from "../identity/time/time-challenge.ts";

type Members = Readonly<Record<string, unknown>>;

/** What came of a statement that was accepted; Unix milliseconds. */
export interface StatementView {
  readonly floorMs: number;
  /** Where the floor was, if it was lowered. */
  readonly loweredFromMs?: number | undefined;
}

export interface TimeOperations {
  /** @throws AgentError `ERR_TIME_STATEMENT` when no answer could count. */
  challenge(): Promise<TimeChallenge>;
  /** @throws AgentError `ERR_TIME_STATEMENT` with the reason, when it does not count. */
  apply(statement: string): Promise<StatementView>;
}

/** By method and path. */
export function timeRoutes(
  operations: TimeOperations,
): ReadonlyMap<string, (members: Members) => Promise<unknown>> {
  return new Map<string, (members: Members) => Promise<unknown>>([
    ["POST /v1/time/challenge", () => operations.challenge()],
    ["POST /v1/time/statement", (members) => operations.apply(statementOf(members))],
  ]);
}

/** {@link TimeOperations} of an agent in another process. */
export class TimeClient implements TimeOperations {
  readonly #ask: (path: string, body: Members) => Promise<Members>;

  constructor(ask: (path: string, body: Members) => Promise<Members>) {
    this.#ask = ask;
  }

  async challenge(): Promise<TimeChallenge> {
    return (await this.#ask("/v1/time/challenge", {})) as unknown as TimeChallenge;
  }

  async apply(statement: string): Promise<StatementView> {
    return (await this.#ask("/v1/time/statement", { statement })) as unknown as StatementView;
  }
}

function statementOf(members: Members): string {
  const { statement } = members;
  if (typeof statement === "string" && statement !== "") return statement;
  throw new AgentError("ERR_CONTROL_REQUEST", "statement must be text and not empty");
}
