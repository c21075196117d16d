/**
 * Revocation of peers that are here: asked when a connection begins, resumed or not, and again for every
 * open connection whenever something new is learned. What is revoked is cut, calls and streams with it.
 */
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import type { Problem } from "../identity/peer-checks.ts";
import { certificateFacts } from "../identity/revocation/certificate-facts.ts";
import { freshnessOf } from "../identity/revocation/freshness.ts";
import type { IssuerPool } from "../identity/revocation/issuer-pool.ts";
import type { OcspAnswers } from "../identity/revocation/ocsp-answers.ts";
import { readOcspAnswer } from "../identity/revocation/ocsp-response.ts";
import type {
  RevocationJudge,
  RevocationVerdict,
} from "../identity/revocation/revocation-judge.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { OcspClient } from "./ocsp-client.ts";
import type { OcspStaple } from "./ocsp-staple.ts";

export interface OpenPeer {
  readonly certificate: Certificate;
  /** `host:port`. */
  readonly remote: string;
  readonly direction: "inbound" | "outbound";
  /** Closes the connection at once. @param words Why, as a sentence. */
  cut(words: string): void;
}

export interface PeerRevocationParts {
  readonly judge: RevocationJudge;
  readonly pool: IssuerPool;
  readonly answers: OcspAnswers;
  readonly ocsp: OcspClient;
  readonly staple: OcspStaple;
  readonly clock: Clock;
  readonly log: Logger;
  time(): TimeView;
  /** Whether responders may be asked. */
  asksOcsp(): boolean;
  /** Takes the distribution points of a peer whose chain is good; does nothing unless that is configured. */
  follow(leaf: Certificate): void;
}

/** How often answers about open peers are looked at. */
const OCSP_LOOK_MS = 60_000;
/** Peers that the log has named: each once. */
const MAX_TOLD = 1_024;

export class PeerRevocation implements Disposable {
  readonly #parts: PeerRevocationParts;
  readonly #open = new Set<OpenPeer>();
  readonly #told = new Map<string, string>();
  #timer: Timer | undefined;
  #cuts = 0;

  constructor(parts: PeerRevocationParts) {
    this.#parts = parts;
  }

  /** Connections cut since the start. */
  get cuts(): number {
    return this.#cuts;
  }

  get staple(): OcspStaple {
    return this.#parts.staple;
  }

  /**
   * What is known now about a peer whose chain is good.
   *
   * @param sent Certificates that it sent beside its own.
   */
  check(leaf: Certificate, sent: readonly Certificate[] = []): RevocationVerdict {
    const { pool, judge, ocsp } = this.#parts;
    if (sent.length > 0) pool.offer(sent);
    try {
      this.#parts.follow(leaf);
      ocsp.recall(leaf);
      return judge.judge(leaf);
    } catch (error) {
      return { kind: "unknown", why: errorText(error), hard: true, askOcsp: false };
    }
  }

  /** As {@link check}, after its responder was asked. For a peer that must not be let in unchecked. */
  async ask(leaf: Certificate): Promise<RevocationVerdict> {
    await this.#parts.ocsp.ask(leaf);
    return this.check(leaf);
  }

  /**
   * What is wrong with a peer by `verdict`; `undefined` lets it in. Says so in the log, once per peer.
   */
  problemOf(leaf: Certificate, verdict: RevocationVerdict, remote: string): Problem | undefined {
    if (verdict.kind === "good") {
      this.#told.delete(leaf.summary.fingerprint);
      return undefined;
    }
    if (verdict.kind === "revoked") {
      this.#tell(leaf, "peer.revoked", verdict.source, { remote, reason: verdict.words });
      return { cause: "revoked", words: verdict.words, fix: fixOf(verdict.source) };
    }
    if (!verdict.hard) {
      this.#tell(leaf, "peer.revocation.unknown", verdict.why, { remote, reason: verdict.why });
      if (verdict.askOcsp) void this.#askLater(leaf);
      return undefined;
    }
    const words = `can't be checked for revocation: ${verdict.why}`;
    const fix = 'see the revocation lines of `microedge status`; "soft" lets such peers in';
    return { cause: "unchecked", words, fix };
  }

