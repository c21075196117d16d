/**
 * One attempt of a unary call on one node: get a connection, send, take the reply, decode it. Settles
 * exactly once; whatever ends it early gives the connection up, never back.
 */
import { AgentError, errorText, isAgentError } from "../../base/errors.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";
import type { NodeOutcome } from "../../registry/selector.ts";
import type { ResponseHead } from "../../wire/mucp/message.ts";
import { type AttemptResult, UNREACHABLE_MS } from "./attempts.ts";
import type { CallLimit, LimitEnd } from "./call-limit.ts";
import type { ClientConnection, Exchange } from "./connection.ts";
import type { NodePool, Waiter } from "./node-pool.ts";

type Failure = Omit<Extract<AttemptResult<unknown>, { ok: false }>, "ok">;
type Metadata = readonly (readonly [name: string, value: string])[];

export interface AttemptPlan<T> {
  /** @throws AgentError `ERR_REGISTRY_ADDRESS`. */
  pool(): NodePool;
  readonly limit: CallLimit;
  readonly clock: Clock;
  /** For this attempt, counted from the moment it has a connection. */
  readonly timeoutMs: number | undefined;
  /** For the wait for a connection; infinite: until the call's limit ends. */
  readonly connectMs: number;
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
  /** The error when `connectMs` are over. */
  unreachable(): AgentError;
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
  #startedAt = 0;
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
    if (this.#connection !== undefined || this.#settled) return;
    const { clock, connectMs } = this.#plan;
    this.#startedAt = clock.monotonicMs();
    if (connectMs < MAX_TIMER_MS) this.#timer = clock.setTimer(connectMs, this.#onUnreachable);
  }

  ready(connection: ClientConnection): void {
    this.#connection = connection;
    const { clock, timeoutMs } = this.#plan;
    this.#timer?.cancel();
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
    if (connection === undefined) {
      const outcome = end === "deadline" ? this.#outcomeOfWaiting() : undefined;
      this.#giveUpWaiting(this.#plan.endError(end, "a connection"), outcome);
      return;
    }
    this.#fail({ error: this.#plan.endError(end, "the reply"), sent: true, answered: false });
    connection.abort(); // its late reply would be taken for the next call's
  };

  readonly #onUnreachable = (): void =>
    this.#giveUpWaiting(this.#plan.unreachable(), this.#outcomeOfWaiting());

  #giveUpWaiting(error: AgentError, outcome: NodeOutcome | undefined): void {
    this.#fail({ error, sent: false, answered: false, outcome });
    this.#pool?.cancel(this);
  }

  /** A node with open connections is busy, not away; and a short wait says nothing. */
  #outcomeOfWaiting(): NodeOutcome {
    const waitedMs = this.#plan.clock.monotonicMs() - this.#startedAt;
    const away = this.#pool?.status.open === 0 && waitedMs >= UNREACHABLE_MS;
    return away ? "failed" : "neutral";
  }

  #fail(failure: Failure): void {
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
