/**
 * Looks at a TLS port from outside and explains it: name, TCP, handshake, the server's certificate
 * against our trust bundle, and whether it takes our client certificate.
 *
 * In TLS 1.3 a server judges our certificate after the handshake is done for us, so a refusal is an
 * alert at the first read: the probe waits a moment for it. Node can't say whether a certificate was
 * asked for, so a second connection without one finds out.
 */
import type { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type TLSSocket } from "node:tls";
import { errorText, isAgentError } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import { parseTrustBundle, type TrustBundle } from "../identity/trust-bundle.ts";
import { type Certificate, readCertificate } from "../identity/x509/certificate.ts";
import { type Aftermath, goMicroRefusal } from "./handshake-aftermath.ts";
import { NameLookup } from "./name-lookup.ts";
import {
  classifyHandshakeError,
  connectWords,
  type HandshakeFailure,
  lateRefusal,
} from "./node-error.ts";
import { judgeSocket, takePeerCertificate } from "./peer-certificates.ts";
import {
  type ClientCertificateAnswer,
  certificateFindings,
  type Finding,
  failure,
  good,
  type ProbeResult,
  probedCertificate,
} from "./probe-result.ts";
import type { ProxySettings } from "./proxy-settings.ts";
import { proxyFor, reach, whereOf } from "./reach.ts";
import { sentChain } from "./sent-chain.ts";
import { waitFor } from "./socket-events.ts";
import { type MinVersion, policyOptions } from "./tls-policy.ts";

export interface ProbeOptions {
  readonly host: string;
  readonly port: number;
  /** Name that the certificate must carry, when it is not `host`. */
  readonly serverName?: string | undefined;
  /** Ours; without it the server is described but not judged. */
  readonly material: TlsMaterial | undefined;
  /** What the agent is configured to accept; the probe itself also tries TLS 1.2. */
  readonly minVersion: MinVersion;
  readonly network: Network;
  /** As for calls (`client.proxy`). */
  readonly proxy?: ProxySettings | undefined;
  readonly clock: Clock;
  /** For each step: name, TCP, handshake. */
  readonly timeoutMs: number;
  /**
   * No second connection, without our certificate, to find out whether one is demanded: where that is known,
   * it would only stand in the other side's log as somebody who was turned away.
   */
  readonly ownOnly?: boolean | undefined;
  /** How long to wait for a refusal after the handshake; default 700. */
  readonly settleMs?: number;
}

const SETTLE_MS = 700;
/** Enough of an answer to recognise it. Bytes. */
const MAX_ANSWER = 8 * 1024;

/** Everything found so far; turned into a {@link ProbeResult} at the end. */
type Draft = { -readonly [Key in keyof Omit<ProbeResult, "findings" | "ok">]: ProbeResult[Key] } & {
  findings: Finding[];
};

/**
 * Probes. Rejects only with the signal's reason; whatever is wrong with the server is in the result.
 */
export async function probe(options: ProbeOptions, signal: AbortSignal): Promise<ProbeResult> {
  const draft: Draft = {
    host: options.host,
    port: options.port,
    serverName: options.serverName ?? options.host,
    addresses: [],
    connectedTo: undefined,
    protocol: undefined,
    cipher: undefined,
    group: undefined,
    alpn: undefined,
    chain: [],
    serverAccepted: undefined,
    clientCertificate: "unknown",
    refusal: undefined,
    findings: [],
  };
  await new Probe(options, draft).run(signal);
  return { ...draft, ok: draft.findings.every(({ level }) => level !== "fail") };
}

class Probe {
  readonly #options: ProbeOptions;
  readonly #draft: Draft;
  readonly #where: string;
  readonly #lookup: NameLookup;
  readonly #proxy: ProxySettings | undefined;

  constructor(options: ProbeOptions, draft: Draft) {
    this.#options = options;
    this.#draft = draft;
    this.#where = whereOf(options);
    this.#lookup = new NameLookup(options);
    this.#proxy = proxyFor(options.proxy, options);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { findings } = this.#draft;
    if (this.#proxy === undefined && !(await this.#resolve(signal))) return;
    const raw = await this.#reach(signal);
    if (raw === undefined) return;
    const words =
      this.#proxy === undefined
        ? `${this.#draft.connectedTo} accepts connections`
        : `the proxy ${whereOf(this.#proxy)} opened a tunnel to ${this.#where}`;
    findings.push(good("tcp", words));
    const { material } = this.#options;
    const socket = await this.#shake(raw, material, signal);
    if (!("socket" in socket)) {
      await this.#explainFailure(socket, signal);
      return;
    }
    this.#describe(socket.socket);
    const withOurs = await this.#aftermath(socket.socket, signal);
    socket.socket.destroy();
    await this.#clientCertificate(withOurs, signal);
  }

  async #resolve(signal: AbortSignal): Promise<boolean> {
    try {
      const found = await this.#lookup.resolve(this.#options.host, signal);
      this.#draft.addresses = found.map(({ address }) => address);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const fix = "check the spelling and this machine's name server (/etc/resolv.conf)";
      this.#draft.findings.push(failure("dns", errorText(error), fix));
      return false;
    }
  }

