/**
 * The connection of one stream: its own, never pooled, since go-micro's replies can't be attributed
 * when streams share one (`docs/wire.md`, "Streams"). Counts bytes in and out against the pace of both
 * sides: a reader that is slow stops the socket, a peer that is slow holds the sender.
 */
import { AgentError, isAgentError } from "../../base/errors.ts";
import type { Clock, Timer } from "../../host/clock.ts";
import type { PeerConnection } from "../../transport/peer-connection.ts";
import type { MessageLimits, MessageSink, ResponseHead } from "../../wire/mucp/message.ts";
import { type MessageReader, responseReader } from "../../wire/mucp/message-reader.ts";
import { connectionFault } from "./connection-fault.ts";

export interface StreamReceiver {
  /** One whole reply; `body` is valid only during the call. Answers `false` when it wants no more for now. */
  onReply(head: ResponseHead, body: Uint8Array): boolean;
  /** Called once, unless we closed. `error`: why; `undefined`: the peer closed between two replies. */
  onClosed(error: AgentError | undefined): void;
}

/** A peer that does not take our last bytes gets this long. */
const CLOSE_TIMEOUT_MS = 1000;

export class StreamConnection {
  readonly #socket: PeerConnection["socket"];
  readonly #node: string;
  readonly #clock: Clock;
  readonly #receiver: StreamReceiver;
  readonly #reader: MessageReader<ResponseHead>;
  readonly #sink: MessageSink<ResponseHead>;
  readonly #gone = Promise.withResolvers<void>();
  #over = false;
  #held = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #closeTimer: Timer | undefined;

  constructor(
    peer: PeerConnection,
    node: string,
    limits: MessageLimits,
    clock: Clock,
    receiver: StreamReceiver,
  ) {
    this.#socket = peer.socket;
    this.#node = node;
    this.#clock = clock;
    this.#receiver = receiver;
    this.#reader = responseReader(limits);
    this.#sink = {
      onHead: () => "keep",
      onMessage: (head, body) => {
        if (!this.#over && !receiver.onReply(head, body)) this.#hold();
      },
    };
    const { socket } = peer;
    socket.on("error", (error) => this.#lose(connectionFault(error, node)));
    socket.on("end", () => this.#onEnd());
    socket.on("close", () => this.#onClose());
    socket.on("drain", () => this.#releaseSenders());
    socket.on("data", (chunk: Uint8Array) =>
      this.#read(() => this.#reader.push(chunk, this.#sink)),
    );
    if (socket.destroyed) this.#onClose();
  }

  /** Resolves when the peer keeps up, or when the connection is over; the caller then looks which. */
  async write(message: Uint8Array): Promise<void> {
    if (this.#over || this.#socket.write(message)) return;
    this.#drained ??= Promise.withResolvers();
    await this.#drained.promise;
  }

  /** The receiver wants replies again. */
  resume(): void {
    if (!this.#held || this.#over) return;
    this.#held = false;
    this.#read(() => this.#reader.resume(this.#sink));
    if (!this.#held) this.#socket.resume();
  }

  /** Sends what is written, then closes; resolves when it is closed. The receiver is not told. */
  close(): Promise<void> {
    if (!this.#over) {
      this.#stop();
      this.#socket.resume(); // what still comes is thrown away, else its end would never be seen
      this.#socket.destroySoon();
      this.#closeTimer = this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#socket.destroy());
    }
    return this.#gone.promise;
  }

  /** Closes at once. The receiver is not told. */
  abort(): void {
    this.#stop();
    this.#socket.destroy();
  }

  #hold(): void {
    this.#held = true;
    this.#reader.hold();
    this.#socket.pause();
  }

  #read(step: () => void): void {
    if (this.#over) return;
    try {
      step();
    } catch (thrown) {
      if (!isAgentError(thrown)) throw thrown;
      this.#lose(
        new AgentError(thrown.code, `reply of ${this.#node}: ${thrown.message}`, { cause: thrown }),
      );
      return;
    }
    if (this.#reader.closed && !this.#over && !this.#held) this.#lose(undefined);
  }

  #onEnd(): void {
    if (this.#over) return;
    try {
      this.#reader.end(this.#sink);
    } catch (thrown) {
      this.#lose(this.#lost("closed in the middle of a reply", thrown));
      return;
    }
    this.#lose(undefined);
  }

  #onClose(): void {
    this.#closeTimer?.cancel();
    this.#lose(this.#lost("closed"));
    this.#gone.resolve();
  }

  #lose(error: AgentError | undefined): void {
    if (this.#over) return;
    this.#stop();
    this.#socket.destroy();
    this.#receiver.onClosed(error);
  }

  #stop(): void {
    this.#over = true;
    this.#releaseSenders();
  }

  #releaseSenders(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #lost(what: string, cause?: unknown): AgentError {
    return new AgentError("ERR_RPC_CONNECTION_LOST", `connection to ${this.#node} ${what}`, {
      fields: { node: this.#node },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
