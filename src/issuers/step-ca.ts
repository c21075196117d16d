/**
 * Certificates from step-ca (https://github.com/smallstep/certificates, measured with 0.30.2): enrolment
 * with a one-time token, renewal and new keys over mutual TLS, and renewal after expiry with a token that
 * the old key signs.
 */
import { createHash } from "node:crypto";
import { createCertificateRequest } from "../identity/exchange/certificate-request.ts";
import {
  type EnrolmentRequest,
  type Issued,
  type Issuer,
  IssuerError,
  type OwnIdentityForIssuer,
} from "../identity/issuer.ts";
import type { OpenKey } from "../identity/keys/key-provider.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import type { IssuerQuestion } from "../transport/issuer-exchange.ts";
import type { IssuerReply } from "../transport/issuer-reply.ts";
import { checkIssued, namesOf } from "./check-issued.ts";
import { type EnrolmentToken, readEnrolmentToken, requestFor } from "./enrolment-token.ts";
import type { OnlineIssuerParts } from "./issuer-parts.ts";
import { certificatesOf } from "./issuer-roots.ts";
import { makeRenewalToken } from "./renewal-token.ts";
import { type AskedBy, replyFailure } from "./reply-failures.ts";
import { requestParts } from "./request-parts.ts";
import { readCertificates, readRoot, readSigned } from "./step-ca-answers.ts";

const MAX_BYTES = 128 * 1024;
/**
 * A renewal token with a wrong audience or signature is answered by 500, which looks like a passing fault
 * and never heals by waiting: after so many in a row it is taken for what it is.
 */
const SERVER_ERRORS_UNTIL_PERMANENT = 3;

type Ask = Pick<IssuerQuestion, "client" | "headers"> & {
  readonly path: string;
  readonly body?: object | undefined;
  readonly askedBy: AskedBy;
};

export class StepCaIssuer implements Issuer {
  readonly kind = "step-ca";
  readonly #parts: OnlineIssuerParts;
  #serverErrors = 0;

  constructor(parts: OnlineIssuerParts) {
    this.#parts = parts;
  }

  assertAskable({ token }: Pick<EnrolmentRequest, "token">): void {
    this.#read(token);
  }

