/**
 * The way of one inbound connection: TCP accepted, first record seen, handshake slot, handshake, our
 * verdict on the peer, hand-over. Whatever goes wrong on the way is counted and told once per peer
 * and cause; nothing here throws.
 */
import type { Socket } from "node:net";
import type { TLSSocket, Server as TlsServer } from "node:tls";
import { AgentError } from "../base/errors.ts";
import type { LogEvent } from "../base/log.ts";
import { isLoopback } from "../base/loopback.ts";
import type { Principal } from "../base/principal.ts";
import { addressKey } from "../guard/address-key.ts";
import type { Clock, Timer } from "../host/clock.ts";
import { judgementWords } from "../identity/judgement.ts";
import { principalOf } from "../identity/peer-principal.ts";
import type { PeerClock } from "../identity/time/time-view.ts";
import type { TrustDomain } from "../identity/trust-domain.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { AddressGate } from "./address-gate.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { certificateFields } from "./certificate-fields.ts";
import { NOT_TLS, PLAIN_HTTP, PLAIN_HTTP_REPLY, TIMEOUT } from "./early-failures.ts";
import type { FailureLog } from "./failure-log.ts";
import { judgeFirstBytes } from "./first-record.ts";
import { closeGracefully } from "./graceful-close.ts";
import type { IntakeCounters } from "./intake-counters.ts";
import { classifyHandshakeError, type HandshakeFailure } from "./node-error.ts";
import { ObservedPeers } from "./observed-peers.ts";
import { type JudgedPeer, judgeSocket, takePeerCertificate } from "./peer-certificates.ts";
import type { ConnectionHandler } from "./peer-connection.ts";
import { type PlacedPeer, placePeer } from "./peer-placement.ts";
import type { PeerRevocation } from "./peer-revocation.ts";
import { revokePlaced, watchRevocation } from "./peer-revoking.ts";
import { RecordWatch } from "./record-watch.ts";
import { hostOf, keyOf, remoteOf } from "./socket-names.ts";
import { letsUnverifiedPass, type VerifyMode } from "./verify-mode.ts";
import { type Observed, peerOf, plainPrincipal, type Visitor } from "./visitor.ts";

export interface IntakeOptions {
  readonly limits: AdmissionLimits;
  readonly handshakeTimeoutMs: number;
  /** Builds the one reply that a refused peer is sent: a go-micro error inside HTTP 200. */
  readonly refusalReply: (refusal: AgentError) => Uint8Array;
  readonly handler: ConnectionHandler;
  readonly counters: IntakeCounters;
  /** `undefined` lets every address in. */
  readonly gate?: AddressGate | undefined;
  /** Whether memory is so short that newcomers must go. @param open Established connections. */
  readonly refusesConnection?: ((open: number) => boolean) | undefined;
  readonly failures: FailureLog;
  readonly clock: Clock;
  /** The time that certificates are judged by; default the clock's. */
  readonly time?: PeerClock | undefined;
  /** `undefined`: plain sockets, development only. */
  readonly tls: IntakeTls | undefined;
}

