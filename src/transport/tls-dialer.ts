/**
 * Opens connections to peers: name, addresses in a race, proxy tunnel, TLS, and our own verdict on the
 * server. Every step ends when the caller's signal aborts or the time limit is over, and leaves
 * nothing open behind it.
 */
import { isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { AgentError, type ErrorFields, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import { judgementWords } from "../identity/judgement.ts";
import { principalOf } from "../identity/peer-principal.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { PeerClock } from "../identity/time/time-view.ts";
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import { certificateFields } from "./certificate-fields.ts";
import type { Dialer, DialTarget } from "./dialer.ts";
import { FailureLog } from "./failure-log.ts";
import { LiveTls } from "./live-tls.ts";
import { NameLookup } from "./name-lookup.ts";
import {
  classifyHandshakeError,
  connectWords,
  type HandshakeFailure,
  lateRefusal,
} from "./node-error.ts";
import { type JudgedPeer, judgeSocket, takePeerCertificate } from "./peer-certificates.ts";
import type { PeerConnection } from "./peer-connection.ts";
import type { PeerRevocation } from "./peer-revocation.ts";
import type { ProxySettings } from "./proxy-settings.ts";
import { reach, whereOf } from "./reach.ts";
import { revokeServer, watchServer, watchStaple } from "./server-revoking.ts";
import { Sessions } from "./sessions.ts";
import { waitFor } from "./socket-events.ts";
import type { MinVersion } from "./tls-policy.ts";

export type DialerSecurity =
  | {
      readonly kind: "tls";
      readonly source: TlsMaterialSource;
      /** `insecure-skip-verify` takes any server: development, or `MICRO_TLS_INSECURE`. */
      readonly verify: "enforce" | "insecure-skip-verify";
      readonly minVersion: MinVersion;
      /** `undefined`: nobody is asked whether a certificate was revoked. */
      readonly revocation?: PeerRevocation | undefined;
    }
  /** No TLS at all. Development only. */
  | { readonly kind: "insecure-plaintext" };

export interface TlsDialerOptions {
  readonly security: DialerSecurity;
  readonly network: Network;
  /** For everything from the name to the verdict. */
  readonly connectTimeoutMs: number;
  /** For the name alone; default half of `connectTimeoutMs`. */
  readonly lookupTimeoutMs?: number;
  readonly proxy?: ProxySettings | undefined;
  readonly clock: Clock;
  /** The time that certificates are judged by; default the clock's. */
  readonly time?: PeerClock | undefined;
  readonly log: Logger;
}

/** What a dial is doing, for the text of a time-out. */
interface Phase {
  text: string;
  tls: boolean;
}

export class TlsDialer implements Dialer, Disposable {
  readonly #options: TlsDialerOptions;
  readonly #lookup: NameLookup;
  readonly #failures: FailureLog;
  readonly #sessions = new Sessions();
  readonly #live: LiveTls | undefined;

  constructor(options: TlsDialerOptions) {
    const { security, network, clock, log, connectTimeoutMs } = options;
    this.#options = options;
    const timeoutMs = options.lookupTimeoutMs ?? connectTimeoutMs / 2;
    this.#lookup = new NameLookup({ network, clock, timeoutMs });
    this.#failures = new FailureLog({ clock, log });
    if (security.kind !== "tls") return;
    this.#live = new LiveTls(security.source, security.minVersion);
    this.#live.onChange(() => this.#sessions.clear());
  }

  async dial(target: DialTarget, signal: AbortSignal): Promise<PeerConnection> {
    signal.throwIfAborted();
    const { clock, connectTimeoutMs } = this.#options;
    const phase: Phase = { text: "resolving its name", tls: false };
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = clock.setTimer(connectTimeoutMs, () => {
      const words = `${whereOf(target)}: no connection within ${connectTimeoutMs} ms; stopped while ${phase.text}`;
      stop.abort(new AgentError(phase.tls ? "ERR_TLS_HANDSHAKE" : "ERR_RPC_CONNECT", words));
    });
    try {
      const raw = await this.#reach(target, phase, stop.signal);
      if (this.#live === undefined) return plainConnection(raw, target);
      return await this.#secure(raw, target, this.#live, phase, stop.signal);
    } catch (error) {
      // The caller's own reason goes to the caller; everything else has become ours.
      if (isAgentError(error) || signal.aborted) throw error;
      throw new AgentError("ERR_RPC_CONNECT", connectWords(error, whereOf(target)), {
        cause: error,
      });
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#live?.[Symbol.dispose]();
    this.#sessions.clear();
  }

  #reach(target: DialTarget, phase: Phase, signal: AbortSignal): Promise<Socket> {
    const { network, clock, proxy } = this.#options;
    const onStep = (words: string): void => {
      phase.text = words;
    };
    return reach(target, { network, clock, lookup: this.#lookup, proxy, onStep }, signal);
  }

  async #secure(
    raw: Socket,
    target: DialTarget,
    live: LiveTls,
    phase: Phase,
    signal: AbortSignal,
  ): Promise<PeerConnection> {
    phase.text = "in the TLS handshake";
    phase.tls = true;
    const key = `${whereOf(target)} ${target.serverName ?? ""} ${target.alpn.join(",")}`;
    const name = target.serverName ?? target.host;
    const session = this.#sessions.take(key);
    const { material } = live;
    const socket = connectTls({
      socket: raw,
      secureContext: live.clientContext(),
      ALPNProtocols: [...target.alpn],
      // Server names are names, never addresses (RFC 6066 section 3).
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(session === undefined ? {} : { session: Buffer.from(session.ticket) }),
      // Our own verdict follows: Node's would hide what it saw, and its name check trusts the CN.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      requestOCSP: this.#revocation !== undefined,
    });
    const staple = watchStaple(socket);
    let certificate: Certificate | undefined;
    let early: Uint8Array | undefined;
    const keep = (ticket: Uint8Array): void => {
      if (live.material !== material) return;
      if (certificate === undefined) early = ticket;
      else this.#sessions.put(key, { ticket, certificate });
    };
    // Before the handshake: a ticket may come in one read with its end, before we have judged.
    socket.on("session", keep);
    try {
      await waitFor(socket, "secureConnect", signal);
    } catch (error) {
      raw.destroy();
      if (signal.aborted) throw error;
      throw this.#handshakeError(target, classifyHandshakeError(error), error);
    }
    const { clock, time } = this.#options;
    const judgedAt = time?.peerTime() ?? { nowMs: clock.now() };
    const context = { ...judgedAt, role: "server", host: name } as const;
    const x509 = takePeerCertificate(socket);
    const chain = judgeSocket(socket, x509, context, live.bundle, session?.certificate);
    const shown = { socket, bundle: live.bundle, staple: staple(), remote: whereOf(target) };
    const judged = await revokeServer(this.#revocation, chain, shown);
    if (signal.aborted) {
      socket.destroy();
      throw signal.reason;
    }
    const connection = this.#admit(socket, target, judged);
    certificate = judged.certificate;
    if (early !== undefined) keep(early);
    return connection;
  }

  #admit(socket: TLSSocket, target: DialTarget, judged: JudgedPeer): PeerConnection {
    const refusal = judged.accepted ? undefined : judgementWords("server", judged.problems);
    if (refusal !== undefined && this.#mustRefuse()) {
      socket.on("error", () => undefined);
      socket.destroy();
      throw this.#refusal(target, judged, refusal);
    }
    socket.once("error", (error) => {
      const late = lateRefusal(error);
      if (late !== undefined) this.#reportFailure(target, late);
    });
    const { certificate, accepted } = judged;
    const remote = whereOf(target);
    if (accepted) watchServer(this.#revocation, certificate, socket, remote);
    return {
      socket,
      principal: principalOf({ certificate, verified: accepted, refusal, remote }),
      alpn: socket.alpnProtocol || undefined,
    };
  }

  get #revocation(): PeerRevocation | undefined {
    const { security } = this.#options;
    const asked = security.kind === "tls" && security.verify === "enforce";
    return asked ? security.revocation : undefined;
  }

  #mustRefuse(): boolean {
    const { security } = this.#options;
    return security.kind === "tls" && security.verify === "enforce";
  }

  #refusal(target: DialTarget, judged: JudgedPeer, words: string): AgentError {
    const [main] = judged.problems;
    const summary = judged.certificate?.summary;
    const fields: ErrorFields = {
      cause: main?.cause ?? "chain",
      remote: whereOf(target),
      fix: main?.fix ?? "",
      ...(summary === undefined
        ? {}
        : {
            subject: summary.subject,
            issuer: summary.issuer,
            not_before: formatMoment(summary.notBefore),
            not_after: formatMoment(summary.notAfter),
          }),
    };
    this.#failures.emit("peer.refused", whereOf(target), String(fields["cause"]), {
      ...fields,
      reason: words,
    });
    return new AgentError("ERR_TLS_PEER_REFUSED", `${whereOf(target)}: ${words}`, { fields });
  }

  #reportFailure(target: DialTarget, failure: HandshakeFailure): void {
    const { cause, words, fix } = failure;
    const remote = whereOf(target);
    const ours = cause === "rejected-by-peer" ? this.#live?.leaf : undefined;
    const fields = { remote, reason: words, fix, ...certificateFields(ours) };
    this.#failures.emit("handshake.failed", `${remote} ${words}`, cause, fields);
  }

  #handshakeError(target: DialTarget, failure: HandshakeFailure, error: unknown): AgentError {
    this.#reportFailure(target, failure);
    const fields = { cause: failure.cause, remote: whereOf(target), fix: failure.fix };
    const message = `${whereOf(target)}: ${failure.words}`;
    return new AgentError("ERR_TLS_HANDSHAKE", message, { cause: error, fields });
  }
}

function plainConnection(socket: Socket, target: DialTarget): PeerConnection {
  const refusal = "the connection is not encrypted";
  const remote = whereOf(target);
  const principal = principalOf({ certificate: undefined, verified: false, refusal, remote });
  return { socket, principal, alpn: undefined };
}
