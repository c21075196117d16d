/**
 * One connection to a node, one call in flight on it, replies correlated by order: a go-micro server
 * copies the first request's headers, ids included, into every reply (`docs/wire.md`, "Headers"), so no
 * header can tell replies apart.
 *
 * Therefore a connection is trusted only while the bytes on it add up: whatever comes when no reply
 * is awaited (a second reply, a reply before the request) ends it, and a call that gives up ends it
 * too, since its late reply would be taken for the next one's.
 */
import { AgentError, isAgentError } from "../../base/errors.ts";
import type { PeerConnection } from "../../transport/peer-connection.ts";
import type { BodyPlan, MessageLimits, ResponseHead } from "../../wire/mucp/message.ts";
import { type MessageReader, responseReader } from "../../wire/mucp/message-reader.ts";
import { readReply } from "../../wire/mucp/reply.ts";
import { connectionFault } from "./connection-fault.ts";
import { RemoteError } from "./remote-error.ts";

/** Who waits for the reply; exactly one of the two is called, once, and must not throw. */
export interface Exchange {
  /** `body` is valid only during the call. */
  onReply(head: ResponseHead, body: Uint8Array): void;
  /** @param sent `false` only if the peer can't have received the whole request. */
  onLost(error: AgentError, sent: boolean): void;
}

/** Who owns the connection: a pool. */
export interface ConnectionOwner {
  /** The reply is in, nothing came after it: ready for the next call. */
  onIdle(connection: ClientConnection): void;
  /** Called once. `unsolicited`: it was closed because of bytes that nobody had asked for. */
  onClosed(connection: ClientConnection, unsolicited: boolean): void;
}

export class ClientConnection {
  /** Address of the node, for messages. */
  readonly node: string;
  /** Monotonic milliseconds. */
  readonly createdAt: number;
  /** Which identity it was made with; see the pool's `refresh`. */
  readonly generation: number;
  /** Metadata of the first call on it; a go-micro server copies it into every reply. */
  firstMetadata: readonly (readonly [name: string, value: string])[] | undefined;
  readonly #socket: PeerConnection["socket"];
  readonly #owner: ConnectionOwner;
  readonly #reader: MessageReader<ResponseHead>;
  #exchange: Exchange | undefined;
  /** The kernel took the whole request. */
  #written = false;
  /** Why it is closed; `undefined` while it is open. */
  #failure: AgentError | undefined;
  #answered = false;
  #closeAfterReply = false;
  #unsolicited = false;
  /** What an unasked reply said. */
  #refusal: AgentError | undefined;

