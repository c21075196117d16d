/**
 * Asks one peer whether it takes an identity of ours: a real connection with mutual TLS.
 *
 * In TLS 1.3 the client is done before the server has judged its certificate (RFC 8446 section 4.4.4),
 * so a handshake proves nothing: the probe waits for a refusal, and a second connection without a
 * certificate shows that this server does refuse, and how soon.
 */
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import type { ProbeResult } from "../transport/probe-result.ts";
import type { ProxySettings } from "../transport/proxy-settings.ts";
import type { MinVersion } from "../transport/tls-policy.ts";
import { probe } from "../transport/tls-probe.ts";

export interface ProbePeer {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Name that its certificate must carry, when it is not `host`. */
  readonly serverName?: string | undefined;
}

/**
 * - `accepted`: it demands a certificate, and took ours.
 * - `not-asked`: it was reached and is who it should be, but asks nobody for a certificate: no proof.
 * - `refused`: it is who it should be, and turned ours away; `strong` when only the peer itself can have
 *   said so (a TLS alert or an answer under the connection's keys), else anybody on the way could have.
 * - `distrusted`: it proved to hold a certificate that our trust bundle does not vouch for.
 * - `unreachable`: whatever anybody on the way can bring about.
 */
export type ProbeOutcome =
  | { readonly kind: "accepted" | "not-asked"; readonly peerSha256: string; readonly words: string }
  | { readonly kind: "refused"; readonly strong: boolean; readonly words: string }
  | { readonly kind: "distrusted"; readonly peerSha256: string; readonly words: string }
  | { readonly kind: "unreachable"; readonly words: string };

/** The port by which probation asks. Rejects only with the signal's reason. */
export type PeerProbe = (
  peer: ProbePeer,
  material: TlsMaterial,
  signal: AbortSignal,
) => Promise<ProbeOutcome>;

export interface TlsPeerProbeOptions {
  readonly network: Network;
  /** As for calls (`client.proxy`). */
  readonly proxy?: ProxySettings | undefined;
  readonly clock: Clock;
  readonly minVersion: MinVersion;
  /** For each step: name, TCP, handshake. */
  readonly timeoutMs: number;
  /** How long a peer may take to refuse; longer than one round trip on the worst link. */
  readonly settleMs: number;
}

export function tlsPeerProbe(options: TlsPeerProbeOptions): PeerProbe {
  return async (peer, material, signal) =>
    outcomeOf(await probe({ ...options, ...peer, material }, signal));
}

/** What a probe means for probation. */
export function outcomeOf(result: ProbeResult): ProbeOutcome {
  const { serverAccepted, clientCertificate, refusal, findings, chain } = result;
  const words = findings.find(({ level }) => level === "fail")?.words ?? "";
  const peerSha256 = chain[0]?.fingerprint ?? "";
  if (serverAccepted === undefined) {
    if (refusal === "handshake") return { kind: "refused", strong: false, words };
    return { kind: "unreachable", words };
  }
  if (!serverAccepted) return { kind: "distrusted", peerSha256, words };
  if (findings.some(({ level, id }) => level === "fail" && id === "tls-version")) {
    return { kind: "unreachable", words };
  }
  switch (clientCertificate) {
    case "accepted":
      return { kind: "accepted", peerSha256, words: "it demands a certificate and took ours" };
    case "not-demanded":
      return { kind: "not-asked", peerSha256, words: "it asks nobody for a certificate" };
    case "refused":
      return { kind: "refused", strong: refusal === "alert" || refusal === "answer", words };
    default:
      return { kind: "unreachable", words: words || "it did not answer a second connection" };
  }
}

/** `host:port`, an IPv6 host in brackets; with the name that its certificate must carry. */
export function formatPeer({ host, port, serverName }: ProbePeer): string {
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return serverName === undefined ? address : `${address} (${serverName})`;
}
