/**
 * What the control socket can ask of a running agent. The agent implements it; `admin-api.ts` puts it
 * on the socket and the command line reads it there. Everything here but message bodies travels as
 * JSON under the same names, so a name that changes here changes `docs/json-output.md`.
 *
 * Times `…At` are Unix milliseconds, spans `…Ms` milliseconds. Never a key, a token or PEM.
 */
import type { CertificateSummary } from "../base/principal.ts";
import type { LimitsView } from "../guard/limits-view.ts";
import type { MemoryView } from "../guard/memory-marks.ts";
import type { ExpiryReading } from "../identity/time/expiry-reading.ts";
import type { FloorSource } from "../identity/time/time-floor.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { RenewalView } from "../rotation/renewal-ports.ts";
import type { EndpointKind } from "../rpc/call.ts";
import type { ProbeResult } from "../transport/probe-result.ts";
import type { CodecName } from "../wire/codec/codec.ts";
import type { CertificateOperations, IdentityView } from "./certificate-operations.ts";
import type { PushOperations } from "./push-operations.ts";
import type { QueueOperations, QueueView } from "./queue-operations.ts";
import type { RenewalOperations } from "./renewal-operations.ts";
import type { RevocationView } from "./revocation-view.ts";
import type { TimeOperations } from "./time-api.ts";

export type AgentState = "starting" | "waiting" | "ready" | "draining";

export interface ListenerView {
  /** As configured, `host:port`. */
  readonly address: string;
  /** As bound; `undefined` while the address is not available yet. */
  readonly listen: string | undefined;
  /** Why it is not bound yet. */
  readonly waitingFor: string | undefined;
}

export interface TlsView {
  readonly verify: "enforce" | "observe" | "insecure" | "plaintext";
  readonly minVersion: string;
  /** The leaf in use; `undefined` only in plain-text mode. */
  readonly certificate: CertificateSummary | undefined;
  /** Why newer files on disk are not in use; `undefined` when they are. */
  readonly refused: string | undefined;
}

/** Unix milliseconds. */
export interface ClockView extends TimeView {
  /** How far `nowMs` is ahead of what the machine's clock says; 0 while that is believed. */
  readonly offsetMs: number;
  /** What proved the floor. */
  readonly floorSource: FloorSource;
  /** What the machine's time services say, in words. */
  readonly timeService: string;
}

/** The authorities that we trust, in short. Unix milliseconds. */
export interface TrustAnchorsView {
  readonly anchors: number;
  /** When the first of them ends, and the last; `undefined` without any. */
  readonly firstEndsAt: number | undefined;
  readonly lastEndsAt: number | undefined;
}

export interface StatusView {
  readonly name: string;
  readonly version: string;
  /** Full Git commit of the build, or `unknown`. */
  readonly commit?: string;
  readonly pid: number;
  readonly state: AgentState;
  readonly startedAt: number;
  readonly uptimeMs: number;
  readonly configPath: string;
  readonly listener: ListenerView;
  readonly tls: TlsView;
  /** `undefined` only in plain-text mode. */
  readonly identity: IdentityView | undefined;
  /** `undefined` only in plain-text mode. */
  readonly revocation?: RevocationView | undefined;
  /** What is known of the time. */
  readonly time?: ClockView | undefined;
  /** How long our certificates and the authorities have left: the worst first, at most 16. */
  readonly expiry?: readonly ExpiryReading[] | undefined;
  /** The trust bundles in force; `undefined` only in plain-text mode. */
  readonly trust?: TrustAnchorsView | undefined;
  /** The rotation queue in short; `undefined` without a certificate store. */
  readonly queue?: QueueView | undefined;
  /** When the certificate is renewed; `undefined` without an issuer. */
  readonly renewal?: RenewalView | undefined;
  /** Open peer connections, by now. */
  readonly connections: number;
  /** Totals since the start; names are the counters' own (`calls`, `errors`, `handshakes_failed`, …). */
  readonly counters: Readonly<Record<string, number>>;
  /** Warnings and errors that were logged since the start, by event, with those that the log left out. */
  readonly events?: Readonly<Record<string, number>>;
  readonly memory: MemoryView & {
    /** Bytes. */
    readonly rss: number;
    readonly heapUsed: number;
  };
  readonly handlers: readonly { readonly module: string; readonly service: string }[];
  /** Sentences a person should read: insecure switches, TLS 1.2, a refused reload. */
  readonly warnings: readonly string[];
}