export interface IntakeTls {
  readonly server: TlsServer;
  readonly verify: VerifyMode;
  /** The trust domains in force, to place peers and to explain refusals. */
  domains(): readonly TrustDomain[];
  /** Our own certificate in force: what a peer refused that refuses us. */
  leaf(): Certificate;
  /** `undefined`: nobody is asked whether a certificate was revoked. */
  readonly revocation?: PeerRevocation | undefined;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #admission: Admission<Visitor>;
  /** Handshakes in flight by addresses: Node does not tell which raw socket a TLS socket wraps. */
  readonly #shaking = new Map<string, Visitor>();
  readonly #observed: ObservedPeers<Observed> | undefined;
  readonly #records: RecordWatch<Visitor>;
  #dawdleTimer: Timer | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#admission = new Admission(options.limits);
    const { tls, clock } = options;
    if (tls?.verify.kind === "observe") {
      const { untilMs } = tls.verify;
      const expire = (peer: Observed): void => this.#observingEnded(peer);
      this.#observed = new ObservedPeers<Observed>({ clock, untilMs, expire });
    }
    this.#records = new RecordWatch(clock, (visitor) => this.#wasted(visitor));
    options.tls?.server.on("secureConnection", (socket) => this.#secured(socket));
    options.tls?.server.on("tlsClientError", (error, socket) => this.#failed(error, socket));
  }

  get established(): number {
    return this.#admission.count("established");
  }

  get pending(): number {
    return this.#admission.pending;
  }

  /** Takes a socket fresh from `accept`. */
  accept(raw: Socket): void {
    const { counters, clock } = this.#options;
    counters.accepted += 1;
    const remote = remoteOf(raw);
    const { remoteAddress: address = "" } = raw;
    const visitor: Visitor = {
      raw,
      address,
      remote,
      key: keyOf(raw),
      socket: raw,
      timer: undefined,
      first: new Uint8Array(),
      stage: "silent",
      since: clock.monotonicMs(),
      local: isLoopback(address),
      crowd: addressKey(address),
      domains: [],
    };
    raw.on("error", () => raw.destroy());
    if (this.#options.refusesConnection?.(this.established) === true) {
      this.#turnAway(visitor, "memory", "memory is short");
      return;
    }
    const limit = this.#options.gate?.admit(address, this.#admission.contended);
    if (limit !== undefined) {
      this.#turnAway(visitor, limit, "its address has used up what it may do");
      return;
    }
    const place = this.#admission.arrive(visitor);
    if (place === undefined) {
      this.#turnAway(visitor, "connections", "too many connections are in their handshake");
      return;
    }
    if (place.evict !== undefined) {
      this.#turnAway(place.evict, "displaced", "a silent connection gave way to a newer one");
    }
    raw.once("close", () => this.#gone(visitor));
    if (this.#options.tls === undefined) {
      this.#enter(visitor, raw, plainPrincipal(remote), undefined);
      return;
    }
    visitor.timer = clock.setTimer(this.#options.handshakeTimeoutMs, () => this.#expire(visitor));
    raw.on("readable", () => this.#peek(visitor));
  }

  /** Closes up to `count` idle connections, longest idle first; returns how many there were. */
  closeIdle(count: number): number {
    for (let closed = 0; closed < count; closed++) {
      const idle = this.#admission.takeIdle();
      if (idle === undefined) return closed;
      this.#options.counters.count("refused", "idle-for-memory");
      closeGracefully(idle.socket, new Uint8Array(), this.#options.clock);
    }
    return count;
  }

  /** Resets every connection that has not been handed over yet; those that have belong to others. */
  close(): void {
    this.#dawdleTimer?.cancel();
    this.#observed?.[Symbol.dispose]();
    this.#records[Symbol.dispose]();
    for (const visitor of [...this.#admission.all()]) {
      if (visitor.stage === "established") continue;
      visitor.timer?.cancel();
      this.#admission.leave(visitor);
      visitor.socket.destroy();
      visitor.raw.destroy();
    }
  }

  #peek(visitor: Visitor): void {
    if (visitor.stage !== "silent") return;
    for (let chunk = visitor.raw.read(); chunk !== null; chunk = visitor.raw.read()) {
      visitor.first = visitor.first.length === 0 ? chunk : Buffer.concat([visitor.first, chunk]);
    }
    switch (judgeFirstBytes(visitor.first)) {
      case "incomplete":
        return;
      case "plain-http":
        this.#report(visitor, PLAIN_HTTP, undefined);
        this.#dismiss(visitor, PLAIN_HTTP_REPLY);
        return;
      case "not-tls":
        this.#report(visitor, NOT_TLS, undefined);
        visitor.raw.destroy();
        return;
      case "client-hello":
        visitor.raw.removeAllListeners("readable");
        visitor.raw.pause();
        this.#admission.move(visitor, "waiting", this.#options.clock.monotonicMs());
        this.#beginHandshakes();
    }
  }

  #beginHandshakes(): void {
    const { tls, clock } = this.#options;
    for (;;) {
      const visitor = this.#admission.nextHandshake();
      if (visitor === undefined || tls === undefined) break;
      this.#admission.move(visitor, "shaking", clock.monotonicMs());
      this.#shaking.set(visitor.key, visitor);
      visitor.raw.unshift(visitor.first);
      visitor.first = new Uint8Array();
      visitor.domains = tls.domains();
      tls.server.emit("connection", visitor.raw);
    }
    this.#watchDawdlers();
  }

  /** While somebody waits for a slot, the longest handshake must not hold one for ever. */
  #watchDawdlers(): void {
    this.#dawdleTimer?.cancel();
    const { clock } = this.#options;
    const dawdler = this.#admission.dawdler(clock.monotonicMs());
    if (dawdler === undefined) return;
    this.#dawdleTimer = clock.setTimer(dawdler.inMs, () => {
      const late = this.#admission.dawdler(clock.monotonicMs());
      if (late?.inMs === 0) {
        this.#turnAway(late.seat, "displaced", "a slow handshake gave way to one that waited");
        this.#spendFailure(late.seat);
      }
      this.#watchDawdlers();
    });
  }

  #secured(socket: TLSSocket): void {
    const visitor = this.#shaking.get(keyOf(socket));
    const { tls, clock, time } = this.#options;
    if (visitor === undefined || tls === undefined) {
      socket.destroy();
      return;
    }
    this.#shaking.delete(visitor.key);
    visitor.timer?.cancel();
    visitor.socket = socket;
    const judgedAt = time?.peerTime() ?? { nowMs: clock.now() };
    const context = { ...judgedAt, role: "client" } as const;
    const { domains } = visitor;
    const bundle = domains.flatMap((domain) => domain.bundle);
    const shown = judgeSocket(socket, takePeerCertificate(socket), context, bundle);
    const placed = placePeer(shown, domains, context.nowMs);
    revokePlaced(tls.revocation, placed, visitor, (judged) => this.#decide(visitor, judged, tls));
    this.#beginHandshakes();
  }

  /** Lets a judged peer in, or tells it why not. */
  #decide(visitor: Visitor, judged: PlacedPeer, tls: IntakeTls): void {
    const words = judged.accepted ? undefined : judgementWords("client", judged.problems);
    const { certificate, accepted, trustDomains } = judged;
    const socket = visitor.socket as TLSSocket;
    const principal = principalOf({
      certificate,
      verified: accepted,
      trustDomains,
      refusal: words,
      remote: visitor.remote,
    });
    if (words === undefined) {
      this.#enter(visitor, socket, principal, socket.alpnProtocol || undefined);
      const onCut = (): void => this.#options.counters.count("refused", "revoked");
      watchRevocation(tls.revocation, certificate, visitor, onCut);
    } else if (letsUnverifiedPass(tls.verify, this.#options.clock.now())) {
      if (this.#observed !== undefined) this.#observe(this.#observed, { visitor, judged, words });
      this.#enter(visitor, socket, principal, socket.alpnProtocol || undefined);
    } else {
      this.#spendFailure(visitor);
      this.#reportPeer("peer.refused", visitor, judged, words);
      this.#refuse(visitor, new AgentError("ERR_TLS_PEER_REFUSED", words));
    }
    // a peer that was held back has given its slot free only now
    this.#beginHandshakes();
  }

  #observe(peers: ObservedPeers<Observed>, peer: Observed): void {
    const { visitor, judged, words } = peer;
    this.#reportPeer("peer.observed", visitor, judged, words);
    peers.add(peer);
    visitor.raw.once("close", () => peers.delete(peer));
  }

  /** Cut off, calls and all: a request that is read from now on must not be answered. */
  #observingEnded({ visitor, judged, words }: Observed): void {
    this.#reportPeer("peer.refused", visitor, judged, `observing has ended: ${words}`);
    visitor.socket.destroy();
    visitor.raw.destroy();
  }

