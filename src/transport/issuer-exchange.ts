/**
 * One question to an issuing authority over HTTPS, and its answer, distrusting everything between: the
 * server must chain to a pinned root, each question has a connection of its own (a kept one still speaks
 * for the certificate it was opened with), no redirection is followed, size and time are bounded.
 *
 * The one exception is {@link IssuerTrust} `unverified`, for fetching a root that is then compared with
 * its pinned fingerprint; nothing secret goes over such a connection.
 */
import type { KeyObject } from "node:crypto";
import { isIP, type Socket } from "node:net";
import {
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { errorText } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import { IssuerError } from "../identity/issuer.ts";
import { judgementWords } from "../identity/judgement.ts";
import type { PeerClock, PeerTime } from "../identity/time/time-view.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import { askOnce, targetOf } from "./http-question.ts";
import { clientRefused, unreachable, untrusted } from "./issuer-failures.ts";
import { type IssuerReply, readReply } from "./issuer-reply.ts";
import { NameLookup } from "./name-lookup.ts";
import { classifyHandshakeError, lateRefusal } from "./node-error.ts";
import { judgeSocket, takePeerCertificate } from "./peer-certificates.ts";
import type { ProxySettings } from "./proxy-settings.ts";
import { reach, whereOf } from "./reach.ts";
import { waitFor } from "./socket-events.ts";
import { policyOptions } from "./tls-policy.ts";

export type IssuerTrust =
  | {
      readonly kind: "pinned";
      /** PEM; nothing else vouches for the server. */
      readonly rootsPem: string;
      /**
       * Intermediates that a pinned root has signed (PEM), as of our own chain: with them the server can be
       * judged by the proven time while the clock is wrong. Empty for none.
       */
      readonly knownPem: string;
    }
  | { readonly kind: "unverified" };

export interface IssuerQuestion {
  readonly url: URL;
  readonly trust: IssuerTrust;
  /** Shown as our certificate; the chain whole, leaf first. */
  readonly client?: { readonly chainPem: string; readonly tlsKey: string | KeyObject } | undefined;
  /** `undefined` asks by GET. */
  readonly post?: { readonly contentType?: string | undefined; readonly body: string } | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of the body of the answer. */
  readonly maxBytes: number;
}

export interface IssuerExchangeParts {
  readonly network: Network;
  readonly clock: Clock;
  /** The time that the server's certificate is judged by. */
  readonly time: PeerClock;
  readonly proxy: ProxySettings | undefined;
  /** From the name to the end of the handshake; default 10 s. */
  readonly connectTimeoutMs?: number;
  /** For everything; default 20 s, more than the 15 s after which step-ca itself gives up. */
  readonly totalTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const TOTAL_TIMEOUT_MS = 20_000;

/** How far a question has come. */
interface Progress {
  step: string;
  /** It has left whole or in part, so it may have been answered. */
  sent: boolean;
}

export class IssuerExchange {
  readonly #parts: IssuerExchangeParts;
  readonly #lookup: NameLookup;

  constructor(parts: IssuerExchangeParts) {
    const { network, clock, connectTimeoutMs = CONNECT_TIMEOUT_MS } = parts;
    this.#parts = parts;
    this.#lookup = new NameLookup({ network, clock, timeoutMs: connectTimeoutMs / 2 });
  }

  /**
   * Any status is an answer, but for redirections and web pages, which no authority sends.
   *
   * @throws IssuerError; the signal's reason when it aborts.
   */
  async ask(question: IssuerQuestion, signal: AbortSignal): Promise<IssuerReply> {
    signal.throwIfAborted();
    const { clock, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#parts;
    const { totalTimeoutMs = TOTAL_TIMEOUT_MS } = this.#parts;
    const where = whereOf(targetOf(question.url));
    const progress: Progress = { step: "resolving its name", sent: false };
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const limit = (ms: number) =>
      clock.setTimer(ms, () => {
        const lostAnswer = progress.sent && question.post !== undefined;
        const words = `${where}: no answer within ${ms} ms; stopped while ${progress.step}`;
        stop.abort(
          new IssuerError("ERR_ISSUER_UNREACHABLE", { reason: "timeout", words, lostAnswer }),
        );
      });
    const connecting = limit(connectTimeoutMs);
    const whole = limit(totalTimeoutMs);
    let socket: Socket | undefined;
    try {
      socket = await this.#connect(question, progress, stop.signal);
      connecting.cancel();
      progress.step = "waiting for the answer";
      return await this.#exchange(socket, question, progress, stop.signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (stop.signal.aborted) throw stop.signal.reason;
      if (error instanceof IssuerError) throw error;
      const lostAnswer = progress.sent && question.post !== undefined;
      const proxied = this.#parts.proxy !== undefined && /^proxy /.test(errorText(error));
      const reason = proxied ? "proxy" : "unreachable";
      throw unreachable(where, reason, error, lostAnswer);
    } finally {
      connecting.cancel();
      whole.cancel();
      signal.removeEventListener("abort", onAbort);
      socket?.on("error", () => undefined);
      socket?.destroy();
    }
  }

  async #connect(
    question: IssuerQuestion,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<TLSSocket> {
    const { network, clock, time, proxy } = this.#parts;
    const { trust, client, url } = question;
    const target = targetOf(url);
    const onStep = (words: string): void => {
      progress.step = words;
    };
    const secureContext = contextOf(trust, client);
    const raw = await reach(
      target,
      { network, clock, lookup: this.#lookup, proxy, onStep },
      signal,
    );
    onStep("in the TLS handshake");
    let socket: TLSSocket;
    try {
      socket = connectTls({
        socket: raw,
        secureContext,
        ALPNProtocols: ["http/1.1"],
        // Server names are names, never addresses (RFC 6066 section 3).
        ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
        // Our own verdict follows: Node's would hide what it saw, and its name check trusts the CN.
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      });
      await waitFor(socket, "secureConnect", signal);
    } catch (error) {
      raw.destroy();
      if (signal.aborted) throw error;
      const failure = classifyHandshakeError(error);
      throw clientRefused(whereOf(target), failure, error) ?? untrusted(whereOf(target), failure);
    }
    if (trust.kind === "unverified") return socket;
    const context = { ...issuerTime(time), role: "server", host: target.host } as const;
    const bundle = parseTrustBundle(trust.rootsPem + trust.knownPem);
    const judged = judgeSocket(socket, takePeerCertificate(socket), context, bundle);
    if (judged.accepted) return socket;
    socket.on("error", () => undefined);
    socket.destroy();
    const [main] = judged.problems;
    const words = judgementWords("server", judged.problems);
    throw untrusted(whereOf(target), {
      cause: main?.cause ?? "chain",
      words,
      fix: main?.fix ?? "",
    });
  }

  #exchange(
    socket: Socket,
    question: IssuerQuestion,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<IssuerReply> {
    const { url, post, maxBytes } = question;
    const where = whereOf(targetOf(url));
    const nowMs = this.#parts.clock.now();
    const posted = post !== undefined;
    progress.sent = true;
    const reply = askOnce(
      socket,
      question,
      (response) => readReply(response, { where, maxBytes, nowMs, posted }),
      signal,
    );
    // In TLS 1.3 a server refuses our certificate after the request was written, and has not read it.
    return reply.catch((error: unknown) => {
      const late = error instanceof IssuerError ? undefined : lateRefusal(error);
      throw late === undefined ? error : (clientRefused(where, late, error) ?? error);
    });
  }
}

/** @throws IssuerError when certificate and key of our own are no pair that OpenSSL can use. */
function contextOf(trust: IssuerTrust, client: IssuerQuestion["client"]): SecureContext {
  try {
    return createSecureContext({
      ...policyOptions("1.2"),
      ...(trust.kind === "pinned" ? { ca: trust.rootsPem } : {}),
      // A KeyObject is passed on as it is; Node's types know only its text forms.
      ...(client === undefined ? {} : { cert: client.chainPem, key: client.tlsKey as string }),
    });
  } catch {
    // OpenSSL's words are not passed on: what they quote is not ours to say.
    throw new IssuerError("ERR_ISSUER_REFUSED", {
      reason: "unsupported",
      words: "the certificate and key that are to be shown to the authority can't be used together",
      fix: "check issuer.birth_cert and issuer.birth_key, and `microedge doctor` for the identity in force",
      permanent: true,
    });
  }
}

/**
 * An authority's server certificate may live for a day only (step-ca's does), so on a device that starts
 * with a wrong clock it always begins later than anything proven. Unless the operator refuses that
 * altogether it is taken when every issuer is known to us: what it then answers has to chain to a pinned
 * root in any case, and is what sets the time right.
 */
function issuerTime(time: PeerClock): PeerTime {
  const { nowMs, doubt } = time.peerTime();
  if (doubt === undefined || doubt.policy.notYetValid === "refuse") return { nowMs, doubt };
  const policy = { ...doubt.policy, notYetValid: "tolerate" } as const;
  return { nowMs, doubt: { ...doubt, policy } };
}
