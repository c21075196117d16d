/**
 * One stream: messages in, messages out, an end from either side (`docs/wire.md`, "Streams").
 *
 * The message that opens a stream carries a body that go-micro discards, and so do we. Each reply is
 * encoded into bytes of its own: go-micro reuses one buffer and corrupts what is queued. The handler is
 * pulled no faster than the peer reads. We end a stream with `EOS` even when the peer has ended its
 * side, so that a caller knows that nothing is missing; a go-micro caller has closed by then: it ends
 * its side and closes in one breath, and what it sent before is handled all the same.
 */
import { AgentError } from "../../base/errors.ts";
import type { Codec } from "../../wire/codec/codec.ts";
import type { BodyPlan } from "../../wire/mucp/message.ts";
import type { RequestMeta } from "../../wire/mucp/request.ts";
import type { StreamEndpoint } from "../endpoint.ts";
import type { Verdict } from "../interceptor.ts";
import { admit } from "./admission.ts";
import type { Holder } from "./buffer-budget.ts";
import type { ServedEndpoint } from "./endpoint-table.ts";
import { bug, type Failure, failureOf, isAnswerable, refusal } from "./failure.ts";
import { InboundCall } from "./inbound-call.ts";
import { MessageBacklog } from "./message-backlog.ts";
import type { Receiver } from "./receiver.ts";
import { endOfStreamReply, errorReply, goodReply } from "./replies.ts";
import type { CallHost } from "./server-context.ts";

// biome-ignore lint/suspicious/noExplicitAny: the endpoint pairs its own shapes and function
type AnyStream = StreamEndpoint<any, any>;

/** Marks an encoding failure: the handler's bug, not the peer's. */
class ReplyUnwritable extends Error {}

export class StreamCall extends InboundCall implements Receiver, Holder {
  readonly stream = true;
  readonly #endpoint: AnyStream;
  readonly #onOver: () => void;
  readonly #backlog: MessageBacklog<unknown>;
  #over = false;
  #peerEnded = false;
  #undecided = false;
  #metadataSent = false;
  /** The peer has ended its side and gone; the handler still reads. */
  #left = false;
  /** The handler has taken a message since it last yielded. */
  #taken = false;

