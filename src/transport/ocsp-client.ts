/**
 * Asks OCSP responders (RFC 6960) about peers, verifies what they say and keeps it. A responder that
 * fails rests for a while, so that a dead one delays one handshake and not every one.
 */
import { type BackoffPolicy, backoffMs } from "../base/backoff.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { certificateFacts } from "../identity/revocation/certificate-facts.ts";
import { freshnessOf } from "../identity/revocation/freshness.ts";
import type { Issuer, IssuerPool } from "../identity/revocation/issuer-pool.ts";
import type { OcspAnswers } from "../identity/revocation/ocsp-answers.ts";
import { NONCE_OCTETS, ocspRequest } from "../identity/revocation/ocsp-request.ts";
import {
  MAX_ANSWER_BYTES,
  type OcspAnswer,
  readOcspAnswer,
} from "../identity/revocation/ocsp-response.ts";
import { refusalCause, refusalFix, refuse } from "../identity/revocation/refusal.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { HttpFetch } from "./http-fetch.ts";
import type { OcspCopies } from "./ocsp-copies.ts";

export interface OcspClientParts {
  readonly http: HttpFetch;
  readonly pool: IssuerPool;
  readonly answers: OcspAnswers;
  readonly copies: OcspCopies;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  time(): TimeView;
  /** The configured responder; `undefined` asks the one that the certificate names. */
  responder(): string | undefined;
  timeoutMs(): number;
}

/** A verified answer and its bytes, which can be stapled. */
export interface OcspReply {
  readonly answer: OcspAnswer;
  readonly der: Uint8Array;
  readonly responder: string;
}

const REST: BackoffPolicy = { baseMs: 5_000, capMs: 300_000 };
/** How long an answer that repeats our nonce is fresh on a machine that does not know the time. */
const FRESH_BY_NONCE_MS = 600_000;
/** Questions under way at once. */
const MAX_ASKING = 8;
const MAX_RESPONDERS = 32;

interface Resting {
  readonly untilMs: number;
  readonly failures: number;
  readonly reason: string;
}

export class OcspClient implements Disposable {
  readonly #parts: OcspClientParts;
  readonly #asking = new Map<string, Promise<OcspReply | undefined>>();
  readonly #resting = new Map<string, Resting>();
  readonly #stop = new AbortController();

  constructor(parts: OcspClientParts) {
    this.#parts = parts;
  }

