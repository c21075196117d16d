/**
 * One unary call, from its head to its answer.
 *
 * The answer is made exactly once: by a refusal, by the handler, or by the deadline; what comes later
 * is dropped. A handler that answers with a value is done within the read event; no promise is made.
 */
import { AgentError } from "../../base/errors.ts";
import type { Codec, OpenedRequest } from "../../wire/codec/codec.ts";
import type { BodyPlan } from "../../wire/mucp/message.ts";
import type { RequestMeta } from "../../wire/mucp/request.ts";
import type { UnaryEndpoint } from "../endpoint.ts";
import type { Verdict } from "../interceptor.ts";
import { admit } from "./admission.ts";
import type { ServedEndpoint } from "./endpoint-table.ts";
import { bug, type Failure, failureOf, isAnswerable, refusal } from "./failure.ts";
import { InboundCall } from "./inbound-call.ts";
import type { Receiver } from "./receiver.ts";
import { errorReply, goodReply } from "./replies.ts";
import type { CallHost } from "./server-context.ts";

// biome-ignore lint/suspicious/noExplicitAny: the endpoint pairs its own shapes and function
type AnyUnary = UnaryEndpoint<any, any>;

export class UnaryCall extends InboundCall implements Receiver {
  readonly stream = false;
  /** The finished answer, until it is its turn. */
  reply: Uint8Array | undefined;
  readonly #unary: AnyUnary;
  #settled = false;
  /** Set while an interceptor makes up its mind. */
  #undecided = false;
  #heldBody: Uint8Array | undefined;

  constructor(
    host: CallHost,
    meta: RequestMeta,
    served: ServedEndpoint,
    codec: Codec,
    unary: AnyUnary,
  ) {
    super(host, meta, served, codec);
    this.#unary = unary;
  }

  get plan(): BodyPlan {
    return this.#settled ? "discard" : "keep";
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Size of the request while its handler has it. */
  get pendingBytes(): number {
    return this.#settled ? 0 : this.requestBytes;
  }

  /** Whether an interceptor still decides; the connection reads no further meanwhile. */
  get undecided(): boolean {
    return this.#undecided;
  }

  /** Asks the interceptors. Afterwards the call is settled (refused), undecided, or waits for its body. */
  ask(): void {
    let verdict: Verdict | Promise<Verdict>;
    try {
      verdict = admit(this.host.context.interceptors, this);
    } catch (thrown) {
      this.#fail(bug(thrown, this.errorId, this.log, this.host.context.random));
      return;
    }
    if (verdict instanceof Promise) this.#await(verdict);
    else if (verdict !== undefined) this.refuse(verdict);
  }

  /** Answers with an error instead of running the handler, or instead of waiting for it. */
  refuse(error: AgentError): boolean {
    if (!this.#settled) {
      this.abort(error);
      this.#fail(refusal(error, this.errorId));
    }
    return true;
  }

  /** The body is complete. */
  receive(body: Uint8Array, opened?: OpenedRequest): void {
    if (this.#settled) return;
    this.requestBytes = body.byteLength;
    if (this.#undecided) {
      // What was opened looks at bytes that the connection uses again.
      this.#heldBody = new Uint8Array(body);
      return;
    }
    if (this.deadlineAt !== undefined && this.deadlineAt <= this.host.nowMs) {
      this.expire();
      return;
    }
    this.#run(body, opened);
  }

  /** The deadline has passed. */
  expire(): void {
    this.refuse(
      new AgentError("ERR_RPC_DEADLINE", `no answer within ${this.meta.timeoutMs ?? 0} ms`),
    );
  }

  /** The peer has gone: nobody is left to answer. */
  cancel(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#heldBody = undefined;
    this.abort(new AgentError("ERR_RPC_CANCELLED", "the caller closed the connection"));
    this.reportOutcome(499, "ERR_RPC_CANCELLED");
  }

  #await(verdict: Promise<Verdict>): void {
    this.#undecided = true;
    this.#noticeDeadline();
    verdict.then(
      (refused) => this.#decided(refused),
      (thrown: unknown) => {
        this.#undecided = false;
        this.#fail(bug(thrown, this.errorId, this.log, this.host.context.random));
      },
    );
  }

  #decided(refused: Verdict): void {
    this.#undecided = false;
    if (refused !== undefined) this.refuse(refused);
    const body = this.#heldBody;
    this.#heldBody = undefined;
    if (body !== undefined) this.#run(body);
    this.host.workChanged();
  }

  #run(body: Uint8Array, early?: OpenedRequest): void {
    let result: unknown;
    let later: boolean;
    try {
      const opened = early ?? this.codec.openRequest(body);
      if (opened !== undefined) this.envelope = opened.envelope;
      const { request: shape } = this.#unary;
      const request =
        opened === undefined ? this.codec.readRequest(body, shape) : opened.read(shape);
      result = this.#unary.handle(request, this);
      later = isThenable(result); // reads a member of what a handler made: may throw
    } catch (thrown) {
      this.#throw(thrown);
      return;
    }
    if (!later) {
      this.#answer(result);
      return;
    }
    this.#noticeDeadline();
    // A promise as it is; a thenable of another make settles once, whatever it does.
    Promise.resolve(result).then(
      (value) => this.#answer(value),
      (thrown: unknown) => this.#throw(thrown),
    );
  }

  #noticeDeadline(): void {
    if (this.deadlineAt !== undefined) this.host.noticeDue(this.deadlineAt);
  }

  #answer(value: unknown): void {
    if (this.#settled) return;
    let reply: Uint8Array;
    try {
      const body = this.codec.writeReply(value, this.#unary.response, this.envelope);
      reply = goodReply(this.meta, body, this.givenMetadata);
      this.replyBytes = body.byteLength;
    } catch (thrown) {
      if (isAnswerable(thrown)) {
        this.#throw(thrown);
      } else {
        this.#fail(bug(thrown, this.errorId, this.log, this.host.context.random));
      }
      return;
    }
    this.#settle(reply, 200, undefined);
  }

  #throw(thrown: unknown): void {
    if (this.#settled) return;
    this.#fail(failureOf(thrown, this.errorId, this.log, this.host.context.random));
  }

  #fail(failure: Failure): void {
    if (this.#settled) return;
    const { micro, code } = failure;
    if (code !== undefined) this.host.context.counters.refuse(code);
    this.#settle(errorReply(this.meta, this.codec, failure, this.envelope), micro.code, code);
  }

  #settle(reply: Uint8Array, status: number, code: string | undefined): void {
    this.#settled = true;
    this.#heldBody = undefined;
    this.reply = reply;
    this.reportOutcome(status, code);
    this.host.workChanged();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value instanceof Promise ||
    (typeof value === "object" &&
      value !== null &&
      "then" in value &&
      typeof value.then === "function")
  );
}