  constructor(
    peer: PeerConnection,
    identity: { readonly node: string; readonly createdAt: number; readonly generation: number },
    limits: MessageLimits,
    owner: ConnectionOwner,
  ) {
    this.node = identity.node;
    this.createdAt = identity.createdAt;
    this.generation = identity.generation;
    this.#socket = peer.socket;
    this.#owner = owner;
    this.#reader = responseReader(limits);
    const { socket } = peer;
    socket.on("error", this.#onError);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
    if (socket.destroyed || socket.readableEnded) this.#onEnd();
    else this.#readEarly();
    if (this.#failure === undefined) socket.on("data", this.#onData);
  }

  /** Why the connection can't be used; `undefined` while it can. */
  get failure(): AgentError | undefined {
    return this.#failure;
  }

  /**
   * Sends `request`, one whole message, and has `exchange` told of the one reply.
   * On a closed connection `onLost` comes at once, with `sent` false.
   */
  send(request: Uint8Array, exchange: Exchange): void {
    if (this.#exchange !== undefined) throw new TypeError("one call in flight on each connection");
    if (this.#failure !== undefined) {
      exchange.onLost(this.#failure, false);
      return;
    }
    this.#exchange = exchange;
    this.#answered = false;
    this.#written = false;
    this.#socket.write(request, this.#onWritten);
  }

  /** Closes at once; the call in flight, if any, is not told: its owner is the one who closes. */
  abort(): void {
    this.#exchange = undefined;
    this.#close(new AgentError("ERR_RPC_CANCELLED", `connection to ${this.node} was given up`));
  }

  /** Closes an idle connection in good order. */
  retire(): void {
    if (this.#failure !== undefined) return;
    this.#failure = new AgentError("ERR_RPC_CONNECTION_LOST", "connection was retired");
    this.#socket.destroySoon();
    this.#owner.onClosed(this, false);
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error === undefined || error === null) this.#written = true;
  };

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#failure !== undefined) return;
    if (this.#exchange === undefined) this.#unsolicited = true;
    try {
      this.#reader.push(chunk, this.#sink);
    } catch (thrown) {
      this.#lose(this.#replyFault(thrown), true);
      return;
    }
    if (this.#answered || this.#unsolicited) this.#afterReply();
  };

  readonly #sink = {
    onHead: (_head: ResponseHead): BodyPlan => {
      if (this.#answered) this.#unsolicited = true;
      return this.#answered ? "discard" : "keep";
    },
    onMessage: (head: ResponseHead, body: Uint8Array): void => {
      if (this.#answered || this.#failure !== undefined) return;
      const exchange = this.#exchange;
      if (exchange === undefined) {
        this.#refusal ??= this.#unaskedReply(head, body);
        return;
      }
      this.#answered = true;
      this.#closeAfterReply = head.close;
      this.#exchange = undefined;
      exchange.onReply(head, body);
    },
  };

  /** The chunk is read to its end: only now is it known whether anything came after the reply. */
  #afterReply(): void {
    if (this.#reader.phase !== "idle") this.#unsolicited = true;
    // An answer before the peer has read the whole request (a 413, say): it may never read the rest.
    const early = this.#socket.writableLength > 0;
    if (this.#unsolicited || this.#closeAfterReply || early) {
      this.#close(this.#refusal ?? this.#lost("can't be used again"));
      return;
    }
    this.#answered = false;
    this.#owner.onIdle(this);
  }

  /** A peer that refuses us says so before it has read a request; that is worth more than "reset". */
  #readEarly(): void {
    const early: Uint8Array | null = this.#socket.read();
    if (early !== null) this.#onData(early);
  }

  #unaskedReply(head: ResponseHead, body: Uint8Array): AgentError {
    const reply = readReply(head, body);
    if (reply.kind === "error") return new RemoteError(reply.error, this.node);
    return this.#lost("replied before it was asked");
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    // The kernel refused bytes of this request: the peer has not got the whole of it.
    const unsent = error.syscall === "write" && !this.#written;
    const fault = connectionFault(error, this.node);
    this.#lose(fault, !unsent && fault.code !== "ERR_TLS_HANDSHAKE");
  };

  readonly #onEnd = (): void => {
    if (this.#exchange === undefined || this.#reader.phase === "idle") {
      this.#lose(this.#lost("closed"), true);
      return;
    }
    try {
      this.#reader.end(this.#sink); // completes a reply that lasts until the connection ends
    } catch (thrown) {
      this.#lose(this.#lost("closed in the middle of a reply", thrown), true);
      return;
    }
    this.#close(this.#lost("closed"));
  };

  readonly #onClose = (): void => this.#lose(this.#lost("closed"), true);

  #lose(error: AgentError, sent: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (this.#close(error)) exchange?.onLost(error, sent);
  }

  /** Whether this call closed it. */
  #close(error: AgentError): boolean {
    if (this.#failure !== undefined) return false;
    this.#failure = error;
    this.#socket.destroy();
    this.#owner.onClosed(this, this.#unsolicited);
    return true;
  }

  #lost(what: string, cause?: unknown): AgentError {
    return new AgentError("ERR_RPC_CONNECTION_LOST", `connection to ${this.node} ${what}`, {
      fields: { node: this.node },
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #replyFault(thrown: unknown): AgentError {
    if (!isAgentError(thrown)) throw thrown;
    return new AgentError(thrown.code, `reply of ${this.node}: ${thrown.message}`, {
      cause: thrown,
      fields: { ...thrown.fields, node: this.node },
    });
  }
}
