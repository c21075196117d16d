/**
 * One connection of the mucp server: reads messages, hands them to calls and streams, answers, and ends
 * when it should. It owns the socket. What a call does is in `unary-call.ts` and `stream-call.ts`.
 *
 * A message that can't be read is answered once, after every answer that is still owed. Then our side
 * ends, and what still arrives is dropped for a moment: a connection closed with unread bytes is reset,
 * and the peer would never see why.
 */
import type { Socket } from "node:net";
import { AgentError, isAgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { type Principal, principalName } from "../../base/principal.ts";
import type { PeerConnection } from "../../transport/peer-connection.ts";
import type { BodyPlan, MessageSink, RequestHead } from "../../wire/mucp/message.ts";
import { type MessageReader, requestReader } from "../../wire/mucp/message-reader.ts";
import { CONTINUE } from "../../wire/mucp/message-writer.ts";
import { type Holder, peerKeyOf } from "./buffer-budget.ts";
import type { Due } from "./due-timer.ts";
import { Ending } from "./ending.ts";
import { draining, readingError, refusal } from "./failure.ts";
import { OpenStreams } from "./open-streams.ts";
import { Outbox } from "./outbox.ts";
import { ReadingLimits } from "./reading-limits.ts";
import { ReadingPause } from "./reading-pause.ts";
import type { Receiver } from "./receiver.ts";
import { connectionErrorReply } from "./replies.ts";
import { ReplyOrder } from "./reply-order.ts";
import { RequestRouter } from "./request-router.ts";
import type { CallHost, ConnectionOwner, ServerContext } from "./server-context.ts";
import { Share, type Waiting } from "./turns.ts";

export class MucpConnection implements CallHost, MessageSink<RequestHead>, Due, Holder, Waiting {
  readonly context: ServerContext;
  readonly principal: Principal;
  readonly log: Logger;
  readonly outbox: Outbox;
  readonly peerKey: string;
  nowMs: number;
  dueAt = Number.POSITIVE_INFINITY;

  readonly #socket: Socket;
  /** Tells the listener, which closes the longest idle when it needs a place. */
  readonly #setIdle: ((idle: boolean) => void) | undefined;
  readonly #owner: ConnectionOwner;
  readonly #reader: MessageReader<RequestHead>;
  readonly #reading: ReadingLimits;
  readonly #pause: ReadingPause;
  readonly #order: ReplyOrder;
  readonly #streams = new OpenStreams();
  readonly #router: RequestRouter;
  readonly #ending: Ending;
  readonly #share: Share;
  /** Takes the body of the message at hand. */
  #receiver: Receiver | undefined;
  /** A message ended within the present read. */
  #completed = false;
  #inRead = false;
  /** No more requests are read; what is owed is still answered. */
  #finishing = false;
  /** What it sent last is all that there is to read. */
  #peerGone = false;
  #closed = false;
  /** As last stated to the budget. */
  #heldBytes = 0;

  constructor(context: ServerContext, peer: PeerConnection, log: Logger, owner: ConnectionOwner) {
    const { principal, socket } = peer;
    this.context = context;
    this.principal = principal;
    this.log = log.with({
      peer: principalName(principal),
      // A name that nobody vouches for must not read like one that somebody does.
      verified: principal.verified ? undefined : false,
      remote: principal.remote,
    });
    this.nowMs = context.clock.monotonicMs();
    this.#socket = socket;
    this.#setIdle = peer.setIdle;
    this.#owner = owner;
    this.peerKey = peerKeyOf(principal);
    this.outbox = new Outbox(socket, context.clock, () => this.workChanged());
    this.#reader = requestReader(context.limits);
    this.#reading = new ReadingLimits(context.limits, this.nowMs);
    this.#pause = new ReadingPause(socket, this.#reader, context.limits);
    this.#order = new ReplyOrder(this.outbox);
    this.#router = new RequestRouter(this, this.#order, this.#streams, owner);
    this.#ending = new Ending(context.limits, this.outbox);
    this.#share = new Share(context.turns, this);
  }

  /** Begins to read. Call once. */
  open(): void {
    const socket = this.#socket;
    socket.on("error", () => socket.destroy()); // a reset is an everyday end; "close" follows
    socket.on("close", this.#onClose);
    if (socket.destroyed) {
      this.#onClose();
      return;
    }
    socket.on("end", this.#onEnd);
    socket.on("finish", this.#onFinish);
    this.context.timer.watch(this);
    this.noticeDue(this.#reading.dueAt(false));
    socket.on("data", this.#onData);
  }

  /** Whether a call or a stream is open. */
  get busy(): boolean {
    return this.#order.size > 0 || this.#streams.size > 0;
  }

  /** Ends as soon as what is open is done; the owner says that it drains. */
  drain(): void {
    this.#settle();
  }

  get listens(): boolean {
    return !this.#finishing && !this.outbox.blocked;
  }

  /** All connections together hold too much, and this one the most of it. */
  shed(error: AgentError): void {
    this.#heldBytes = 0;
    if (this.listens) {
      this.#read(() => this.#refuse(error));
      return;
    }
    // A peer that does not read can't be told; handlers that go on after a refusal are aborted.
    if (!this.#finishing) this.#countRefusal(error);
    this.destroy();
  }

  /** Ends at once; open calls are aborted. */
  destroy(): void {
    this.#finishing = true;
    this.#order.cancel();
    this.#streams.cancel();
    this.#socket.destroy();
  }

  noticeDue(atMs: number): void {
    if (this.#closed || atMs >= this.dueAt) return;
    this.dueAt = atMs;
    this.context.timer.noticeEarlier(atMs);
  }

  workChanged(): void {
    if (this.#inRead || this.#closed) return; // the end of the read looks at everything
    this.nowMs = this.context.clock.monotonicMs();
    this.#order.release();
    if (!this.busy) {
      this.#reading.becameIdle(this.nowMs);
      if (!this.#finishing) this.#setIdle?.(this.#unasked);
    }
    this.#settle();
  }

  /** It is served again, after all others that wait for it. */
  takeTurn(): void {
    this.#share.renew();
    this.nowMs = this.context.clock.monotonicMs();
    this.#settle();
  }

  onHead(head: RequestHead): BodyPlan {
    if (this.#finishing) return "discard";
    const receiver = this.#router.route(head, this.#peerGone);
    this.#receiver = receiver;
    const { plan } = receiver;
    if (head.expectContinue) {
      if (plan === "keep") this.outbox.push(CONTINUE);
      // A peer that was refused may leave out its body; where its next message begins is unknown.
      else this.#finish();
    }
    return plan;
  }

  onMessage(head: RequestHead, body: Uint8Array): void {
    this.#completed = true;
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (this.#finishing) return;
    receiver?.receive(body);
    this.#share.spend(this.#reader.received);
    this.#order.release();
    if (head.close) this.#finish();
    else if (!this.#peerGone && this.#mustPause()) this.#reader.hold();
  }

  onDue(nowMs: number): void {
    this.dueAt = Number.POSITIVE_INFINITY;
    this.nowMs = nowMs;
    this.outbox.cork();
    this.noticeDue(Math.min(this.#order.expire(nowMs), this.#streams.expire(nowMs)));
    if (!this.#finishing && !this.#pause.on) this.#checkReading(nowMs);
    this.#order.release();
    this.outbox.uncork();
    this.#pause.look(nowMs);
    const cut = this.#ending.overdue(nowMs);
    if (cut === undefined) {
      this.#settle();
      return;
    }
    if (cut === "stalled") {
      const words = `the peer took no answer for ${this.context.limits.writeTimeoutMs} ms`;
      this.#countRefusal(new AgentError("ERR_WIRE_TIMEOUT", words));
    }
    this.destroy();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#finishing) return;
    this.#pause.came();
    this.#read(() => this.#reader.push(chunk, this));
  };

  /** What the reader kept while we paused comes first; then the socket goes on. */
  #resume(): void {
    this.#pause.end();
    this.#read(() => {
      this.#reading.restart(this.#reader.received, this.nowMs);
      this.#reader.resume(this);
    });
    this.#pause.flow();
  }

  #read(step: () => void): void {
    this.#beginRead();
    try {
      step();
    } catch (thrown) {
      this.#refuse(thrown);
    }
    this.#endRead();
  }

  #beginRead(): void {
    this.nowMs = this.context.clock.monotonicMs();
    this.#inRead = true;
    this.#completed = false;
    this.outbox.cork();
  }

  /** All that was answered within one read goes out in one write. */
  #endRead(): void {
    const { phase, received } = this.#reader;
    this.#order.release();
    this.#inRead = false;
    this.outbox.uncork();
    this.#reading.afterRead(phase, this.#completed, received, this.nowMs);
    if (!this.#finishing) this.#setIdle?.(this.#unasked && !this.busy);
    this.#settle();
  }

  /** Brings reading, ending and time limits in line with what is open. */
  #settle(): void {
    if (this.#closed || this.#inRead) return;
    this.#stateHeld();
    if (this.#closed) return;
    if (this.#owner.draining && !this.#finishing) this.#drainOn();
    if (this.#finishing) {
      this.#endIfDone();
    } else if (this.#mustPause()) {
      this.#pause.begin(this.nowMs);
    } else if (this.#pause.on) {
      this.#resume();
      return;
    }
    this.#noticeLimits();
  }

  #stateHeld(): void {
    const bytes =
      this.#reader.buffered +
      this.outbox.heldBytes +
      this.#order.heldBytes +
      this.#streams.heldBytes +
      this.#pause.heldBytes(this.#share.over);
    if (bytes === this.#heldBytes) return;
    this.#heldBytes = bytes;
    this.context.budget.state(this, bytes);
  }

  #noticeLimits(): void {
    if (!this.#finishing) {
      this.noticeDue(this.#pause.on ? this.#pause.lookAt : this.#reading.dueAt(this.busy));
    }
    this.noticeDue(this.#ending.dueAt);
  }

  /** Nothing new is waited for, nor the rest of a request: what is not complete was never taken. */
  #drainOn(): void {
    if (this.#unasked && !this.busy) this.#finish();
    if (this.#reader.phase === "idle" || this.#pause.on || this.#share.over) return;
    if (this.#order.taken(this.#receiver) + this.#streams.size > 0) return;
    this.#read(() => this.#refuse(draining()));
  }

  /** The peer has begun no message, and none waits to be read. */
  get #unasked(): boolean {
    return this.#reader.phase === "idle" && !this.#share.over && !this.#pause.on;
  }

  #mustPause(): boolean {
    return (
      this.#share.over ||
      this.outbox.blocked ||
      this.#order.full(this.context.limits) ||
      this.#streams.full
    );
  }

  #checkReading(nowMs: number): void {
    const overrun = this.#reading.check(this.busy, this.#reader.received, nowMs);
    if (overrun === undefined) return;
    if (overrun.action === "refuse") this.#refuse(overrun.error);
    else this.#finish();
  }

  /** Answers a message that can't be read, as the last thing on this connection. */
  #refuse(thrown: unknown): void {
    const { serviceName, random } = this.context;
    const error = readingError(thrown, serviceName, this.log, random);
    this.#countRefusal(error);
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (receiver?.refuse(error) !== true) {
      this.#order.add({ reply: connectionErrorReply(refusal(error, serviceName).micro) });
    }
    this.#reader.drop();
    this.#streams.cancel();
    this.#finish();
    this.#ending.refused(this.nowMs);
  }

  #countRefusal(error: AgentError): void {
    this.context.counters.refuseMessage(error.code);
    this.log.emit("rpc.message.refused", { code: error.code, reason: error.message });
  }

  /** Reads no more; the connection ends when all that is owed has been answered. */
  #finish(): void {
    this.#finishing = true;
    this.#share.leave();
    this.#streams.endInput();
    if (this.#pause.on) {
      this.#pause.end();
      this.#pause.flow(); // to see the peer's end
    }
  }

  #endIfDone(): void {
    if (!this.busy) this.#ending.begin(this.nowMs);
  }

  /** All that we sent is with the kernel. */
  readonly #onFinish = (): void => {
    this.nowMs = this.context.clock.monotonicMs();
    this.#ending.sent(this.nowMs);
    this.noticeDue(this.#ending.dueAt);
  };

  /** The peer sends no more. mucp has no half-close: nobody waits for an answer any more. */
  readonly #onEnd = (): void => {
    this.#leave(() => this.#reader.end(this));
    this.#settle();
  };

  /** Of what has come, nothing is lost to a stream that the peer had ended; all else is cancelled. */
  #leave(last?: () => void): void {
    if (this.#peerGone) return;
    this.#peerGone = true;
    this.#beginRead();
    try {
      if (!this.#finishing) this.#reader.resume(this);
      if (!this.#finishing) last?.();
    } catch (thrown) {
      if (!isAgentError(thrown)) throw thrown;
      this.#countRefusal(thrown);
    }
    this.#finishing = true;
    this.#share.leave();
    this.#reader.drop();
    this.#order.cancel();
    this.#streams.leave();
    this.#inRead = false;
    this.outbox.uncork();
  }

  readonly #onClose = (): void => {
    if (this.#closed) return;
    this.#leave();
    this.#closed = true;
    this.outbox.close();
    this.context.budget.state(this, 0);
    this.context.timer.forget(this);
    this.#owner.onClosed(this);
  };
}