  /**
   * Judges what a server stapled. A staple that is forged, stale or says "revoked" is a problem, and so is
   * none at all when the certificate promises one (RFC 7633); Node enforces none of these.
   *
   * @param resumed The server could not staple; what was learned at the full handshake must do.
   */
  judgeStaple(
    leaf: Certificate,
    der: Uint8Array | undefined,
    resumed: boolean,
  ): Problem | undefined {
    const { pool, answers, time } = this.#parts;
    const facts = certificateFacts(leaf.x509.raw);
    const view = time();
    const issuer = pool.of(leaf);
    if (der !== undefined && der.length > 0 && issuer !== undefined) {
      try {
        const answer = readOcspAnswer(der, facts, issuer, view.nowMs);
        const freshness = freshnessOf(answer, view);
        if (answer.status === "unknown") return stapleProblem("its issuer does not know it");
        if (freshness.state === "stale" || freshness.state === "future") {
          return stapleProblem(`the answer is ${freshness.words}`);
        }
        answers.put(leaf.summary.fingerprint, { ...answer, source: "the server's staple" });
        return undefined;
      } catch (error) {
        return stapleProblem(errorText(error));
      }
    }
    if (!facts.mustStaple) return undefined;
    const kept = answers.get(leaf.summary.fingerprint);
    if (resumed && kept?.status === "good" && freshnessOf(kept, view).state === "fresh")
      return undefined;
    return {
      cause: "staple",
      words: "promises a stapled OCSP answer (must-staple), and none that can be judged came",
      fix: "let the server staple OCSP answers, or issue its certificate without the TLS feature",
    };
  }

  /** Watches a connection until the function that is returned is called. */
  watch(peer: OpenPeer): () => void {
    this.#open.add(peer);
    this.#timer ??= this.#parts.clock.setTimer(OCSP_LOOK_MS, this.#look);
    return () => this.#open.delete(peer);
  }

  /** Judges every open connection again. */
  learned(): void {
    for (const peer of [...this.#open]) this.#judgeAgain(peer);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#open.clear();
  }

  #judgeAgain(peer: OpenPeer): void {
    const verdict = this.check(peer.certificate);
    // one that was checked when it came stays when its CRL goes stale
    if (verdict.kind !== "revoked") return;
    this.problemOf(peer.certificate, verdict, peer.remote);
    this.#open.delete(peer);
    this.#cuts += 1;
    peer.cut(`certificate ${verdict.words}`);
  }

  async #askLater(leaf: Certificate): Promise<void> {
    const reply = await this.#parts.ocsp.ask(leaf);
    if (reply?.answer.status !== "revoked") return;
    for (const peer of [...this.#open]) {
      if (peer.certificate.summary.fingerprint === leaf.summary.fingerprint) this.#judgeAgain(peer);
    }
  }

  /** Asks again about open peers whose answers come to an end. */
  readonly #look = (): void => {
    const { clock, answers, asksOcsp } = this.#parts;
    this.#timer = undefined;
    if (this.#open.size === 0) return;
    this.#timer = clock.setTimer(Math.min(MAX_TIMER_MS, OCSP_LOOK_MS), this.#look);
    if (!asksOcsp()) return;
    const nowMs = this.#parts.time().nowMs;
    for (const { certificate } of this.#open) {
      const answer = answers.get(certificate.summary.fingerprint);
      const halfLife = answer === undefined ? 0 : (answer.thisUpdate + answer.nextUpdate) / 2;
      if (nowMs >= halfLife) void this.#askLater(certificate);
    }
  };

  #tell(
    leaf: Certificate,
    event: "peer.revoked" | "peer.revocation.unknown",
    source: string,
    fields: { readonly remote: string; readonly reason: string },
  ): void {
    const { fingerprint, subject, serial, issuer } = leaf.summary;
    const what = event === "peer.revoked" ? `${event} ${source}` : event;
    if (this.#told.get(fingerprint) === what) return;
    const [oldest] = this.#told.keys();
    if (this.#told.size >= MAX_TOLD && oldest !== undefined) this.#told.delete(oldest);
    this.#told.set(fingerprint, what);
    this.#parts.log.emit(event, { subject, serial, issuer, source, ...fields });
  }
}

function stapleProblem(why: string): Problem {
  return {
    cause: "staple",
    words: `came with a stapled OCSP answer that can't be accepted: ${why}`,
    fix: "see what the server staples: `openssl s_client -connect HOST:PORT -status`",
  };
}

function fixOf(source: string): string {
  if (source === "deny list")
    return "take the entry out of revocation.deny, if it is there by mistake";
  return "issue the peer a new certificate with a new key";
}