  #enter(visitor: Visitor, socket: Socket, principal: Principal, alpn: string | undefined): void {
    visitor.peer = peerOf(principal, visitor);
    const place = this.#admission.establish(visitor, this.#options.clock.monotonicMs());
    if (place === undefined) {
      const words = "too many connections are open and none of them is idle";
      this.#tell(visitor, "connections", words);
      this.#refuse(visitor, new AgentError("ERR_RPC_OVERLOADED", words));
      return;
    }
    if (place.evict?.idleSince !== undefined) {
      this.#options.counters.count("refused", "idle-displaced");
      closeGracefully(place.evict.socket, new Uint8Array(), this.#options.clock);
    } else if (place.evict !== undefined) {
      this.#turnAway(place.evict, "peer-displaced", "one of very many of its peer gave way");
    }
    const setIdle = (idle: boolean): void => this.#admission.setIdle(visitor, idle);
    if (socket !== visitor.raw) {
      this.#records.watch(visitor);
      visitor.raw.once("close", () => this.#records.forget(visitor));
    }
    this.#options.handler({ socket, principal, alpn, setIdle });
  }

  #wasted(visitor: Visitor): void {
    this.#tell(visitor, "empty-records", "its TLS records carry next to nothing");
    visitor.raw.destroy();
    visitor.socket.destroy();
  }