  async enroll({ key, token, csrPem }: EnrolmentRequest, signal: AbortSignal): Promise<Issued> {
    const read = this.#read(token);
    const csr = csrPem ?? (await createCertificateRequest(key, requestFor(read)));
    checkRequest(csr, key, read.requestSha256);
    await this.#haveRoots(signal);
    const ott = token?.trim();
    const reply = await this.#ask(
      { path: "/1.0/sign", body: { csr, ott }, askedBy: "token" },
      signal,
    );
    // A mail address among the names is none of the kinds that are compared.
    return {
      ...this.#check(reply, key, read.names, undefined),
      trustBundlePem: this.#parts.roots.pem,
    };
  }

  #read(token: string | undefined): EnrolmentToken {
    const { roots, url, time } = this.#parts;
    if (token === undefined) {
      throw new IssuerError("ERR_ISSUER_TOKEN", {
        reason: "token",
        words: "step-ca enrols with a one-time token, and none was given",
        fix: "have one made (step ca token NAME) and give it with --token-file FILE",
        permanent: true,
      });
    }
    const known = roots.certificates.map(({ summary }) => summary.fingerprint);
    const pins = roots.rootSha256 === undefined ? known : [roots.rootSha256, ...known];
    return readEnrolmentToken(token, { url, rootSha256: pins, time: time() });
  }

  async renew(own: OwnIdentityForIssuer, signal: AbortSignal): Promise<Issued> {
    await this.#haveRoots(signal);
    const leaf = parseCertificate(own.chainPem);
    const { nowMs, state, clockWrong } = this.#parts.time();
    let reply: IssuerReply;
    if (nowMs > leaf.summary.notAfter && !clockWrong) {
      reply = await this.#renewByToken(own, signal);
    } else {
      try {
        const client = { chainPem: own.chainPem, tlsKey: own.key.tlsKey };
        reply = await this.#ask({ path: "/1.0/renew", client, askedBy: "certificate" }, signal);
      } catch (error) {
        const doubtful = clockWrong || state === "unknown";
        if (!looksExpired(error, doubtful)) throw error;
        reply = await this.#renewByToken(own, signal);
      }
    }
    return this.#check(reply, own.key, namesOf(leaf), own.chainPem);
  }

  async rekey(
    own: OwnIdentityForIssuer,
    next: OpenKey,
    csrPem: string,
    signal: AbortSignal,
  ): Promise<Issued> {
    checkRequest(csrPem, next, undefined);
    await this.#haveRoots(signal);
    const leaf = parseCertificate(own.chainPem);
    const { nowMs, clockWrong } = this.#parts.time();
    if (nowMs > leaf.summary.notAfter && !clockWrong) {
      throw new IssuerError("ERR_ISSUER_REFUSED", {
        reason: "expired",
        words:
          "the certificate has expired: step-ca renews it with the same key, then gives it a new one",
        fix: "renew first, then change the key; the agent does both by itself",
      });
    }
    const client = { chainPem: own.chainPem, tlsKey: own.key.tlsKey };
    const reply = await this.#ask(
      { path: "/1.0/rekey", client, body: { csr: csrPem }, askedBy: "certificate" },
      signal,
    );
    return this.#check(reply, next, namesOf(leaf), own.chainPem);
  }

  /** `/1.0/roots`: what this authority goes by; `/federation` is only advertising. */
  async trustBundle(signal: AbortSignal): Promise<string> {
    const { roots } = this.#parts;
    await this.#haveRoots(signal);
    const reply = await this.#exchange({ path: "/1.0/roots" }, signal);
    if (reply.status !== 200 && reply.status !== 201) {
      throw replyFailure(reply, this.#where, "nothing");
    }
    await roots.learn(readCertificates(reply, this.#where));
    return roots.pem;
  }

  get #where(): string {
    return this.#parts.url.host;
  }

  /** First trust: the pinned root by its fingerprint, over a connection that is used for nothing else. */
  async #haveRoots(signal: AbortSignal): Promise<void> {
    const { roots, exchange } = this.#parts;
    if (roots.known) return;
    const url = this.#url(`/root/${roots.rootSha256}`);
    const question = { url, trust: { kind: "unverified" }, maxBytes: MAX_BYTES } as const;
    const reply = await exchange.ask(question, signal);
    if (reply.status === 404) {
      await roots.adopt([], this.#where);
    }
    if (reply.status !== 200) throw replyFailure(reply, this.#where, "nothing");
    await roots.adopt([readRoot(reply, this.#where)], this.#where);
  }

  async #renewByToken(own: OwnIdentityForIssuer, signal: AbortSignal): Promise<IssuerReply> {
    const { url, random, time } = this.#parts;
    const token = await makeRenewalToken(own, { url, random, time: time() });
    const headers = { Authorization: `Bearer ${token}` };
    try {
      const reply = await this.#ask(
        { path: "/1.0/renew", headers, askedBy: "renewal-token" },
        signal,
      );
      this.#serverErrors = 0;
      return reply;
    } catch (error) {
      if (!(error instanceof IssuerError) || error.reason !== "server-error") throw error;
      this.#serverErrors += 1;
      if (this.#serverErrors < SERVER_ERRORS_UNTIL_PERMANENT) throw error;
      throw new IssuerError("ERR_ISSUER_ENROL", {
        reason: "needs-enrolment",
        words: `${error.message} ${this.#serverErrors} times in a row, which it does for a renewal token that it will never take`,
        permanent: true,
        requestId: error.requestId,
        cause: error,
      });
    }
  }

  async #ask(ask: Ask, signal: AbortSignal): Promise<IssuerReply> {
    const { path, body, client, headers, askedBy } = ask;
    const post = {
      contentType: body === undefined ? undefined : "application/json",
      body: body === undefined ? "" : JSON.stringify(body),
    };
    const reply = await this.#exchange({ path, post, client, headers }, signal);
    if (reply.status === 200 || reply.status === 201) return reply;
    throw replyFailure(reply, this.#where, askedBy);
  }

  #exchange(
    { path, ...rest }: Pick<IssuerQuestion, "post" | "client" | "headers"> & { path: string },
    signal: AbortSignal,
  ): Promise<IssuerReply> {
    const { exchange, roots, ownChainPem } = this.#parts;
    const knownPem = certificatesOf(ownChainPem()).slice(1).join("");
    const trust = { kind: "pinned", rootsPem: roots.pem, knownPem } as const;
    return exchange.ask({ url: this.#url(path), trust, maxBytes: MAX_BYTES, ...rest }, signal);
  }

  #check(
    reply: IssuerReply,
    { publicKey }: OpenKey,
    names: Parameters<typeof checkIssued>[1]["names"],
    beforePem: string | undefined,
  ): Issued {
    const { roots } = this.#parts;
    const { requestId } = reply;
    const before = beforePem === undefined ? undefined : parseCertificate(beforePem);
    const expected = { publicKey, names, before, roots, where: this.#where, requestId };
    // We never ask for a `notBefore`, so the authority has chosen it.
    return { ...checkIssued(readSigned(reply, this.#where), expected), answersUs: true };
  }

  #url(path: string): URL {
    const { url } = this.#parts;
    return new URL(`${url.origin}${url.pathname.replace(/\/$/, "")}${path}`);
  }
}

/** Whether the authority has refused our certificate as expired, though our clock says otherwise. */
function looksExpired(error: unknown, doubtful: boolean): boolean {
  if (!(error instanceof IssuerError)) return false;
  if (error.reason === "expired") return true;
  // At times only a reset comes through. With a clock that is trusted it is what it looks like.
  return doubtful && error.reason === "unreachable" && error.lostAnswer;
}

/** @throws IssuerError `token` when a request and the key or token don't belong together: nothing is spent. */
function checkRequest(csrPem: string, key: OpenKey, requestSha256: string | undefined): void {
  const { der, publicKeyDer } = requestParts(csrPem);
  const unfit = (words: string): IssuerError =>
    new IssuerError("ERR_ISSUER_TOKEN", { reason: "token", words, permanent: true });
  if (!publicKeyDer.equals(key.publicKey.export({ type: "spki", format: "der" }))) {
    throw unfit("the certificate request is for another key than the one that is kept");
  }
  if (requestSha256 === undefined) return;
  if (createHash("sha256").update(der).digest("base64url") !== requestSha256) {
    throw unfit(
      "the token is bound to a certificate request (cnf) that is not this one; it was not spent: give that request, or have a token made that is not bound",
    );
  }
}