  /** @param onOver Called once, when the stream has ended on the wire. */
  constructor(
    host: CallHost,
    meta: RequestMeta,
    served: ServedEndpoint,
    codec: Codec,
    endpoint: AnyStream,
    onOver: () => void,
  ) {
    super(host, meta, served, codec);
    this.#endpoint = endpoint;
    this.#onOver = onOver;
    this.#backlog = new MessageBacklog<unknown>({
      decode: (message) => this.#decode(message),
      onTaken: () => {
        this.#stateLeft();
        host.workChanged();
      },
      onUndecodable: (thrown) => this.#fail(thrown),
    });
  }

  get peerKey(): string {
    return this.host.peerKey;
  }

  /** As a holder of bytes it is one whose peer has gone. */
  get listens(): boolean {
    return false;
  }

  get streamId(): string {
    return this.meta.streamId ?? "";
  }

  get plan(): BodyPlan {
    return "keep";
  }

  /** Whether the peer has said that it sends no more. */
  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  /** The handler has more waiting than it may: the connection stops reading. */
  get full(): boolean {
    const { maxStreamBacklog, maxStreamBacklogBytes } = this.host.context.limits;
    return (
      this.#undecided ||
      this.#backlog.length >= maxStreamBacklog ||
      this.#backlog.bytes >= maxStreamBacklogBytes
    );
  }

  /** Bytes of messages that the handler has not taken. */
  get heldBytes(): number {
    return this.#backlog.bytes;
  }

  /** Asks the interceptors and, if they agree, starts the handler. */
  open(): void {
    let verdict: Verdict | Promise<Verdict>;
    try {
      verdict = admit(this.host.context.interceptors, this);
    } catch (thrown) {
      this.#failAsBug(thrown);
      return;
    }
    if (verdict instanceof Promise) {
      this.#undecided = true;
      verdict.then(
        (refused) => this.#decided(refused),
        (thrown: unknown) => {
          this.#undecided = false;
          this.#failAsBug(thrown);
        },
      );
    } else {
      this.#decided(verdict);
    }
  }

  /** One message of the peer is complete. */
  receive(body: Uint8Array): void {
    if (this.#over || this.#peerEnded) return;
    this.requestBytes += body.byteLength;
    try {
      this.#backlog.push(body);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** The peer has ended its side. */
  receiveEnd(): void {
    this.#peerEnded = true;
    this.#backlog.end();
  }

  /** The peer ended its side with an error of its own, as go-micro allows. */
  receiveError(text: string): void {
    this.#peerEnded = true;
    this.refuse(new AgentError("ERR_RPC_CANCELLED", `the caller ended the stream: ${text}`));
  }

  /** Ends the stream with an error. */
  refuse(error: AgentError): boolean {
    this.#end(refusal(error, this.errorId), error);
    return true;
  }

  expire(): void {
    this.refuse(
      new AgentError(
        "ERR_RPC_DEADLINE",
        `the stream did not end within ${this.meta.timeoutMs ?? 0} ms`,
      ),
    );
  }

  /** The connection is over: nobody is left to answer. */
  cancel(): void {
    if (this.#over) return;
    const reason = new AgentError("ERR_RPC_CANCELLED", "the caller closed the connection");
    this.#finish(499, reason.code, reason);
  }

  /**
   * The peer has gone. If it had ended its side before, all that it sent is here, and the handler
   * reads it to its end, though nobody takes an answer.
   */
  leave(): void {
    if (!this.#peerEnded) this.cancel();
    if (this.#over || this.#left) return;
    this.#left = true;
    this.#stateLeft();
    this.abort(new AgentError("ERR_RPC_CANCELLED", "the caller closed the connection"));
  }

  /** What the agent holds for peers that have gone is too much. */
  shed(): void {
    this.cancel();
  }

  #stateLeft(): void {
    if (this.#left) this.host.context.budget.state(this, this.#over ? 0 : this.#backlog.bytes);
  }

  #decided(refused: Verdict): void {
    this.#undecided = false;
    if (this.#over) return;
    if (refused !== undefined) {
      this.refuse(refused);
      return;
    }
    if (this.deadlineAt !== undefined) this.host.noticeDue(this.deadlineAt);
    this.host.workChanged();
    for (const interceptor of this.host.context.interceptors) interceptor.opened?.(this);
    // #run never rejects: every outcome ends in #end.
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      for await (const value of this.#endpoint.handle(this.#backlog, this)) {
        if (this.#over) return; // the deadline or the peer ended it; leaving the loop tells the handler
        if (this.#left && !this.#taken) {
          this.cancel(); // it has read what it wanted, and talks to nobody
          return;
        }
        this.#taken = false;
        if (this.#left) continue;
        this.#send(value);
        while (this.host.outbox.blocked && !this.#over) await this.host.outbox.drained();
      }
      this.#end(undefined);
    } catch (thrown) {
      if (this.#over) return; // what a handler throws after it was aborted has no reader
      if (thrown instanceof ReplyUnwritable) this.#failAsBug(thrown.cause);
      else this.#fail(thrown);
    }
  }

  #decode(message: Uint8Array): unknown {
    this.#taken = true;
    const opened = this.codec.openRequest(message);
    if (opened === undefined) return this.codec.readRequest(message, this.#endpoint.request);
    this.envelope = opened.envelope;
    return opened.read(this.#endpoint.request);
  }

  #fail(thrown: unknown): void {
    this.#end(failureOf(thrown, this.errorId, this.log, this.host.context.random));
  }

  #send(value: unknown): void {
    let reply: Uint8Array;
    try {
      const body = this.codec.writeReply(value, this.#endpoint.response, this.envelope);
      reply = goodReply(this.meta, body, this.#metadataSent ? undefined : this.givenMetadata);
      this.replyBytes += body.byteLength;
    } catch (cause) {
      if (isAnswerable(cause)) throw cause;
      throw new ReplyUnwritable("reply can't be written", { cause });
    }
    this.#metadataSent = true;
    this.host.outbox.push(reply);
  }

  #failAsBug(thrown: unknown): void {
    this.#end(bug(thrown, this.errorId, this.log, this.host.context.random));
  }

  /** Ends the stream on the wire: with an error, or with `EOS`. */
  #end(failure: Failure | undefined, reason?: AgentError): void {
    if (this.#over) return;
    const { outbox, context } = this.host;
    if (failure === undefined) {
      outbox.push(endOfStreamReply(this.meta, this.codec, this.envelope));
      this.#finish(200, undefined, undefined);
      return;
    }
    if (failure.code !== undefined) context.counters.refuse(failure.code);
    outbox.push(errorReply(this.meta, this.codec, failure, this.envelope));
    this.#finish(
      failure.micro.code,
      failure.code,
      reason ?? new AgentError("ERR_RPC_CANCELLED", "the stream ended with an error"),
    );
  }

  #finish(status: number, code: string | undefined, reason: AgentError | undefined): void {
    this.#over = true;
    this.#undecided = false;
    if (reason === undefined) {
      void this.#backlog.return();
    } else {
      this.#backlog.fail(reason);
      this.abort(reason);
    }
    this.#stateLeft();
    this.reportOutcome(status, code);
    this.#onOver();
  }
}
