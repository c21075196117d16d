/**
 * The listener: one address, mutual TLS, every connection judged before it is handed on.
 *
 * An address that is not there yet (an interface that comes up later, a name that does not resolve)
 * is tried again and again and shown in {@link Listener.state}; everything else that goes wrong at
 * start, above all an address in use, is an error at once.
 *
 * ALPN is as go-micro's server has it: nothing is negotiated, so a peer that offers `http/1.1`, `h2`
 * or nothing is served alike and none is cut off by an alert (`docs/wire.md`, "TLS").
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { type BackoffPolicy, backoffMs } from "../base/backoff.ts";
import { AgentError, errorText } from "../base/errors.ts";
import type { Part } from "../base/lifecycle.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { PeerClock } from "../identity/time/time-view.ts";
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import type { AddressGate } from "./address-gate.ts";
import type { AdmissionLimits } from "./admission.ts";
import { FailureLog } from "./failure-log.ts";
import { Intake } from "./intake.ts";
import { IntakeCounters } from "./intake-counters.ts";
import { LiveTls } from "./live-tls.ts";
import { errorCode } from "./node-error.ts";
import { stopCertificateLeak } from "./peer-certificate-leak.ts";
import type { ConnectionHandler } from "./peer-connection.ts";
import type { PeerRevocation } from "./peer-revocation.ts";
import type { MinVersion } from "./tls-policy.ts";
import type { VerifyMode } from "./verify-mode.ts";

export type ListenerSecurity =
  | {
      readonly kind: "tls";
      readonly source: TlsMaterialSource;
      readonly verify: VerifyMode;
      readonly minVersion: MinVersion;
      /** `undefined`: nobody is asked whether a certificate was revoked. */
      readonly revocation?: PeerRevocation | undefined;
    }
  /** No TLS at all: every peer is unverified. Development only. */
  | { readonly kind: "insecure-plaintext" };

export interface ListenerOptions {
  /** Address to listen on; empty host for all, port 0 for any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly security: ListenerSecurity;
  readonly limits: AdmissionLimits;
  /** `undefined` lets every address in. */
  readonly gate?: AddressGate | undefined;
  /** Whether memory is so short that newcomers must go. @param open Established connections. */
  readonly refusesConnection?: ((open: number) => boolean) | undefined;
  readonly handshakeTimeoutMs: number;
  readonly handler: ConnectionHandler;
  /** The bytes that a refused peer gets before the connection closes. */
  readonly refusalReply: (refusal: AgentError) => Uint8Array;
  readonly clock: Clock;
  /** The time that certificates are judged by; default the clock's. */
  readonly time?: PeerClock | undefined;
  readonly random: Random;
  readonly log: Logger;
}

export type ListenerState =
  | { readonly kind: "stopped" }
  /** `reason` is for people; `attempts` counts failed ones. */
  | { readonly kind: "waiting"; readonly reason: string; readonly attempts: number }
  | { readonly kind: "listening"; readonly address: string };

/** The address may come later: an interface that is down, a name that does not resolve yet. */
const RETRIED = new Set([
  "EADDRNOTAVAIL",
  "ENODEV",
  "ENETDOWN",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOTFOUND",
]);
const RETRY: BackoffPolicy = { baseMs: 1000, capMs: 30_000 };
/** Never try again sooner than this, whatever the draw. */
const RETRY_FLOOR_MS = 250;
/** TCP keep-alive finds peers that vanished; well under the usual NAT time-outs of minutes. */
const KEEP_ALIVE_MS = 30_000;

