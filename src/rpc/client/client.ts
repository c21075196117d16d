/**
 * Calls to go-micro services.
 *
 *     const reply = await client.call("greeter", "Greeter.Hello", { name: "ann" }, { timeoutMs: 2000 });
 *     await using chat = client.stream("greeter", "Greeter.Chat");
 *
 * Every call settles exactly once and within its time limit. Errors are `AgentError`s; an error that the
 * service answered is a `RemoteError` (`ERR_RPC_REMOTE`) with go-micro's own error as `remote`.
 */
import { AgentError, isAgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../host/clock.ts";
import type { Random } from "../../host/random.ts";
import type { Registry } from "../../registry/record.ts";
import { NodeSelector } from "../../registry/selector.ts";
import type { Dialer } from "../../transport/dialer.ts";
import { bytesShape } from "../../wire/codec/bytes-shape.ts";
import type { CodecName } from "../../wire/codec/codec.ts";
import type { JsonValue } from "../../wire/codec/json-value.ts";
import { DEFAULT_LIMITS } from "../../wire/mucp/message.ts";
import { replyMetadata } from "../../wire/mucp/metadata.ts";
import { type AttemptsContext, endError, runAttempts, unreachable } from "./attempts.ts";
import { CallLimit } from "./call-limit.ts";
import { ClientCounters, type ClientStatus } from "./counters.ts";
import { NodeLookup, nodeAt } from "./node-lookup.ts";
import {
  assertOptions,
  type CallOptions,
  type ClientOptions,
  DEFAULT_CLIENT_OPTIONS,
  type Shapes,
  type StreamOptions,
} from "./options.ts";
import { type MessageIds, OutgoingCall } from "./outgoing-call.ts";
import { plainShape } from "./plain-shape.ts";
import { Pools } from "./pools.ts";
import { ClientStream } from "./stream.ts";
import { attemptUnary } from "./unary-attempt.ts";

export interface ClientPorts {
  readonly dialer: Dialer;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A reply with what came around it. */
export interface CallReply<R> {
  readonly body: R;
  /**
   * The reply's headers without the transport's own. A go-micro server copies the headers of the
   * connection's first request into every reply, so nothing here may be trusted or correlated.
   */
  readonly metadata: ReadonlyMap<string, string>;
  /** Address of the node that answered. */
  readonly node: string;
  /** 1 when the first attempt succeeded. */
  readonly attempts: number;
}

type Typed<Q, R> = Shapes<Q, R>;
interface Bytes {
  readonly codec: "bytes";
}
type AnyOptions = CallOptions & Partial<Shapes<unknown, unknown>>;
type AnyStreamOptions = StreamOptions & Partial<Shapes<unknown, unknown>>;

export class Client implements AsyncDisposable {
  readonly #ports: ClientPorts;
  readonly #options: ClientOptions;
  readonly #counters = new ClientCounters();
  readonly #pools: Pools;
  readonly #selector: NodeSelector;
  readonly #context: AttemptsContext;
  readonly #limits = new Set<CallLimit>();
  readonly #streams = new Set<ClientStream<unknown, unknown>>();
  #nextId = 0;
  #closing: Promise<void> | undefined;
  #onLastCall: (() => void) | undefined;

  constructor(ports: ClientPorts, options: Partial<ClientOptions> = {}) {
    this.#ports = ports;
    this.#options = { ...DEFAULT_CLIENT_OPTIONS, ...options };
    const { clock, dialer, log, random, registry } = ports;
    const { maxReplyBytes, maxWaiting, nodeRestMs, poolSize, poolTtlMs, selector } = this.#options;
    this.#pools = new Pools(
      dialer,
      clock,
      {
        size: poolSize,
        ttlMs: poolTtlMs,
        maxWaiting,
        messages: { ...DEFAULT_LIMITS, maxBodyBytes: maxReplyBytes },
      },
      this.#counters,
    );
    this.#selector = new NodeSelector(
      {
        strategy: selector,
        restMs: nodeRestMs,
        onRest: ({ address, failures, restMs }) =>
          log.emit("rpc.client.node.resting", { node: address, failures, rest_ms: restMs }),
      },
      clock,
      random,
    );
    const lookup = new NodeLookup(registry);
    this.#context = { lookup, selector: this.#selector, random, log, counters: this.#counters };
  }

  /**
   * Calls and returns the decoded reply. Without shapes the body is any JSON value, and so is the reply;
   * with the codec `bytes` both are bytes; with shapes both have their types.
   *
   * @throws AgentError `ERR_RPC_REMOTE` (a `RemoteError`), `ERR_RPC_DEADLINE`, `ERR_RPC_CANCELLED`,
   *   `ERR_RPC_CONNECT`, `ERR_TLS_*`, `ERR_RPC_CONNECTION_LOST` (the call may have run),
   *   `ERR_RPC_OVERLOADED` (too many calls wait), `ERR_RPC_DRAINING` (the client is closed),
   *   `ERR_REGISTRY_NOT_FOUND`, `ERR_RPC_BAD_REQUEST`, and `ERR_WIRE_*` for a reply that can't be read.
   */
  call<Q, R>(
    service: string,
    endpoint: string,
    body: Q,
    options: CallOptions & Typed<Q, R>,
  ): Promise<R>;
  call(
    service: string,
    endpoint: string,
    body: Uint8Array,
    options: CallOptions & Bytes,
  ): Promise<Uint8Array>;
  call(service: string, endpoint: string, body: unknown, options?: CallOptions): Promise<JsonValue>;
  async call(
    service: string,
    endpoint: string,
    body: unknown,
    options: AnyOptions = {},
  ): Promise<unknown> {
    return (await this.#exchange(service, endpoint, body, options)).body;
  }

  /** As {@link call}, and tells what came with the reply: metadata, node, attempts. */
  exchange<Q, R>(
    service: string,
    endpoint: string,
    body: Q,
    options: CallOptions & Typed<Q, R>,
  ): Promise<CallReply<R>>;
  exchange(
    service: string,
    endpoint: string,
    body: Uint8Array,
    options: CallOptions & Bytes,
  ): Promise<CallReply<Uint8Array>>;
  exchange(
    service: string,
    endpoint: string,
    body: unknown,
    options?: CallOptions,
  ): Promise<CallReply<JsonValue>>;
  exchange(
    service: string,
    endpoint: string,
    body: unknown,
    options: AnyOptions = {},
  ): Promise<CallReply<unknown>> {
    return this.#exchange(service, endpoint, body, options);
  }

  /**
   * Opens a stream on a connection of its own. Returns at once; connecting goes on while you use it, and
   * its failure is thrown by whatever you do next. Types as in {@link call}.
   *
   * @throws AgentError `ERR_RPC_BAD_REQUEST`, `ERR_RPC_DRAINING`.
   */
  stream<Q, R>(
    service: string,
    endpoint: string,
    options: StreamOptions & Typed<Q, R>,
  ): ClientStream<Q, R>;
  stream(
    service: string,
    endpoint: string,
    options: StreamOptions & Bytes,
  ): ClientStream<Uint8Array, Uint8Array>;
  stream(
    service: string,
    endpoint: string,
    options?: StreamOptions,
  ): ClientStream<unknown, JsonValue>;
  stream(
    service: string,
    endpoint: string,
    options: AnyStreamOptions = {},
  ): ClientStream<unknown, unknown> {
    assertOptions(options);
    this.#assertOpen(`${service} ${endpoint}`);
    const call = this.#outgoing(service, endpoint, options);
    const limit = new CallLimit(this.#ports.clock, options.timeoutMs, options.signal);
    this.#counters.streams += 1;
    const id = String(this.#nextId++);
    const stream: ClientStream<unknown, unknown> = new ClientStream(
      {
        call,
        limit,
        id,
        fixed: fixedNode(options),
        maxAttempts: (options.retries ?? this.#options.retries) + 1,
        inboxSize: this.#options.streamInbox,
        endTimeoutMs: options.endTimeoutMs ?? DEFAULT_END_TIMEOUT_MS,
        messages: { ...DEFAULT_LIMITS, maxBodyBytes: this.#options.maxReplyBytes },
      },
      { ...this.#context, clock: this.#ports.clock, dialer: this.#ports.dialer },
      (error) => {
        this.#streams.delete(stream);
        limit.release();
        if (error !== undefined) this.#counters.failed(error);
        this.#noteLast();
      },
    );
    this.#streams.add(stream);
    return stream;
  }

  /** Own identity changed: connections made with the old one serve the call they have, and no other. */
  refresh(): void {
    this.#pools.refresh();
  }

  get status(): ClientStatus {
    return this.#counters.status({
      streamsOpen: this.#streams.size,
      pools: this.#pools.status,
      resting: this.#selector.resting(),
    });
  }

  /**
   * Takes no new call, ends the streams, lets open calls finish within `drainMs`, gives up the rest, and
   * closes all connections. May be called again; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const ending = [...this.#streams].map((stream) => stream.close());
    if (this.#limits.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#ports.clock.setTimer(this.#options.drainMs, resolve);
        this.#onLastCall = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    for (const limit of [...this.#limits]) limit.abort();
    this.#pools.close(draining("the client"));
    await Promise.all(ending);
  }

  async #exchange(
    service: string,
    endpoint: string,
    body: unknown,
    options: AnyOptions,
  ): Promise<CallReply<unknown>> {
    assertOptions(options);
    this.#assertOpen(`${service} ${endpoint}`);
    const call = this.#outgoing(service, endpoint, options);
    const id = this.#nextId++;
    const bytes = call.encode(body, String(id));
    const { clock } = this.#ports;
    const limit = new CallLimit(
      clock,
      options.timeoutMs ?? this.#options.timeoutMs,
      options.signal,
    );
    this.#begin(limit);
    try {
      const { value, node, attempts } = await runAttempts(
        {
          what: call.what,
          service,
          fixed: fixedNode(options),
          limit,
          maxAttempts: (options.retries ?? this.#options.retries) + 1,
          idempotent: options.idempotent ?? false,
          attempt: (tried, attempt, connectMs) =>
            attemptUnary({
              connectMs,
              unreachable: () => unreachable(call.what, tried, connectMs),
              pool: () => this.#pools.of(tried),
              limit,
              clock,
              timeoutMs: options.attemptTimeoutMs,
              metadata: call.metadata,
              formatRequest: () =>
                call.format(tried, this.#ids(id, attempt), attemptSpan(limit, options), bytes),
              readReply: (head, reply, first) => {
                const read = call.read(head, reply, tried, clock.now());
                if (read.kind === "end") throw endOfNothing(call.what);
                return { body: read.body, metadata: replyMetadata(head.headers, first) };
              },
              endError: (end, waitedFor) =>
                endError(call.what, limit, end, `${waitedFor} of ${tried.address}`),
            }),
        },
        this.#context,
      );
      this.#counters.succeeded += 1;
      return { ...value, node: node.address, attempts };
    } catch (thrown) {
      if (isAgentError(thrown)) this.#counters.failed(thrown);
      throw thrown;
    } finally {
      this.#finish(limit);
    }
  }

  /** An id is never used twice, also not by a second attempt: its reply may still be on its way. */
  #ids(first: number, attempt: number): MessageIds {
    const id = String(attempt === 1 ? first : this.#nextId++);
    return { id, streamId: this.#options.uniqueStream ? id : undefined };
  }

  #outgoing(
    service: string,
    endpoint: string,
    options: AnyStreamOptions & AnyOptions,
  ): OutgoingCall<unknown, unknown> {
    const codec: CodecName = options.codec ?? this.#options.codec;
    const fallback = codec === "bytes" ? bytesShape : plainShape;
    return new OutgoingCall<unknown, unknown>(
      { service, endpoint },
      codec,
      {
        request: options.request ?? fallback,
        response: options.response ?? fallback,
      },
      options.metadata,
    );
  }

  #begin(limit: CallLimit): void {
    this.#counters.calls += 1;
    this.#counters.inFlight += 1;
    this.#limits.add(limit);
  }

  #finish(limit: CallLimit): void {
    limit.release();
    this.#counters.inFlight -= 1;
    this.#limits.delete(limit);
    this.#noteLast();
  }

  #noteLast(): void {
    if (this.#limits.size === 0) this.#onLastCall?.();
  }

  #assertOpen(what: string): void {
    if (this.#closing !== undefined) throw draining(what);
  }
}

const DEFAULT_END_TIMEOUT_MS = 5000;

function fixedNode(options: AnyOptions): ReturnType<typeof nodeAt> | undefined {
  return options.address === undefined ? undefined : nodeAt(options.address, options.serverName);
}

/** What the server is told that it may take. */
function attemptSpan(limit: CallLimit, options: CallOptions): number {
  return Math.min(limit.remainingMs, options.attemptTimeoutMs ?? Infinity);
}

function draining(what: string): AgentError {
  return new AgentError("ERR_RPC_DRAINING", `${what}: the client is closed`);
}

function endOfNothing(what: string): AgentError {
  return new AgentError("ERR_WIRE_MESSAGE", `${what}: the service ended a stream that is none`);
}