  async #reach(signal: AbortSignal): Promise<Socket | undefined> {
    const { host, port, network, clock } = this.#options;
    const onStep = (): void => undefined;
    const parts = { network, clock, lookup: this.#lookup, proxy: this.#proxy, onStep };
    try {
      const raw = await this.#limited(signal, (limit) => reach({ host, port }, parts, limit));
      this.#draft.connectedTo = raw.remoteAddress;
      return raw;
    } catch (error) {
      signal.throwIfAborted();
      const words = isAgentError(error) ? error.message : connectWords(error, this.#where);
      const fix =
        this.#proxy === undefined
          ? "check that the service runs and listens on this address, and the firewall between"
          : "check client.proxy and what the proxy lets through";
      this.#draft.findings.push(failure("tcp", words, fix));
      return undefined;
    }
  }

  /** A handshake with or without our certificate. */
  async #shake(
    raw: Socket,
    material: TlsMaterial | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly socket: TLSSocket } | HandshakeFailure> {
    const name = this.#draft.serverName;
    // Without a bundle nobody is judged; with Node's own roots they would look like sent ones.
    const ca = this.#options.material?.trustBundlePem ?? [];
    const socket = connectTls({
      socket: raw,
      secureContext: createSecureContext({
        ...policyOptions("1.2"),
        ca,
        ...(material === undefined ? {} : { cert: material.chainPem, key: material.key as string }),
      }),
      ALPNProtocols: ["http/1.1"],
      ...(isIP(name) === 0 ? { servername: name } : {}),
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    try {
      await this.#limited(signal, (limit) => waitFor(socket, "secureConnect", limit));
      return { socket };
    } catch (error) {
      raw.destroy();
      signal.throwIfAborted();
      return classifyHandshakeError(error);
    }
  }

  #describe(socket: TLSSocket): void {
    const draft = this.#draft;
    draft.protocol = socket.getProtocol() ?? undefined;
    draft.cipher = socket.getCipher().standardName;
    draft.group = (socket.getEphemeralKeyInfo() as { name?: string } | null)?.name;
    draft.alpn = socket.alpnProtocol || undefined;
    draft.findings.push(
      good("handshake", `TLS handshake done: ${draft.protocol}, ${draft.cipher}`),
    );
    if (draft.protocol !== "TLSv1.3" && this.#options.minVersion === "1.3") {
      draft.findings.push(
        failure(
          "tls-version",
          `the server speaks only ${draft.protocol}, and this agent is set to TLS 1.3`,
          'upgrade the server, or set tls.minVersion = "1.2" for the time being',
        ),
      );
    }
    this.#judge(socket);
  }

  #judge(socket: TLSSocket): void {
    const { findings, serverName } = this.#draft;
    const { material, clock } = this.#options;
    const leaf = takePeerCertificate(socket);
    const bundle = material === undefined ? [] : parseTrustBundle(material.trustBundlePem);
    this.#draft.chain = readAll(socket, leaf, bundle).map(probedCertificate);
    if (material === undefined) {
      const words = "the server was not judged: there is no trust bundle to judge it by";
      findings.push({ level: "warn", id: "chain", words, fix: "set tls.ca, or name --config" });
      return;
    }
    const context = { nowMs: clock.now(), role: "server", host: serverName } as const;
    const judged = judgeSocket(socket, leaf, context, bundle);
    this.#draft.serverAccepted = judged.accepted;
    findings.push(...certificateFindings(judged.problems));
    if (judged.accepted) {
      findings.push(good("chain", `server certificate is good for "${serverName}"`));
    }
  }

