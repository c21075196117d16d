/**
 * A bidirectional stream as its caller sees it.
 *
 *     await using chat = client.stream("greeter", "Greeter.Chat");
 *     await chat.send({ text: "hello" });
 *     for await (const reply of chat) { ... }
 *
 * - `send` resolves when the peer keeps up; a peer that does not read holds the sender.
 * - Replies that nobody reads fill a short queue, then the connection is not read any more.
 * - Leaving the loop, and `await using`, end the stream and close its connection, as go-micro does.
 * - `end()` only says that no more requests come. A microedge service may go on answering; a go-micro
 *   service answers nothing after it, so with one of those take your replies first.
 */
import { AgentError, isAgentError } from "../../base/errors.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";
import type { ServiceNode } from "../../registry/record.ts";
import type { Dialer } from "../../transport/dialer.ts";
import type { PeerConnection } from "../../transport/peer-connection.ts";
import type { MessageLimits, ResponseHead } from "../../wire/mucp/message.ts";
import {
  type AttemptResult,
  type AttemptsContext,
  endError,
  runAttempts,
  UNREACHABLE_MS,
  unreachable,
} from "./attempts.ts";
import type { CallLimit } from "./call-limit.ts";
import type { OutgoingCall } from "./outgoing-call.ts";
import { openingShape } from "./plain-shape.ts";
import { dialTarget } from "./pools.ts";
import { StreamConnection, type StreamReceiver } from "./stream-connection.ts";
import { StreamInbox } from "./stream-inbox.ts";

export interface StreamPlan<Q, R> {
  readonly call: OutgoingCall<Q, R>;
  readonly limit: CallLimit;
  /** `Micro-Id` and `Micro-Stream`. */
  readonly id: string;
  readonly fixed: ServiceNode | undefined;
  readonly maxAttempts: number;
  readonly inboxSize: number;
  /** After `end()`, in milliseconds: how long to wait for each further reply. */
  readonly endTimeoutMs: number;
  readonly messages: MessageLimits;
}

export interface StreamContext extends AttemptsContext {
  readonly clock: Clock;
  readonly dialer: Dialer;
}

interface OpenedStream {
  readonly node: ServiceNode;
  readonly connection: StreamConnection;
}

const NOTHING = new Uint8Array(0);

export class ClientStream<Q, R> implements AsyncIterable<R>, AsyncDisposable, StreamReceiver {
  readonly #plan: StreamPlan<Q, R>;
  readonly #context: StreamContext;
  readonly #onOver: (error: AgentError | undefined) => void;
  readonly #inbox: StreamInbox<R>;
  /** Resolves when connected or failed; never rejects. */
  readonly #opening: Promise<OpenedStream | undefined>;
  #opened: OpenedStream | undefined;
  #over: { readonly error: AgentError | undefined } | undefined;
  /** The caller said that it sends no more. */
  #ending = false;
  #endTimer: Timer | undefined;

  /** @param onOver Called once, when the stream is over. Made by `Client.stream`. */
  constructor(
    plan: StreamPlan<Q, R>,
    context: StreamContext,
    onOver: (error: AgentError | undefined) => void,
  ) {
    this.#plan = plan;
    this.#context = context;
    this.#onOver = onOver;
    this.#inbox = new StreamInbox(plan.inboxSize, () => this.#opened?.connection.resume());
    this.#opening = this.#open();
  }

  /** Address of the node; `undefined` until connected. */
  get node(): string | undefined {
    return this.#opened?.node.address;
  }

