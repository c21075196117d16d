/**
 * A call that came in by mucp, as handlers and interceptors see it. What most calls never touch (abort
 * signal, reply metadata, logger) is made on first use.
 */
import type { AgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Principal } from "../../base/principal.ts";
import type { EndpointKind } from "../../guard/endpoint-kind.ts";
import type { PeerUse } from "../../guard/peer-ledger.ts";
import type { Codec, Envelope } from "../../wire/codec/codec.ts";
import type { RequestMeta } from "../../wire/mucp/request.ts";
import type { Call } from "../call.ts";
import type { CallOutcome } from "../interceptor.ts";
import type { ServedEndpoint } from "./endpoint-table.ts";
import type { CallHost } from "./server-context.ts";

const NO_METADATA: ReadonlyMap<string, string> = new Map();

export abstract class InboundCall implements Call {
  readonly service: string;
  readonly endpoint: string;
  readonly kind: EndpointKind;
  abstract readonly stream: boolean;
  readonly id: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly deadlineAt: number | undefined;
  /** The limiter's; here, so that every call has the same shape. */
  occupiedBy: PeerUse | undefined;

  protected readonly host: CallHost;
  protected readonly meta: RequestMeta;
  protected readonly codec: Codec;
  /** For the envelope of json-rpc and proto-rpc replies. */
  protected envelope: Envelope;
  protected requestBytes = 0;
  protected replyBytes = 0;
  readonly #startedAtMs: number;
  #replyMetadata: Map<string, string> | undefined;
  #controller: AbortController | undefined;
  #abortReason: AgentError | undefined;
  #log: Logger | undefined;

  constructor(host: CallHost, meta: RequestMeta, served: ServedEndpoint, codec: Codec) {
    this.host = host;
    this.meta = meta;
    this.codec = codec;
    this.service = served.service;
    this.endpoint = served.name;
    this.kind = served.endpoint.kind;
    this.id = meta.id;
    this.metadata = meta.metadata;
    this.envelope = { endpoint: served.name, id: meta.id };
    this.#startedAtMs = host.nowMs;
    this.deadlineAt = meta.timeoutMs === undefined ? undefined : host.nowMs + meta.timeoutMs;
  }

  get peer(): Principal {
    return this.host.principal;
  }

  get replyMetadata(): Map<string, string> {
    this.#replyMetadata ??= new Map();
    return this.#replyMetadata;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get log(): Logger {
    this.#log ??= this.host.log.with({ service: this.service, endpoint: this.endpoint });
    return this.#log;
  }

  /** What the handler wants sent along, without making an empty map. */
  protected get givenMetadata(): ReadonlyMap<string, string> {
    return this.#replyMetadata ?? NO_METADATA;
  }

  /** Who answers, in go-micro's error ids. */
  protected get errorId(): string {
    return `${this.service}.${this.endpoint}`;
  }

  /** Aborts the handler's signal, now or when it asks for it. */
  protected abort(reason: AgentError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Tells the counters and the interceptors how the call ended. Called once. */
  protected reportOutcome(status: number, code: string | undefined): void {
    const { counters, interceptors, clock } = this.host.context;
    if (status >= 400) counters.errors++;
    let outcome: CallOutcome | undefined;
    for (const interceptor of interceptors) {
      if (interceptor.after === undefined) continue;
      outcome ??= {
        status,
        code,
        durationMs: clock.monotonicMs() - this.#startedAtMs,
        requestBytes: this.requestBytes,
        replyBytes: this.replyBytes,
      };
      interceptor.after(this, outcome);
    }
  }
}