export class Listener implements Part {
  readonly name = "listener";
  readonly counters = new IntakeCounters();
  readonly #options: ListenerOptions;
  readonly #stop = new AbortController();
  #live: LiveTls | undefined;
  #intake: Intake | undefined;
  #server: Server | undefined;
  #state: ListenerState = { kind: "stopped" };
  #retrying: Promise<void> | undefined;
  /** While there is no certificate to listen with. */
  #unsubscribe: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get state(): ListenerState {
    return this.#state;
  }

  /** `host:port` as bound; `undefined` until it listens. */
  get address(): string | undefined {
    return this.#state.kind === "listening" ? this.#state.address : undefined;
  }

  /** Connections handed over and still open. */
  get open(): number {
    return this.#intake?.established ?? 0;
  }

  /** Closes up to `count` idle connections, longest idle first; returns how many there were. */
  closeIdle(count: number): number {
    return this.#intake?.closeIdle(count) ?? 0;
  }

  /** Connections in or before their handshake. */
  get pending(): number {
    return this.#intake?.pending ?? 0;
  }

  /**
   * Begins to listen. Resolves also when the address is not there yet, or the certificate to show
   * there: see {@link state}.
   *
   * @throws AgentError `ERR_LISTEN` for an address in use, a forbidden port, and the like.
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { security, log } = this.#options;
    if (security.kind === "tls" && security.source.absent !== undefined) {
      this.#state = { kind: "waiting", reason: security.source.absent, attempts: 0 };
      log.emit("listener.waiting", { reason: security.source.absent });
      this.#unsubscribe = security.source.subscribe(() => {
        this.#unsubscribe?.();
        this.#unsubscribe = undefined;
        this.#retrying = this.#startLate();
      });
      return;
    }
    this.#intake = this.#makeIntake();
    this.#warnOfWeakness();
    const stop = (): void => this.#stop.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    const failure = await this.#listen(this.#intake);
    signal.removeEventListener("abort", stop);
    if (failure === undefined) return;
    if (signal.aborted) {
      await this[Symbol.asyncDispose]();
      throw signal.reason;
    }
    if (!RETRIED.has(errorCode(failure))) {
      await this[Symbol.asyncDispose]();
      throw this.#listenError(failure);
    }
    this.#wait(failure, 1);
    this.#retrying = this.#retry(this.#intake);
  }

  /** Stops accepting and resets unfinished handshakes; connections handed over stay open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new AgentError("ERR_RPC_DRAINING", "the listener was stopped"));
    this.#unsubscribe?.();
    this.#state = { kind: "stopped" };
    // `close` would wait for open connections, which are no longer ours: not listening is enough.
    this.#server?.close();
    this.#server = undefined;
    this.#intake?.close();
    this.#live?.[Symbol.dispose]();
    await this.#retrying;
  }

  /** The certificate has come. Nobody waits for the start any more, so every failure is tried again. */
  async #startLate(): Promise<void> {
    this.#intake = this.#makeIntake();
    this.#warnOfWeakness();
    const failure = await this.#listen(this.#intake);
    if (failure === undefined || this.#stop.signal.aborted) return;
    this.#wait(failure, 1);
    await this.#retry(this.#intake);
  }

  #makeIntake(): Intake {
    const { security, limits, gate, handshakeTimeoutMs, handler, refusalReply, clock, time, log } =
      this.#options;
    const failures = new FailureLog({ clock, log });
    const { counters } = this;
    const { refusesConnection } = this.#options;
    const decisions = { limits, gate, refusesConnection, handshakeTimeoutMs, refusalReply };
    const rest = { ...decisions, handler, clock, time, counters, failures };
    if (security.kind === "insecure-plaintext") return new Intake({ ...rest, tls: undefined });
    const live = new LiveTls(security.source, security.minVersion);
    this.#live = live;
    const server = this.#makeTlsServer(live);
    live.onChange(() => server.setSecureContext(live.serverOptions()));
    const { verify, revocation } = security;
    revocation?.staple.serve(server);
    return new Intake({
      ...rest,
      tls: { server, verify, revocation, domains: () => live.domains, leaf: () => live.leaf },
    });
  }

  /** It never listens: connections are given to it once they have a handshake slot. */
  #makeTlsServer(live: LiveTls): TlsServer {
    if (!stopCertificateLeak()) this.#options.log.emit("peer.certificate.leaks");
    return createTlsServer({
      ...live.serverOptions(),
      requestCert: true,
      // Node would hang up without a word and without a log line; our own check decides.
      rejectUnauthorized: false,
      // Ours, by the injected clock, comes first.
      handshakeTimeout: this.#options.handshakeTimeoutMs * 2,
    });
  }

  /** One attempt; returns the error instead of throwing it. */
  #listen(intake: Intake): Promise<unknown> {
    const { host, port } = this.#options.listen;
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    server.on("connection", (raw: Socket) => intake.accept(raw));
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const done = (failure: unknown): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(failure);
      };
      // Resolving a name may take long, and whoever stops us does not wait for it.
      const onAbort = (): void => done(signal.reason);
      signal.addEventListener("abort", onAbort);
      server.once("error", done);
      server.listen({ port, ...(host === "" ? {} : { host }) }, () => {
        if (signal.aborted) {
          server.close();
          return;
        }
        server.off("error", done);
        // A failed accept (out of file descriptors) concerns one connection, not the listener.
        server.on("error", (error) => this.#acceptFailed(error));
        this.#server = server;
        this.#state = { kind: "listening", address: formatBound(server) };
        this.#options.log.emit("listener.listening", { listen: this.#state.address });
        done(undefined);
      });
    });
  }

  async #retry(intake: Intake): Promise<void> {
    const { clock, random } = this.#options;
    for (let attempts = 1; ; attempts++) {
      const waitMs = Math.max(RETRY_FLOOR_MS, backoffMs(RETRY, attempts, random.draw()));
      try {
        await clock.sleep(waitMs, this.#stop.signal);
      } catch {
        return; // stopped
      }
      const failure = await this.#listen(intake);
      if (this.#stop.signal.aborted) {
        this.#server?.close();
        this.#state = { kind: "stopped" };
        return;
      }
      if (failure === undefined) return;
      this.#wait(failure, attempts + 1);
    }
  }

  /** Told once, when the waiting begins or its reason changes; status shows the rest. */
  #wait(failure: unknown, attempts: number): void {
    const reason = this.#listenError(failure).message;
    const known = this.#state.kind === "waiting" && this.#state.reason === reason;
    this.#state = { kind: "waiting", reason, attempts };
    if (!known) this.#options.log.emit("listener.waiting", { reason });
  }

  #acceptFailed(error: Error): void {
    this.counters.count("refused", "accept");
    this.#options.log.emit("connection.refused", { cause: "accept", reason: errorText(error) });
  }

  #warnOfWeakness(): void {
    const { security, log } = this.#options;
    if (security.kind === "insecure-plaintext") {
      log.emit("agent.insecure", { reason: "rpc.insecure_plaintext is on: no TLS at all" });
      return;
    }
    if (security.minVersion === "1.2") {
      log.emit("tls.protocol.lowered", { reason: 'tls.minVersion is "1.2"' });
    }
    const { verify } = security;
    if (verify.kind === "observe" && this.#options.clock.now() < verify.untilMs) {
      log.emit("tls.observing", {
        reason: 'tls.verify is "observe"',
        until: formatMoment(verify.untilMs),
      });
    }
    if (verify.kind === "insecure-skip-verify") {
      log.emit("agent.insecure", { reason: "tls.insecure_skip_verify is on: any peer is let in" });
    }
  }

  #listenError(cause: unknown): AgentError {
    const { host, port } = this.#options.listen;
    const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const words: Readonly<Record<string, string>> = {
      EADDRINUSE: `${where} is in use by another program`,
      EACCES: `this user may not listen on ${where} (ports below 1024 need CAP_NET_BIND_SERVICE)`,
      EADDRNOTAVAIL: `${host} is not an address of this machine (yet)`,
      ENOTFOUND: `the name ${host} does not resolve (yet)`,
      EAI_AGAIN: `the name ${host} does not resolve (yet)`,
    };
    const code = errorCode(cause);
    const message = words[code] ?? `cannot listen on ${where}: ${errorText(cause)}`;
    return new AgentError("ERR_LISTEN", message, { cause, fields: { listen: where } });
  }
}

function formatBound(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return String(bound);
  const { address, port, family } = bound;
  return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}