export interface EndpointView {
  /** `Handler.Method`. */
  readonly name: string;
  readonly kind: EndpointKind;
  readonly mode: "unary" | "stream";
}

export interface ServiceView {
  readonly name: string;
  readonly version: string;
  /** `local` is served by this agent; anything else is the registry that knows the service. */
  readonly source: string;
  readonly nodes: readonly { readonly id: string; readonly address: string }[];
  /** Known only for local services. */
  readonly endpoints: readonly EndpointView[];
}

export interface AdminCall {
  readonly service: string;
  /** `Handler.Method`. */
  readonly endpoint: string;
  readonly codec: CodecName;
  /** Sent with the call, beside the transport's own headers. */
  readonly metadata: ReadonlyMap<string, string>;
  /** `undefined` takes the agent's default (`client.timeout_ms`). */
  readonly timeoutMs: number | undefined;
  /** `host:port` to call, whatever the registry says; `undefined` asks the registry. */
  readonly address?: string | undefined;
  /** With `address`: the name that the certificate there must carry, when it is not the host. */
  readonly serverName?: string | undefined;
}

/** A TLS port to look at as this device would, with its own certificate. */
export interface ProbeRequest {
  readonly host: string;
  readonly port: number;
  /** Name that the certificate must carry, when it is not `host`. */
  readonly serverName: string | undefined;
  /** For each step: name, TCP, handshake. */
  readonly timeoutMs: number;
  /** As in `ProbeOptions`. */
  readonly ownOnly?: boolean | undefined;
}

/**
 * The message itself, without the codec's envelope: JSON text for `json` and `json-rpc`, encoded
 * protobuf for `protobuf` and `proto-rpc`, the bytes for `bytes`.
 */
export type MessageBytes = Uint8Array;

export interface AdminReply {
  readonly body: MessageBytes;
  readonly metadata: ReadonlyMap<string, string>;
  /** From sending to the whole reply. */
  readonly durationMs: number;
  /** `host:port` of the node that answered. */
  readonly node: string;
}

export interface ConfigValueView {
  /** Dotted, as in `rpc.listen`. */
  readonly key: string;
  readonly value: string | number | boolean | readonly string[];
  /** `default`, the file, or the environment variable that set it. */
  readonly source: string;
  readonly reloads: "live" | "restart";
}

export interface ReloadView {
  /** Keys that changed and are in force. */
  readonly applied: readonly string[];
  /** Keys that changed and take effect at the next start. */
  readonly needRestart: readonly string[];
}

export interface AdminOperations {
  /** The device's own certificate, keys and trust bundle. */
  readonly certificates: CertificateOperations;
  /** What the device still has to do. */
  readonly queue: QueueOperations;
  /** When the certificate is renewed, and signed trust updates. */
  readonly renewal: RenewalOperations;
  readonly pushes: PushOperations;
  /** The fleet's word on the time. */
  readonly time: TimeOperations;
  status(): StatusView;
  /** Buckets, refusals and the busiest peers. */
  limits(): LimitsView;
  services(signal: AbortSignal): Promise<readonly ServiceView[]>;
  /** Calls any service, the agent's own by its registry or listener. @throws AgentError; a `RemoteError` when the service itself answered with one. */
  call(call: AdminCall, body: MessageBytes, signal: AbortSignal): Promise<AdminReply>;
  /** A bidirectional stream: yields each reply as it comes; `bodies` ending ends our side. */
  stream(
    call: AdminCall,
    bodies: AsyncIterable<MessageBytes>,
    signal: AbortSignal,
  ): AsyncIterable<MessageBytes>;
  /** Takes a handshake apart; the private key stays with the agent. Never rejects for what is wrong there. */
  probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeResult>;
  config(): { readonly path: string; readonly values: readonly ConfigValueView[] };
  /** Reads the configuration and the TLS files again. @throws AgentError `ERR_CONFIG_INVALID`; the old stays in force. */
  reload(): Promise<ReloadView>;
}
