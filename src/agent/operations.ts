/**
 * What the control socket can ask, answered by the running agent.
 */
import { AgentError } from "../base/errors.ts";
import type { LimitsView } from "../guard/limits-view.ts";
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import { formatAddress, parseAddress } from "../registry/address.ts";
import type { Registry } from "../registry/record.ts";
import type { Client } from "../rpc/client/client.ts";
import type { EndpointTable } from "../rpc/server/endpoint-table.ts";
import type {
  AdminCall,
  AdminOperations,
  AdminReply,
  ConfigValueView,
  MessageBytes,
  ProbeRequest,
  ReloadView,
  ServiceView,
  StatusView,
} from "../sidecar/admin-operations.ts";
import { carriedShape } from "../sidecar/carried-shape.ts";
import type { CertificateOperations } from "../sidecar/certificate-operations.ts";
import type { PushOperations } from "../sidecar/push-operations.ts";
import type { QueueOperations } from "../sidecar/queue-operations.ts";
import type { RenewalOperations } from "../sidecar/renewal-operations.ts";
import type { TimeOperations } from "../sidecar/time-api.ts";
import type { ProbeResult } from "../transport/probe-result.ts";
import type { LoadedConfig } from "./config.ts";
import { configEntries } from "./config-view.ts";
import { proxyOf } from "./outbound.ts";
import { type OwnNode, ownNode } from "./own-node.ts";

export interface OperationsParts {
  readonly clock: Clock;
  readonly client: Client;
  readonly registry: Registry;
  readonly table: EndpointTable;
  readonly certificates: CertificateOperations;
  readonly queue: QueueOperations;
  readonly renewal: RenewalOperations;
  readonly pushes: PushOperations;
  readonly time: TimeOperations;
  /** The configuration in force. */
  loaded(): LoadedConfig;
  readonly network: Network;
  /** What the device shows of itself; `undefined` without TLS and while the store is empty. */
  material(): TlsMaterial | undefined;
  /** Own leaf; `undefined` without TLS. */
  leaf(): Certificate | undefined;
  /** Address that the listener is bound to; `undefined` while it is not. */
  listen(): string | undefined;
  status(): StatusView;
  limits(): LimitsView;
  reload(): Promise<ReloadView>;
  /** Aborts when the agent can wait no longer for what it does for the command line. */
  readonly givenUp: AbortSignal;
}

export class Operations implements AdminOperations {
  readonly #parts: OperationsParts;

  constructor(parts: OperationsParts) {
    this.#parts = parts;
  }

  get certificates(): CertificateOperations {
    return this.#parts.certificates;
  }

  get queue(): QueueOperations {
    return this.#parts.queue;
  }

  get renewal(): RenewalOperations {
    return this.#parts.renewal;
  }

  get pushes(): PushOperations {
    return this.#parts.pushes;
  }

  get time(): TimeOperations {
    return this.#parts.time;
  }

  status(): StatusView {
    return this.#parts.status();
  }

  limits(): LimitsView {
    return this.#parts.limits();
  }

  reload(): Promise<ReloadView> {
    return this.#parts.reload();
  }

  config(): { readonly path: string; readonly values: readonly ConfigValueView[] } {
    const loaded = this.#parts.loaded();
    const values = configEntries(loaded).map(({ key, value, source, variable, line, live }) => ({
      key,
      value: value ?? "",
      source: variable ?? (line === undefined ? source : `line ${line}`),
      reloads: live ? ("live" as const) : ("restart" as const),
    }));
    return { path: loaded.config.file, values };
  }

  async services(signal: AbortSignal): Promise<readonly ServiceView[]> {
    const { registry } = this.#parts;
    const remote = await Promise.all(
      (await registry.list(signal)).map((name) => registry.lookup(name, signal)),
    );
    return [
      ...this.#ownServices(),
      ...remote.flat().map((record) => ({
        name: record.name,
        version: record.version,
        source: registry.name,
        nodes: record.nodes.map(({ id, address }) => ({ id, address })),
        endpoints: [],
      })),
    ];
  }

  async call(call: AdminCall, body: MessageBytes, signal: AbortSignal): Promise<AdminReply> {
    const { clock, client, givenUp } = this.#parts;
    const startedAt = clock.monotonicMs();
    const either = AbortSignal.any([signal, givenUp]);
    const reply = await client.exchange(call.service, call.endpoint, body, {
      ...(await this.#options(call, either)),
    });
    return {
      body: reply.body,
      metadata: reply.metadata,
      durationMs: clock.monotonicMs() - startedAt,
      node: reply.node,
    };
  }

  async *stream(
    call: AdminCall,
    bodies: AsyncIterable<MessageBytes>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageBytes> {
    const stop = new AbortController();
    const any = AbortSignal.any([signal, this.#parts.givenUp, stop.signal]);
    const options = await this.#options(call, any);
    await using stream = this.#parts.client.stream(call.service, call.endpoint, options);
    let badInput: { readonly thrown: unknown } | undefined;
    const sending = (async () => {
      try {
        for await (const body of bodies) await stream.send(body);
        await stream.end();
      } catch (thrown) {
        // an ended stream tells its reader why; what our own side did wrong only we know
        badInput = { thrown };
        stop.abort(thrown);
      }
    })();
    try {
      for await (const reply of stream) yield reply;
    } catch (thrown) {
      throw badInput !== undefined && any.reason === badInput.thrown ? badInput.thrown : thrown;
    } finally {
      stop.abort(new AgentError("ERR_RPC_STREAM_ENDED", "the stream is over"));
    }
    await sending;
  }

  async probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeResult> {
    const { clock, network, givenUp, material, loaded } = this.#parts;
    const { probe } = await import("../transport/tls-probe.ts");
    const { config } = loaded();
    const { minVersion } = config.tls;
    const proxy = proxyOf(config);
    const options = { ...request, material: material(), minVersion, network, proxy, clock };
    return probe(options, AbortSignal.any([signal, givenUp]));
  }

  #ownServices(): readonly ServiceView[] {
    const { table } = this.#parts;
    const { version } = this.#parts.loaded().config.service;
    const listen = this.#parts.listen();
    return table.services().map((name) => ({
      name,
      version,
      source: "local",
      nodes: listen === undefined ? [] : [{ id: `${name}-${listen}`, address: listen }],
      endpoints: table
        .list()
        .flatMap(({ service, name: endpoint, endpoint: { kind, mode } }) =>
          service === name ? [{ name: endpoint, kind, mode }] : [],
        ),
    }));
  }

  async #options(call: AdminCall, signal: AbortSignal) {
    return {
      codec: call.codec,
      request: carriedShape,
      response: carriedShape,
      metadata: Object.fromEntries(call.metadata),
      timeoutMs: call.timeoutMs,
      signal,
      ...(await this.#address(call, signal)),
    };
  }

  async #address({ service, address, serverName }: AdminCall, signal: AbortSignal) {
    if (address !== undefined) return { address, serverName };
    const records = await this.#parts.registry.lookup(service, signal);
    return records.length === 0 ? this.#ownAddress(service) : {};
  }

  /** A service that we serve ourselves and no registry knows is called at our own listener. */
  #ownAddress(service: string): OwnNode | Record<string, never> {
    if (!this.#parts.table.services().includes(service)) return {};
    const listen = this.#parts.listen();
    if (listen === undefined) {
      const { rpc } = this.#parts.loaded().config;
      throw new AgentError(
        "ERR_RPC_CONNECT",
        `the agent does not listen on ${formatAddress(rpc.listen)} yet`,
      );
    }
    return ownNode(parseAddress(listen), this.#parts.leaf());
  }
}