  /** A peer that is told why it must go; its request is never parsed. */
  #refuse(visitor: Visitor, refusal: AgentError): void {
    this.#dismiss(visitor, this.#options.refusalReply(refusal));
  }

  #dismiss(visitor: Visitor, lastWords: Uint8Array): void {
    visitor.timer?.cancel();
    visitor.raw.removeAllListeners("readable");
    closeGracefully(visitor.socket, lastWords, this.#options.clock);
  }

  #failed(error: Error, socket: TLSSocket): void {
    const visitor = this.#shaking.get(keyOf(socket));
    if (visitor === undefined) return;
    this.#shaking.delete(visitor.key);
    const failure = classifyHandshakeError(error);
    const ours = failure.cause === "rejected-by-peer" ? this.#options.tls?.leaf() : undefined;
    this.#report(visitor, failure, ours);
  }

  #expire(visitor: Visitor): void {
    this.#report(visitor, TIMEOUT, undefined);
    this.#shaking.delete(visitor.key);
    visitor.raw.destroy();
  }

  /** Reset at once: no words, no state left in the kernel. */
  #turnAway(visitor: Visitor, cause: string, words: string): void {
    visitor.timer?.cancel();
    this.#shaking.delete(visitor.key);
    this.#tell(visitor, cause, words);
    visitor.raw.resetAndDestroy();
  }

  #tell({ remote }: Visitor, cause: string, reason: string): void {
    this.#options.counters.count("refused", cause);
    this.#options.failures.emit("connection.refused", hostOf(remote), cause, { remote, reason });
  }

  #gone(visitor: Visitor): void {
    visitor.timer?.cancel();
    // Still in the table of handshakes: it ended without Node reporting an error for it.
    if (this.#shaking.delete(visitor.key)) {
      this.#report(visitor, classifyHandshakeError({ code: "ECONNRESET" }), undefined);
    }
    this.#admission.leave(visitor);
    this.#beginHandshakes();
  }

  /** What did not become a peer counts against its address. */
  #spendFailure(visitor: Visitor): void {
    this.#options.gate?.failed(visitor.address);
  }

  #report(visitor: Visitor, failure: HandshakeFailure, certificate: Certificate | undefined): void {
    this.#spendFailure(visitor);
    const { counters, failures } = this.#options;
    counters.count("handshakesFailed", failure.cause);
    // One cause may have several reasons ("rejected-by-peer"), and one address several peers behind it.
    const peer = `${hostOf(visitor.remote)} ${failure.words}`;
    failures.emit("handshake.failed", peer, failure.cause, {
      remote: visitor.remote,
      reason: failure.words,
      fix: failure.fix,
      ...certificateFields(certificate),
    });
  }

  #reportPeer(event: LogEvent, visitor: Visitor, judged: JudgedPeer, words: string): void {
    const { counters, failures } = this.#options;
    const [main] = judged.problems;
    const cause = main?.cause ?? "chain";
    counters.count(event === "peer.observed" ? "observed" : "peersRefused", cause);
    const peer = judged.certificate?.summary.fingerprint ?? hostOf(visitor.remote);
    failures.emit(event, peer, cause, {
      remote: visitor.remote,
      reason: words,
      fix: main?.fix,
      ...certificateFields(judged.certificate),
    });
  }
}