  /**
   * Sends one message; waits while the peer does not keep up.
   *
   * @throws AgentError `ERR_RPC_STREAM_ENDED` after the end of either side; the error that ended the
   *   stream; what encoding the message throws.
   */
  async send(message: Q): Promise<void> {
    if (this.#ending) throw this.#ended("this side");
    const bytes = this.#plan.call.encode(message, this.#plan.id);
    const opened = await this.#opening;
    if (opened === undefined || this.#over !== undefined) throw this.#ended("the service");
    const { call, limit } = this.#plan;
    await opened.connection.write(call.format(opened.node, this.#ids, limit.remainingMs, bytes));
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The next reply; `undefined` after the end. @throws AgentError the error that ended the stream. */
  async receive(): Promise<R | undefined> {
    return (await this.#inbox.next()).value;
  }

  /**
   * Says that no more messages come. Replies are still read, until the service ends the stream or
   * closes, or `endTimeoutMs` pass without one: `ERR_RPC_DEADLINE`, since some may be missing.
   */
  async end(): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const opened = await this.#opening;
    if (this.#failure !== undefined) throw this.#failure;
    if (opened === undefined || this.#over !== undefined) return;
    await opened.connection.write(this.#endMessage(opened));
    this.#awaitEnd();
  }

  /** Ends the stream and closes its connection; unread replies are dropped. May be called again. */
  async close(): Promise<void> {
    const opened = this.#opened;
    if (this.#over === undefined) {
      if (opened !== undefined && !this.#ending)
        void opened.connection.write(this.#endMessage(opened));
      if (opened === undefined) this.#plan.limit.abort(); // first: finishing stops watching it
      this.#finish(undefined);
    }
    this.#inbox.discard();
    await this.#opening;
    await (this.#opened ?? opened)?.connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<R, undefined> {
    return {
      next: () => this.#inbox.next(),
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  /** Of {@link StreamReceiver}: for the connection. */
  onReply(head: ResponseHead, body: Uint8Array): boolean {
    const opened = this.#opened;
    if (opened === undefined || this.#over !== undefined) return true;
    try {
      const reply = this.#plan.call.read(head, body, opened.node, this.#context.clock.now());
      if (reply.kind === "end") this.#finish(undefined);
      else this.#inbox.push(reply.body);
    } catch (thrown) {
      this.#finish(
        isAgentError(thrown)
          ? thrown
          : new AgentError("ERR_INTERNAL", "reading a reply failed", { cause: thrown }),
      );
    }
    if (this.#over !== undefined) void opened.connection.close();
    else if (this.#endTimer !== undefined) this.#awaitEnd();
    return !this.#inbox.isFull;
  }

  /** Of {@link StreamReceiver}: for the connection. */
  onClosed(error: AgentError | undefined): void {
    const unexpected = new AgentError(
      "ERR_RPC_CONNECTION_LOST",
      `${this.#plan.call.what}: ${this.node} closed the connection without ending the stream`,
      { fields: { node: this.node ?? "" } },
    );
    // After our end a close is an answer: go-micro knows no other.
    this.#finish(error ?? (this.#ending ? undefined : unexpected));
  }

  async #open(): Promise<OpenedStream | undefined> {
    const { call, fixed, limit, maxAttempts } = this.#plan;
    try {
      const { value, node } = await runAttempts<PeerConnection>(
        {
          what: call.what,
          service: call.service,
          fixed,
          limit,
          maxAttempts,
          idempotent: false, // nothing was sent: connecting may be repeated anyway
          attempt: (tried, _attempt, connectMs) => this.#dial(tried, connectMs),
        },
        this.#context,
      );
      return this.#attach(value, node);
    } catch (thrown) {
      if (!isAgentError(thrown)) throw thrown;
      this.#finish(thrown);
      return undefined;
    }
  }

  async #dial(node: ServiceNode, connectMs: number): Promise<AttemptResult<PeerConnection>> {
    const { call, limit } = this.#plan;
    const { clock, dialer } = this.#context;
    const controller = new AbortController();
    limit.watch(() => controller.abort());
    const giveUp = (): void => controller.abort(unreachable(call.what, node, connectMs));
    const timer = connectMs < MAX_TIMER_MS ? clock.setTimer(connectMs, giveUp) : undefined;
    const startedAt = clock.monotonicMs();
    try {
      const peer = await dialer.dial(dialTarget(node), controller.signal);
      return { ok: true, value: peer };
    } catch (thrown) {
      const waited = clock.monotonicMs() - startedAt >= UNREACHABLE_MS;
      const outcome = limit.ended === "deadline" && waited ? "failed" : undefined;
      const error = this.#dialError(call.what, thrown);
      return { ok: false, sent: false, answered: false, outcome, error };
    } finally {
      timer?.cancel();
      limit.unwatch();
    }
  }

  #dialError(what: string, thrown: unknown): AgentError {
    const { limit } = this.#plan;
    if (limit.ended !== undefined) return endError(what, limit, limit.ended, "a connection");
    if (isAgentError(thrown)) return thrown;
    return new AgentError("ERR_RPC_CONNECT", `${what}: cannot connect`, { cause: thrown });
  }

  #attach(peer: PeerConnection, node: ServiceNode): OpenedStream | undefined {
    const { call, id, limit, messages } = this.#plan;
    const { clock } = this.#context;
    const connection = new StreamConnection(peer, node.address, messages, clock, this);
    if (this.#over !== undefined) {
      connection.abort();
      return undefined;
    }
    this.#opened = { node, connection };
    limit.watch((end) => {
      this.#finish(endError(call.what, limit, end, `the end of the stream with ${node.address}`));
      connection.abort();
    });
    const opening = call.encodeAs(undefined, openingShape, id);
    void connection.write(call.format(node, this.#ids, limit.remainingMs, opening));
    return this.#opened;
  }

  #endMessage({ node }: OpenedStream): Uint8Array {
    return this.#plan.call.format(node, this.#ids, this.#plan.limit.remainingMs, NOTHING, true);
  }

  get #ids(): { readonly id: string; readonly streamId: string } {
    return { id: this.#plan.id, streamId: this.#plan.id };
  }

  get #failure(): AgentError | undefined {
    return this.#over?.error;
  }

  #ended(by: string): AgentError {
    const { what } = this.#plan.call;
    return (
      this.#failure ?? new AgentError("ERR_RPC_STREAM_ENDED", `${what}: ${by} has ended the stream`)
    );
  }

  /** Waits for one more reply, or for the end. */
  #awaitEnd(): void {
    this.#endTimer?.cancel();
    if (this.#over !== undefined) return;
    const { call, endTimeoutMs } = this.#plan;
    this.#endTimer = this.#context.clock.setTimer(endTimeoutMs, () => {
      // A full queue means that our own reader is slow, not the service.
      if (this.#inbox.isFull) {
        this.#awaitEnd();
        return;
      }
      const opened = this.#opened;
      this.#finish(
        new AgentError(
          "ERR_RPC_DEADLINE",
          `${call.what}: ${this.node} did not end the stream within ${endTimeoutMs} ms of our end; a go-micro service never does: read its replies before the end`,
        ),
      );
      opened?.connection.abort();
    });
  }

  #finish(error: AgentError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#endTimer?.cancel();
    this.#plan.limit.unwatch();
    this.#inbox.end(error);
    this.#onOver(error);
  }
}