  /** Waits a moment for an alert, a hang-up, or a go-micro refusal that nobody asked for. */
  #aftermath(socket: TLSSocket, signal: AbortSignal): Promise<Aftermath> {
    const { clock, settleMs = SETTLE_MS } = this.#options;
    return new Promise((resolve, reject) => {
      let answer = "";
      const settle = (outcome: Aftermath): void => {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      };
      const onAbort = (): void => {
        timer.cancel();
        socket.destroy();
        reject(signal.reason);
      };
      const timer = clock.setTimer(settleMs, () => settle({ kind: "quiet" }));
      signal.addEventListener("abort", onAbort, { once: true });
      socket.on("error", (error) => {
        const { words, fix } = classifyHandshakeError(error);
        const by = lateRefusal(error) === undefined ? "hang-up" : "alert";
        settle({ kind: "refused", by, words, fix });
      });
      socket.on("data", (chunk) => {
        if (answer.length < MAX_ANSWER) answer += String(chunk);
        const refusal = /\r\nMicro-Error: ([^\r\n]*)/i.exec(answer)?.[1];
        if (refusal !== undefined) settle(goMicroRefusal(refusal));
      });
      socket.on("end", () => {
        const words = "the server closed the connection right after the handshake";
        const fix = "look into the server's log for the reason";
        settle({ kind: "refused", by: "hang-up", words, fix });
      });
    });
  }

  async #clientCertificate(withOurs: Aftermath, signal: AbortSignal): Promise<void> {
    const { findings } = this.#draft;
    const ours = this.#options.material !== undefined;
    const put = (answer: ClientCertificateAnswer, finding: Finding): void => {
      this.#draft.clientCertificate = answer;
      findings.push(finding);
    };
    const id = "client-certificate";
    if (withOurs.kind === "refused") {
      if (ours) this.#draft.refusal = withOurs.by;
      put(ours ? "refused" : "demanded", failure(id, withOurs.words, withOurs.fix));
      return;
    }
    if (ours && this.#options.ownOnly) {
      put("unknown", good(id, "the server does not turn our certificate away"));
      return;
    }
    const refusesNobody = ours ? await this.#refusesNobody(signal) : true;
    if (refusesNobody === false) {
      put("accepted", good(id, "the server demands a client certificate and takes ours"));
      return;
    }
    if (refusesNobody === undefined) {
      const words =
        "the server took no second connection, which was to show whether it asks for certificates";
      put("unknown", { level: "warn", id, words, fix: "try again" });
      return;
    }
    put("not-demanded", good(id, "the server does not demand a client certificate"));
  }

  /** `false`: a connection without certificate is turned away. */
  async #refusesNobody(signal: AbortSignal): Promise<boolean | undefined> {
    const raw = await this.#reach(signal);
    if (raw === undefined) return undefined;
    const shaken = await this.#shake(raw, undefined, signal);
    if (!("socket" in shaken)) return false;
    const aftermath = await this.#aftermath(shaken.socket, signal);
    shaken.socket.destroy();
    return aftermath.kind === "quiet";
  }

  async #explainFailure(
    { cause, words, fix }: HandshakeFailure,
    signal: AbortSignal,
  ): Promise<void> {
    const { findings } = this.#draft;
    if (cause === "rejected-by-peer") {
      this.#draft.clientCertificate = "refused";
      this.#draft.refusal = "handshake";
    }
    if (cause === "peer-wants-certificate") this.#draft.clientCertificate = "demanded";
    const guessable = cause === "not-tls" || cause === "reset" || cause === "timeout";
    if (guessable && (await this.#speaksHttp(signal))) {
      findings.push(
        failure(
          "plain-http",
          `${this.#where} speaks plain HTTP, not TLS`,
          "switch TLS on in the service (go-micro: transport.Secure and transport.TLSConfig), or correct the port",
        ),
      );
      return;
    }
    findings.push(failure(cause === "not-tls" ? "not-tls" : "handshake", words, fix));
  }

  /** Asks in plain text; a TLS server never answers that with the status line of a good answer. */
  async #speaksHttp(signal: AbortSignal): Promise<boolean> {
    const raw = await this.#reach(signal);
    if (raw === undefined) return false;
    raw.on("error", () => raw.destroy());
    const answer = new Promise<boolean>((resolve) => {
      raw.once("data", (chunk) => resolve(/^HTTP\/1\.[01] /.test(String(chunk))));
      raw.once("close", () => resolve(false));
    });
    raw.write(`GET / HTTP/1.1\r\nHost: ${this.#where}\r\nConnection: close\r\n\r\n`);
    const timer = this.#options.clock.setTimer(SETTLE_MS, () => raw.destroy());
    try {
      return await answer;
    } finally {
      timer.cancel();
      raw.destroy();
    }
  }

  /** Gives `run` a signal that aborts with the caller's or after the time limit. */
  async #limited<T>(signal: AbortSignal, run: (limit: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    const limit = new AbortController();
    const onAbort = (): void => limit.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort, { once: true });
    const late = Object.assign(new Error(`nothing within ${timeoutMs} ms`), { code: "ETIMEDOUT" });
    const timer = clock.setTimer(timeoutMs, () => limit.abort(late));
    try {
      return await run(limit.signal);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** The server's chain as it was sent, without what our bundle holds; empty when one can't be read. */
function readAll(
  socket: TLSSocket,
  leaf: X509Certificate | undefined,
  bundle: TrustBundle,
): Certificate[] {
  if (leaf === undefined) return [];
  try {
    return [readCertificate(leaf), ...sentChain(socket, bundle)];
  } catch {
    // The verdict names what is malformed.
    return [];
  }
}