  /** Responders that failed last, with the reason. */
  faults(): readonly { readonly responder: string; readonly reason: string }[] {
    const faults = new Map<string, string>();
    for (const [key, { reason }] of this.#resting) faults.set(key.split(" ")[0] ?? key, reason);
    return [...faults].map(([responder, reason]) => ({ responder, reason }));
  }

  /** Who can be asked about a certificate whose issuer is known. */
  responders(leaf: Certificate): readonly string[] {
    if (this.#parts.pool.of(leaf) === undefined) return [];
    const configured = this.#parts.responder();
    return configured === undefined ? certificateFacts(leaf.x509.raw).ocspUrls : [configured];
  }

  /**
   * Asks about a certificate whose chain is good; the answer is kept. Never rejects: `undefined` without one.
   *
   * @param rewriteMs See {@link OcspCopies.put}.
   */
  ask(leaf: Certificate, rewriteMs?: number): Promise<OcspReply | undefined> {
    const { fingerprint } = leaf.summary;
    const pending = this.#asking.get(fingerprint);
    if (pending !== undefined) return pending;
    if (this.#asking.size >= MAX_ASKING) return Promise.resolve(undefined);
    const asked = this.#ask(leaf, rewriteMs).finally(() => this.#asking.delete(fingerprint));
    this.#asking.set(fingerprint, asked);
    return asked;
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("stopped"));
  }

  /** Takes the copy on disk of the answer about a certificate, when there is no other and it verifies. */
  recall(leaf: Certificate): void {
    const { answers } = this.#parts;
    const { fingerprint } = leaf.summary;
    if (answers.get(fingerprint) !== undefined) return;
    const kept = this.kept(leaf);
    if (kept !== undefined) answers.put(fingerprint, { ...kept.answer, source: kept.responder });
  }

  /** The copy on disk of the answer about a certificate, verified anew; one that can't be used is forgotten. */
  kept(leaf: Certificate): OcspReply | undefined {
    const { copies, pool, time, log } = this.#parts;
    const { fingerprint } = leaf.summary;
    const copy = copies.get(fingerprint);
    const issuer = copy === undefined ? undefined : pool.of(leaf);
    if (copy === undefined || issuer === undefined) return undefined;
    try {
      const facts = certificateFacts(leaf.x509.raw);
      const answer = readOcspAnswer(copy.der, facts, issuer, time().nowMs);
      return { answer, der: copy.der, responder: copy.source };
    } catch (error) {
      copies.forget(fingerprint);
      const cause = refusalCause(error);
      const reason = `the kept answer can't be used: ${errorText(error)}`;
      const fields = { source: copy.source, cause, reason, fix: refusalFix(cause) };
      log.emit("revocation.source.refused", fields);
      return undefined;
    }
  }

  async #ask(leaf: Certificate, rewriteMs?: number): Promise<OcspReply | undefined> {
    const issuer = this.#parts.pool.of(leaf);
    if (issuer === undefined) return undefined;
    for (const url of this.responders(leaf)) {
      if (this.#rests(url) || this.#rests(`${url} ${leaf.summary.fingerprint}`)) continue;
      const reply = await this.#askOne(url, leaf, issuer, rewriteMs);
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  async #askOne(
    url: string,
    leaf: Certificate,
    issuer: Issuer,
    rewriteMs?: number,
  ): Promise<OcspReply | undefined> {
    const { http, answers, copies, clock, random, time, timeoutMs } = this.#parts;
    const facts = certificateFacts(leaf.x509.raw);
    const nonce = random.bytes(NONCE_OCTETS);
    const body = ocspRequest(facts, issuer.facts, nonce);
    try {
      const reply = await http.fetch(
        {
          url,
          post: { contentType: "application/ocsp-request", body },
          maxBytes: MAX_ANSWER_BYTES,
          timeoutMs: timeoutMs(),
        },
        this.#stop.signal,
      );
      if (reply.kind === "unchanged") throw refuse("fetch", "the responder answers HTTP 304");
      const view = time();
      const answer = readOcspAnswer(reply.bytes, facts, issuer, view.nowMs, nonce);
      const freshness = freshnessOf(answer, view);
      if (freshness.state === "stale" && answer.status !== "revoked") {
        throw refuse("expired", `the responder's answer is ${freshness.words}`);
      }
      const freshUntil = answer.answersUs ? clock.monotonicMs() + FRESH_BY_NONCE_MS : undefined;
      answers.put(leaf.summary.fingerprint, { ...answer, source: url, freshUntil });
      const revoked = answer.status === "revoked";
      copies.put(leaf.summary.fingerprint, { source: url, der: reply.bytes, revoked }, rewriteMs);
      this.#resting.delete(url);
      this.#resting.delete(`${url} ${leaf.summary.fingerprint}`);
      return { answer, der: reply.bytes, responder: url };
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#rest(url, leaf, error);
      return undefined;
    }
  }

  #rests(key: string): boolean {
    return (this.#resting.get(key)?.untilMs ?? 0) > this.#parts.clock.monotonicMs();
  }

  /** Told when the resting begins or its reason changes. One that can't be reached rests for everybody. */
  #rest(url: string, leaf: Certificate, error: unknown): void {
    const { clock, random, log } = this.#parts;
    const dead = refusalCause(error) === "fetch";
    const key = dead ? url : `${url} ${leaf.summary.fingerprint}`;
    const before = this.#resting.get(key);
    const failures = (before?.failures ?? 0) + 1;
    const waitMs = Math.max(1_000, backoffMs(REST, failures, random.draw()));
    const reason = errorText(error);
    const [oldest] = this.#resting.keys();
    if (this.#resting.size >= MAX_RESPONDERS && oldest !== undefined) this.#resting.delete(oldest);
    this.#resting.set(key, { untilMs: clock.monotonicMs() + waitMs, failures, reason });
    if (before?.reason === reason) return;
    const cause = refusalCause(error);
    const failed = cause === "fetch" || cause === "responder";
    const event = failed ? "revocation.source.failed" : "revocation.source.refused";
    log.emit(event, { source: url, cause, reason, fix: refusalFix(cause) });
  }
}
