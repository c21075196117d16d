/**
 * One attempt of a unary call on one node: get a connection, send, take the reply, decode it. Settles
 * exactly once; whatever ends it early gives the connection up, never back.
 */
import { AgentError, errorText, isAgentError } from "../../base/errors.ts";
import type { Clock, Timer } from "../../host/clock.ts";
import type { ResponseHead } from "../../wire/mucp/message.ts";
import type { AttemptResult } from "./attempts.ts";
import type { CallLimit, LimitEnd } from "./call-limit.ts";
import type { ClientConnection, Exchange } from "./connection.ts";
import type { NodePool, Waiter } from "./node-pool.ts";
import type { AttemptFailure } from "./retry.ts";

type Metadata = readonly (readonly [name: string, value: string])[];

export interface AttemptPlan<T> {
  /** @throws AgentError `ERR_REGISTRY_ADDRESS`. */
  pool(): NodePool;
  readonly limit: CallLimit;
  readonly clock: Clock;
  /** For this attempt, counted from the moment it has a connection. */
  readonly timeoutMs: number | undefined;
  /** What goes out as metadata, for the connection to remember. */
  readonly metadata: Metadata;
  /** Made when a connection is there, since it carries the time that is left then. */
  formatRequest(): Uint8Array;
  /**
   * @param first Metadata of the first call on the connection.
   * @throws AgentError the error that the reply is, or that reading it made.
   */
  readReply(head: ResponseHead, body: Uint8Array, first: Metadata): T;
  /** The error of a call that ran out of time or was aborted. */
  endError(end: LimitEnd, waitedFor: "a connection" | "the reply"): AgentError;
}

/** Never rejects. */
export function attemptUnary<T>(plan: AttemptPlan<T>): Promise<AttemptResult<T>> {
  return new Promise((resolve) => new UnaryAttempt(plan, resolve).start());
}

class UnaryAttempt<T> implements Waiter, Exchange {
  readonly #plan: AttemptPlan<T>;
  readonly #settle: (result: AttemptResult<T>) => void;
  #pool: NodePool | undefined;
  #connection: ClientConnection | undefined;
  #timer: Timer | undefined;
  #settled = false;

  constructor(plan: AttemptPlan<T>, settle: (result: AttemptResult<T>) => void) {
    this.#plan = plan;
    this.#settle = settle;
  }

  start(): void {
    this.#plan.limit.watch(this.#onEnd);
    if (this.#settled) return;
    try {
      this.#pool = this.#plan.pool();
    } catch (thrown) {
      this.refused(asAgentError(thrown, "finding a connection failed"));
      return;
    }
    this.#pool.acquire(this);
  }

  ready(connection: ClientConnection): void {
    this.#connection = connection;
    const { clock, timeoutMs } = this.#plan;
    if (timeoutMs !== undefined) {
      this.#timer = clock.setTimer(timeoutMs, () => this.#onEnd("deadline"));
    }
    connection.firstMetadata ??= this.#plan.metadata;
    let request: Uint8Array;
    try {
      request = this.#plan.formatRequest();
    } catch (thrown) {
      connection.abort(); // unused, but no longer in the pool
      this.refused(asAgentError(thrown, "writing the request failed"));
      return;
    }
    connection.send(request, this);
  }

  refused(error: AgentError): void {
    this.#fail({ error, sent: false, answered: false });
  }

  onReply(head: ResponseHead, body: Uint8Array): void {
    let value: T;
    try {
      value = this.#plan.readReply(head, body, this.#connection?.firstMetadata ?? []);
    } catch (thrown) {
      const error = asAgentError(thrown, "reading the reply failed");
      this.#fail({ error, sent: true, answered: true });
      return;
    }
    this.#finish({ ok: true, value });
  }

  onLost(error: AgentError, sent: boolean): void {
    this.#fail({ error, sent, answered: false });
  }

  readonly #onEnd = (end: LimitEnd): void => {
    if (this.#settled) return;
    const connection = this.#connection;
    const waitedFor = connection === undefined ? "a connection" : "the reply";
    this.#fail({
      error: this.#plan.endError(end, waitedFor),
      sent: connection !== undefined,
      answered: false,
    });
    // Its late reply would be taken for the next call's.
    if (connection === undefined) this.#pool?.cancel(this);
    else connection.abort();
  };

  #fail(failure: AttemptFailure & { readonly answered: boolean }): void {
    this.#finish({ ok: false, ...failure });
  }

  #finish(result: AttemptResult<T>): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#timer?.cancel();
    this.#plan.limit.unwatch();
    this.#settle(result);
  }
}

function asAgentError(thrown: unknown, what: string): AgentError {
  if (isAgentError(thrown)) return thrown;
  return new AgentError("ERR_INTERNAL", `${what}: ${errorText(thrown)}`, { cause: thrown });
}
