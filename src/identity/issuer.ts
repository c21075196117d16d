/**
 * The port to whoever issues this device's certificates: step-ca, EST, or a file that somebody carries.
 * An issuer asks and checks what came back (our key, our names, a chain to a pinned root, a later end);
 * what is done with the answer, and when to ask, is not its business.
 *
 * Every method makes one attempt, at most one connection at a time, and keeps nothing. The key must lie
 * in the store, as a pending key, before a method is called: a request that left may have been answered.
 */
import { AgentError, type ErrorCode } from "../base/errors.ts";
import type { CertificateRequest } from "./exchange/certificate-request.ts";
import type { OpenKey } from "./keys/key-provider.ts";

export interface OwnIdentityForIssuer {
  /** Signs renewal tokens and the client's side of TLS. */
  readonly key: OpenKey;
  /** Leaf first, all of it: a leaf alone is refused once the authority has another intermediate. */
  readonly chainPem: string;
}

export interface EnrolmentRequest {
  /** What the certificate is for. */
  readonly key: OpenKey;
  /**
   * One-time token of step-ca (a compact JWT), or `undefined` where the issuer has other credentials. It
   * may be spent by an attempt that fails.
   */
  readonly token?: string | undefined;
  /** Names to ask for; step-ca takes them from the token. */
  readonly names?: CertificateRequest | undefined;
  /** The request (PKCS#10, PEM) that a token is bound to; default: one is made for `key` and `names`. */
  readonly csrPem?: string | undefined;
  /** A certificate from the factory, to authenticate with (EST, RFC 7030 section 2.2.1). */
  readonly bootstrap?: OwnIdentityForIssuer | undefined;
}

export interface Issued {
  /** Leaf first, without the root. Any number of certificates: a cross-signed root may be among them. */
  readonly chainPem: string;
  /** What the device shall trust from now on, when this answer says so (at enrolment); else unchanged. */
  readonly trustBundlePem?: string | undefined;
  /**
   * The pinned or learned root that the chain ends in, PEM. One that the trust bundle in force lacks has to
   * be added with the chain: the authority has moved to its next root.
   */
  readonly rootPem: string;
  /**
   * The authority has made it just now, in answer to us, and chose its `notBefore` itself: that moment may
   * raise the time floor (`TimeClaim` with source `certificate`, `answersUs: true`). `false` for what came
   * by file, which may be old.
   */
  readonly answersUs: boolean;
  /** One that was kept: it did answer us when it came, perhaps before this start. Default {@link answersUs}. */
  readonly answeredUs?: boolean;
  /** What deserves the operator's look: a life shorter than before, names added by the authority. */
  readonly remarks: readonly string[];
  /** The authority's own number for the exchange, for its log; `undefined` when it has none. */
  readonly requestId?: string | undefined;
}

export interface Issuer {
  readonly kind: "step-ca" | "est" | "file";
  /**
   * What can be told of an enrolment before anybody is asked: a token that is none, ended or for another
   * authority, or that this kind of issuer has no use for. Without it nothing can be told.
   *
   * @throws IssuerError
   */
  assertAskable?(request: Pick<EnrolmentRequest, "token" | "names" | "csrPem">): void;
  /** A first certificate, or one after everything else has failed. @throws IssuerError */
  enroll(request: EnrolmentRequest, signal: AbortSignal): Promise<Issued>;
  /**
   * The same key again; works after expiry where the authority allows it.
   *
   * @throws IssuerError
   */
  renew(own: OwnIdentityForIssuer, signal: AbortSignal): Promise<Issued>;
  /**
   * A certificate for `next`, proven by what we hold.
   *
   * @param csrPem Request for `next`, signed by it (PKCS#10, PEM).
   * @throws IssuerError; `reason` is `expired` where only {@link renew} still works: renew first.
   */
  rekey(
    own: OwnIdentityForIssuer,
    next: OpenKey,
    csrPem: string,
    signal: AbortSignal,
  ): Promise<Issued>;
  /**
   * The authority's roots (PEM), read over a connection that a pinned root vouched for; those pinned are
   * always among them. Absent where the issuer can't tell.
   *
   * @throws IssuerError
   */
  trustBundle?(signal: AbortSignal): Promise<string>;
}

export type IssuerErrorCode = Extract<ErrorCode, `ERR_ISSUER_${string}`>;

/** Why an attempt failed: constant, for counters and logs. */
export type IssuerReason =
  /** Name, route, refused, reset: nothing is known to have reached the authority. */
  | "unreachable"
  | "timeout"
  | "proxy"
  | "captive-portal"
  /** The server is not the pinned authority. */
  | "untrusted"
  /** Its certificate is out of date by our clock. */
  | "clock"
  /** Our certificate is expired for the authority. */
  | "expired"
  | "busy"
  | "server-error"
  /** It wants to be asked again later (EST 202), or the file has not come. */
  | "pending"
  | "refused"
  /** Our certificate counts no more there: only an enrolment helps. */
  | "needs-enrolment"
  | "token"
  /** What it answered can't be used. */
  | "answer"
  /** It can't do that. */
  | "unsupported";

export interface IssuerFailure {
  readonly reason: IssuerReason;
  /** For the operator; never a token, key or body. */
  readonly words: string;
  /** What to do; default: the hint of the code. */
  readonly fix?: string;
  /** Asking again with nothing changed by an operator is pointless; ask rarely, if at all. */
  readonly permanent?: boolean;
  /** When it asked us to come back, ms from now. */
  readonly retryAfterMs?: number | undefined;
  /** The request may have reached it and a certificate may have been made (and a token spent). */
  readonly lostAnswer?: boolean;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** Why an issuer gave no certificate, and what that means for the next attempt. */
export class IssuerError extends AgentError {
  readonly reason: IssuerReason;
  readonly permanent: boolean;
  readonly retryAfterMs: number | undefined;
  readonly lostAnswer: boolean;
  readonly requestId: string | undefined;

  constructor(code: IssuerErrorCode, failure: IssuerFailure) {
    const { reason, words, fix, retryAfterMs, requestId } = failure;
    const fields = {
      reason,
      ...(fix === undefined ? {} : { fix }),
      ...(requestId === undefined ? {} : { request_id: requestId }),
    };
    super(code, words, "cause" in failure ? { cause: failure.cause, fields } : { fields });
    this.name = "IssuerError";
    this.reason = reason;
    this.permanent = failure.permanent ?? false;
    this.retryAfterMs = retryAfterMs;
    this.lostAnswer = failure.lostAnswer ?? false;
    this.requestId = requestId;
  }
}
