/**
 * From the head of a message to who takes its body: a new call, an open stream, or nobody.
 *
 * Everything that can be refused is refused here, before the body is read; the refusal is answered at
 * once and the body is dropped. Only a legacy request that names its endpoint inside the body has to be
 * read first.
 */
import { AgentError } from "../../base/errors.ts";
import type { OpenedRequest } from "../../wire/codec/codec.ts";
import type { RequestHead } from "../../wire/mucp/message.ts";
import { messageRole, type RequestMeta, readRequest } from "../../wire/mucp/request.ts";
import type { ServedEndpoint } from "./endpoint-table.ts";
import { draining, refusal } from "./failure.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Receiver } from "./receiver.ts";
import { emptyReply, errorReply } from "./replies.ts";
import type { ReplyOrder } from "./reply-order.ts";
import type { CallHost } from "./server-context.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/** What follows is dropped; it has been answered, or nobody waits for an answer. */
const NOBODY: Receiver = { plan: "discard", receive: () => undefined, refuse: () => true };

export class RequestRouter {
  readonly #host: CallHost;
  readonly #order: ReplyOrder;
  readonly #streams: OpenStreams;
  readonly #server: { readonly draining: boolean };

  constructor(
    host: CallHost,
    order: ReplyOrder,
    streams: OpenStreams,
    server: { readonly draining: boolean },
  ) {
    this.#host = host;
    this.#order = order;
    this.#streams = streams;
    this.#server = server;
  }

  /** @param peerGone Nobody takes an answer: only streams that are open still get their messages. */
  route(head: RequestHead, peerGone: boolean): Receiver {
    const { codecs } = this.#host.context.table;
    const meta = readRequest(head, (contentType) => codecs.find(contentType));
    const { streamId = "" } = meta;
    const open = this.#streams.get(streamId);
    switch (messageRole(meta, undefined, open !== undefined)) {
      case "message":
        return this.#toStream(open, meta);
      case "end":
        open?.receiveEnd();
        return NOBODY;
      case "stray-end":
        this.#streams.forget(streamId);
        return NOBODY;
      case "event":
        return this.#event(meta);
      default:
        if (this.#streams.isOver(streamId)) return this.#late(meta);
        return peerGone ? NOBODY : this.#call(meta);
    }
  }

  /**
   * A message under the id of a stream that has ended, on our side or on its own. It may be on its way
   * since before the end, or begin another stream under an id that is not free yet, for which both sides
   * must have said `EOS`: nobody can tell.
   */
  #late(meta: RequestMeta): Receiver {
    const { context, log } = this.#host;
    context.counters.lateMessages++;
    if (log.enabled("debug")) {
      const reason = "the stream of that id has ended, and not both sides have sent EOS";
      log.emit("rpc.stream.late", { endpoint: meta.endpoint.slice(0, 200), reason });
    }
    return NOBODY;
  }

  #toStream(open: StreamCall | undefined, meta: RequestMeta): Receiver {
    if (open === undefined) return NOBODY;
    if (open.peerEnded) return this.#late(meta);
    if (meta.error === undefined) return open;
    open.receiveError(meta.error);
    return NOBODY;
  }

  #call(meta: RequestMeta): Receiver {
    if (meta.endpoint !== "") return this.#begin(meta, meta.endpoint);
    return {
      plan: "keep",
      receive: (body) => this.#receiveLegacy(meta, body),
      refuse: (error) => {
        this.#refuse(meta, error);
        return true;
      },
    };
  }

  /** go-micro answers an event that nobody subscribes to with an empty 200 (`docs/wire.md`, "Events"). */
  #event(meta: RequestMeta): Receiver {
    this.#host.context.counters.eventsDropped++;
    this.#order.add({ reply: emptyReply(meta) });
    return NOBODY;
  }

  /** A legacy request without an endpoint header: the envelope names it. */
  #receiveLegacy(meta: RequestMeta, body: Uint8Array): void {
    let opened: OpenedRequest | undefined;
    try {
      opened = meta.codec?.openRequest(body);
    } catch (thrown) {
      if (!(thrown instanceof AgentError)) throw thrown;
      this.#refuse(meta, thrown);
      return;
    }
    const receiver = this.#begin(meta, opened?.envelope.endpoint ?? "");
    if (receiver.plan === "keep") receiver.receive(body, opened);
  }

  #begin(meta: RequestMeta, name: string): Receiver {
    const { context } = this.#host;
    context.counters.requests++;
    const served = context.table.find(meta.service, name);
    if (served instanceof AgentError) return this.#refuse(meta, served);
    const streams = served.endpoint.mode === "stream";
    const refused = this.#obstacle(meta, served);
    const { codec } = meta;
    if (refused !== undefined || codec === undefined) {
      if (streams && meta.streamId !== undefined) this.#streams.markOver(meta.streamId);
      return this.#refuse(meta, refused ?? unsupported(meta), served);
    }
    if (served.endpoint.mode === "stream") {
      const { endpoint } = served;
      const stream = new StreamCall(this.#host, meta, served, codec, endpoint, () => {
        context.counters.streams--;
        this.#streams.close(stream);
        this.#host.workChanged();
      });
      context.counters.streams++;
      this.#streams.add(stream);
      stream.open();
      return NOBODY;
    }
    const call = new UnaryCall(this.#host, meta, served, codec, served.endpoint);
    this.#order.add(call);
    call.ask();
    return call;
  }

  /** Why a call to an endpoint that exists can't begin. */
  #obstacle(meta: RequestMeta, { endpoint, name }: ServedEndpoint): AgentError | undefined {
    if (this.#server.draining) {
      return draining();
    }
    if (meta.codec === undefined) return unsupported(meta);
    if (endpoint.mode === "unary") return undefined;
    if (meta.streamId === undefined) {
      return new AgentError(
        "ERR_RPC_BAD_REQUEST",
        `${name} is a stream: open it with a Micro-Stream header`,
      );
    }
    const { limits, counters } = this.#host.context;
    if (this.#streams.size >= limits.maxStreamsPerConnection) {
      return new AgentError(
        "ERR_RPC_OVERLOADED",
        `this connection has ${this.#streams.size} streams open, the most it may have`,
      );
    }
    if (counters.streams >= limits.maxStreams) {
      return new AgentError("ERR_RPC_OVERLOADED", "the agent has all the streams open that it may");
    }
    return undefined;
  }

  /** Answers a request that never becomes a call. */
  #refuse(meta: RequestMeta, error: AgentError, served?: ServedEndpoint): Receiver {
    const { context, log } = this.#host;
    context.counters.errors++;
    context.counters.refuse(error.code);
    const id = served === undefined ? context.serviceName : `${served.service}.${served.name}`;
    const { endpoint, id: callId } = meta;
    const reply = errorReply(meta, meta.codec, refusal(error, id), { endpoint, id: callId });
    this.#order.add({ reply });
    if (log.enabled("debug")) {
      log.emit("rpc.call", {
        endpoint: endpoint.slice(0, 200),
        status: error.status,
        code: error.code,
      });
    }
    return NOBODY;
  }
}

function unsupported(meta: RequestMeta): AgentError {
  return new AgentError(
    "ERR_WIRE_CONTENT_TYPE",
    `unsupported Content-Type: ${meta.contentType.slice(0, 200)}`,
  );
}
