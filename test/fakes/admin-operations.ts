/**
 * An agent as the control socket sees it, that answers what it was told to.
 */

import { NO_PUSHES, NO_QUEUE, NO_RENEWAL, noCertificates } from "#src/agent/no-store.ts";
import { AgentError } from "#src/base/errors.ts";
import type { LimitsView } from "#src/guard/limits-view.ts";
import type {
  AdminCall,
  AdminOperations,
  AdminReply,
  MessageBytes,
  ProbeRequest,
  StatusView,
} from "#src/sidecar/admin-operations.ts";
import type { CertificateOperations } from "#src/sidecar/certificate-operations.ts";
import type { PushOperations } from "#src/sidecar/push-operations.ts";
import type { QueueOperations } from "#src/sidecar/queue-operations.ts";
import type { RenewalOperations } from "#src/sidecar/renewal-operations.ts";
import type { TimeOperations } from "#src/sidecar/time-api.ts";
import type { ProbeResult } from "#src/transport/probe-result.ts";

export const STATUS: StatusView = {
  name: "greeter",
  version: "1.2.3",
  pid: 42,
  state: "ready",
  startedAt: Date.UTC(2026, 5, 1),
  uptimeMs: 90_061_000,
  configPath: "/etc/microedge/microedge.toml",
  listener: { address: "127.0.0.1:0", listen: "127.0.0.1:40001", waitingFor: undefined },
  tls: {
    verify: "enforce",
    minVersion: "1.3",
    certificate: {
      subject: "CN=device-7",
      issuer: "CN=development CA",
      notBefore: Date.UTC(2026, 4, 1),
      notAfter: Date.UTC(2026, 7, 1),
      serial: "0A0B",
      fingerprint: "ab".repeat(32),
    },
    refused: undefined,
  },
  identity: {
    source: "store",
    generation: 7,
    state: "TRIALLED",
    words: "generation 7 was accepted by a peer and is on probation with the others",
    notAfter: Date.UTC(2026, 7, 1),
    serial: "0A0B",
    spiffeId: "spiffe://example.org/device-7",
    epoch: "0123456789abcdef0123456789abcdef",
    store: undefined,
  },
  connections: 3,
  counters: { calls: 17, errors: 2 },
  memory: {
    rss: 41_000_000,
    heapUsed: 6_000_000,
    anon: 20 * 1024 * 1024,
    limit: undefined,
    level: "calm",
    majorFaults: 0,
    majorFaultsPerSecond: 0,
    shedCalls: 0,
    closedConnections: 0,
  },
  handlers: [{ module: "/etc/microedge/greeter.mjs", service: "greeter" }],
  warnings: [],
};

export const LIMITS: LimitsView = {
  tables: [
    {
      name: "failed_handshakes",
      capacity: 8192,
      used: 3,
      evictions: 0,
      refused: 12,
      waited: 0,
      bytes: 131_148,
      rates: [{ rate: 10, burst: 100, waitMs: 0 }],
    },
    {
      name: "per_endpoint",
      capacity: 2,
      used: 1,
      evictions: 0,
      refused: 5,
      waited: 40,
      bytes: 16,
      rates: [
        { endpoint: "greeter/Greeter.Hello", rate: 2.5, burst: 5, waitMs: 250 },
        { endpoint: "greeter/Greeter.Bye", rate: 1, burst: 1, waitMs: 0 },
      ],
    },
  ],
  calls: { inFlight: 4, waiting: 1, max: 1024, maxPerPeer: 0, shed: 0, refusedPerPeer: 0 },
  peers: [
    {
      peer: "spiffe://fleet.example/backend",
      callsPerSecond: 12.5,
      calls: 900,
      refused: 5,
      inFlight: 4,
    },
  ],
};

export class FakeAgent implements AdminOperations {
  certificates: CertificateOperations = noCertificates("the test has none");
  queue: QueueOperations = NO_QUEUE;
  renewal: RenewalOperations = NO_RENEWAL;
  pushes: PushOperations = NO_PUSHES;
  time: TimeOperations = {
    challenge: async () => ({ device: "greeter", epoch: "e", nonce: "n", forMs: 600_000 }),
    apply: async (statement) => {
      throw new AgentError("ERR_TIME_STATEMENT", `refused: ${statement}`);
    },
  };
  readonly calls: { readonly call: AdminCall; readonly body: string }[] = [];
  configFile = "/etc/microedge/microedge.toml";
  /** Thrown by the next call, once. */
  failure: unknown;
  /** A call does not return before this does. */
  hold: Promise<void> = Promise.resolve();
  /** Resolves with the reason when a call's signal aborts. */
  readonly aborted = Promise.withResolvers<unknown>();

  status(): StatusView {
    return STATUS;
  }

  limits(): LimitsView {
    return LIMITS;
  }

  async services(): ReturnType<AdminOperations["services"]> {
    return [
      {
        name: "greeter",
        version: "1.2.3",
        source: "local",
        nodes: [{ id: "greeter-1", address: "127.0.0.1:40001" }],
        endpoints: [{ name: "Greeter.Hello", kind: "read", mode: "unary" }],
      },
    ];
  }

  /** Echoes the body. */
  async call(call: AdminCall, body: MessageBytes, signal: AbortSignal): Promise<AdminReply> {
    signal.addEventListener("abort", () => this.aborted.resolve(signal.reason));
    this.calls.push({ call, body: Buffer.from(body).toString("utf8") });
    await this.hold;
    if (this.failure !== undefined) throw this.failure;
    return { body, metadata: new Map([["x-seen", "yes"]]), durationMs: 7, node: "127.0.0.1:40001" };
  }

  readonly probes: ProbeRequest[] = [];

  /** Nobody is there. */
  async probe(request: ProbeRequest): Promise<ProbeResult> {
    this.probes.push(request);
    const { host, port, serverName = host } = request;
    return {
      ...{ host, port, serverName, addresses: [], connectedTo: undefined, protocol: undefined },
      ...{ cipher: undefined, group: undefined, alpn: undefined, chain: [] },
      ...{ serverAccepted: undefined, clientCertificate: "unknown", refusal: undefined },
      findings: [{ level: "fail", id: "tcp", words: "nobody listens there", fix: "start it" }],
      ok: false,
    };
  }

  async *stream(
    call: AdminCall,
    bodies: AsyncIterable<MessageBytes>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageBytes> {
    signal.addEventListener("abort", () => this.aborted.resolve(signal.reason));
    const stop = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    stop.catch(() => undefined);
    this.calls.push({ call, body: "" });
    const messages = bodies[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([messages.next(), stop]);
      if (next.done === true) return;
      if (Buffer.from(next.value).toString() === "fail") {
        throw new AgentError("ERR_RPC_OVERLOADED", "no more");
      }
      yield next.value;
    }
  }

  config(): ReturnType<AdminOperations["config"]> {
    return {
      path: this.configFile,
      values: [{ key: "rpc.listen", value: "127.0.0.1:0", source: "file", reloads: "restart" }],
    };
  }

  async reload(): ReturnType<AdminOperations["reload"]> {
    return { applied: ["log.level"], needRestart: ["rpc.listen"] };
  }
}
