/**
 * Certificates by EST, Enrollment over Secure Transport (RFC 7030), from any server of it. Enrolment with
 * user name and password or with a certificate from the factory; renewal with the certificate in hand.
 * `/csrattrs` is not asked: it may be left out by both sides (section 4.5), and what it can demand is the
 * server's policy anyway.
 */
import { isAgentError } from "../base/errors.ts";
import {
  type CertificateRequest,
  createCertificateRequest,
} from "../identity/exchange/certificate-request.ts";
import {
  type EnrolmentRequest,
  type Issued,
  type Issuer,
  IssuerError,
  type OwnIdentityForIssuer,
} from "../identity/issuer.ts";
import type { OpenKey } from "../identity/keys/key-provider.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import type { IssuerReply } from "../transport/issuer-reply.ts";
import { certificatesOfPkcs7 } from "./certs-only.ts";
import { type AskedNames, askedNames, checkIssued, namesOf, repeated } from "./check-issued.ts";
import { unmet, wantedAttributes } from "./csr-attributes.ts";
import type { OnlineIssuerParts } from "./issuer-parts.ts";
import { certificatesOf } from "./issuer-roots.ts";
import { type AskedBy, replyFailure } from "./reply-failures.ts";
import { requestParts } from "./request-parts.ts";
import { tokenUnused } from "./token-unused.ts";

export interface EstIssuerParts extends OnlineIssuerParts {
  /** Of the server, where it has several authorities. */
  readonly label: string | undefined;
  /** Read for each use; `undefined` without. */
  readonly password: () => Promise<EstPassword | undefined>;
  /** A certificate from the factory with its key, to enrol with; read for each use. */
  readonly birth?: () => Promise<EstBirth | undefined>;
}

export interface EstBirth {
  /** Leaf first, PEM. */
  readonly chainPem: string;
  readonly tlsKey: OpenKey["tlsKey"];
}

export interface EstPassword {
  readonly username: string;
  readonly password: string;
}

const MAX_BYTES = 256 * 1024;
/** When a server says 202 and not when to come back. */
const PENDING_RETRY_MS = 60_000;
/** The message type of certificates; servers add parameters. */
const PKCS7 = new Set(["application/pkcs7-mime", "application/x-pkcs7-mime"]);

interface Credentials {
  readonly client?: { readonly chainPem: string; readonly tlsKey: OpenKey["tlsKey"] };
  readonly headers?: Readonly<Record<string, string>>;
  readonly askedBy: AskedBy;
}

interface Request {
  readonly csrPem: string;
  /** That it is for. */
  readonly key: OpenKey;
}

interface Asked {
  readonly key: OpenKey;
  readonly names: AskedNames | undefined;
  /** What is held now. */
  readonly beforePem: string | undefined;
}

export class EstIssuer implements Issuer {
  readonly kind = "est";
  readonly #parts: EstIssuerParts;

  constructor(parts: EstIssuerParts) {
    this.#parts = parts;
  }

  assertAskable({
    token,
    names,
    csrPem,
  }: Pick<EnrolmentRequest, "token" | "names" | "csrPem">): void {
    if (token !== undefined) {
      throw tokenUnused("EST enrols with a password or a certificate from the factory");
    }
    if (names === undefined && csrPem === undefined) {
      throw new IssuerError("ERR_ISSUER_REFUSED", {
        reason: "unsupported",
        words: "an EST enrolment needs a name to ask for",
        fix: "set issuer.common_name, issuer.dns_names or issuer.spiffe_id",
        permanent: true,
      });
    }
  }

  async enroll(request: EnrolmentRequest, signal: AbortSignal): Promise<Issued> {
    this.assertAskable(request);
    const { key, names, bootstrap } = request;
    const credentials = await this.#credentials(bootstrap);
    const csrPem = request.csrPem ?? (await createCertificateRequest(key, names ?? NO_NAME));
    await this.#haveRoots(signal);
    const reply = await this.#enrol("simpleenroll", { csrPem, key }, credentials, signal);
    const asked = names === undefined ? undefined : askedNames(names);
    const issued = await this.#check(reply, { key, names: asked, beforePem: undefined }, signal);
    return { ...issued, trustBundlePem: this.#parts.roots.pem };
  }

  async renew(own: OwnIdentityForIssuer, signal: AbortSignal): Promise<Issued> {
    const leaf = parseCertificate(own.chainPem);
    // Subject and names must be those of the certificate in hand (RFC 7030 section 4.2.2).
    const csrPem = await createCertificateRequest(own.key, repeated(leaf));
    return this.#reenrol(own, own.key, csrPem, signal);
  }

  async rekey(
    own: OwnIdentityForIssuer,
    next: OpenKey,
    csrPem: string,
    signal: AbortSignal,
  ): Promise<Issued> {
    const { publicKeyDer } = requestParts(csrPem);
    if (!publicKeyDer.equals(next.publicKey.export({ type: "spki", format: "der" }))) {
      throw new TypeError("the request is for another key");
    }
    const leaf = parseCertificate(own.chainPem);
    // A request made by us says the whole subject, where the caller's may say the common name alone.
    const request = await createCertificateRequest(next, repeated(leaf));
    return this.#reenrol(own, next, request, signal);
  }

  async trustBundle(signal: AbortSignal): Promise<string> {
    const { roots } = this.#parts;
    await this.#haveRoots(signal);
    await roots.learn(await this.#cacerts({ kind: "pinned" }, signal));
    return roots.pem;
  }

  async #reenrol(
    own: OwnIdentityForIssuer,
    key: OpenKey,
    csrPem: string,
    signal: AbortSignal,
  ): Promise<Issued> {
    await this.#haveRoots(signal);
    const before = parseCertificate(own.chainPem);
    const { nowMs, clockWrong } = this.#parts.time();
    const client = { chainPem: own.chainPem, tlsKey: own.key.tlsKey };
    const byCertificate: Credentials = { client, askedBy: "certificate" };
    const expired = nowMs > before.summary.notAfter && !clockWrong;
    let reply: IssuerReply | undefined;
    let refusal: unknown;
    if (!expired) {
      try {
        reply = await this.#enrol("simplereenroll", { csrPem, key }, byCertificate, signal);
      } catch (error) {
        if (!(error instanceof IssuerError) || error.reason !== "expired") throw error;
        refusal = error;
      }
    }
    reply ??= await this.#enrolAnew({ csrPem, key }, refusal, signal);
    const expected = { key, names: namesOf(before), beforePem: own.chainPem };
    return this.#check(reply, expected, signal);
  }

  /** TLS takes no expired certificate, and EST has nothing in its place: as on the first day. */
  async #enrolAnew(request: Request, refusal: unknown, signal: AbortSignal): Promise<IssuerReply> {
    const credentials = await this.#credentials(undefined);
    if (credentials.askedBy === "nothing") {
      throw new IssuerError("ERR_ISSUER_ENROL", {
        reason: "needs-enrolment",
        words:
          "the certificate has expired: EST renews it no more, and there is neither password nor birth certificate to enrol with",
        fix: "set issuer.username and issuer.password_file, or issuer.birth_cert and issuer.birth_key, or import a certificate",
        permanent: true,
        cause: refusal,
      });
    }
    return this.#enrol("simpleenroll", request, credentials, signal);
  }

  async #credentials(bootstrap: OwnIdentityForIssuer | undefined): Promise<Credentials> {
    if (bootstrap !== undefined) {
      const { chainPem, key } = bootstrap;
      return { client: { chainPem, tlsKey: key.tlsKey }, askedBy: "certificate" };
    }
    const birth = await this.#parts.birth?.();
    if (birth !== undefined) return { client: birth, askedBy: "certificate" };
    const password = await this.#parts.password();
    return password === undefined ? { askedBy: "nothing" } : basic(password);
  }

  async #enrol(
    operation: "simpleenroll" | "simplereenroll",
    { csrPem, key }: Request,
    { client, headers, askedBy }: Credentials,
    signal: AbortSignal,
  ): Promise<IssuerReply> {
    const body = requestParts(csrPem).der.toString("base64").replace(/.{64}/g, "$&\r\n");
    const reply = await this.#parts.exchange.ask(
      {
        url: this.#url(operation),
        trust: this.#pinned(),
        client,
        post: { contentType: "application/pkcs10", body },
        headers: { ...headers, "Content-Transfer-Encoding": "base64" },
        maxBytes: MAX_BYTES,
      },
      signal,
    );
    const { status, requestId, retryAfterMs } = reply;
    if (status === 202) {
      throw new IssuerError("ERR_ISSUER_PENDING", {
        reason: "pending",
        words: `${this.#where} has the request and wants to be asked again later (HTTP 202)`,
        retryAfterMs: retryAfterMs ?? PENDING_RETRY_MS,
        requestId,
      });
    }
    if (status === 200) return reply;
    const failure = replyFailure(reply, this.#where, askedBy);
    throw status === 401 ? failure : await this.#explained(failure, key, signal);
  }

  /** A refusal of the request itself, with what the server says that it wants; not asked as long as all is well. */
  async #explained(failure: IssuerError, key: OpenKey, signal: AbortSignal): Promise<IssuerError> {
    const { code, reason, requestId, message } = failure;
    if (code !== "ERR_ISSUER_REFUSED" || reason !== "refused") return failure;
    let reply: IssuerReply;
    try {
      const question = { url: this.#url("csrattrs"), trust: this.#pinned(), maxBytes: MAX_BYTES };
      reply = await this.#parts.exchange.ask(question, signal);
    } catch (error) {
      // The refusal stands without a reason as well.
      if (error instanceof IssuerError) return failure;
      throw error;
    }
    // 204 and 404: it wants nothing in particular (section 4.5.2).
    const wanted = reply.status === 200 ? wantedAttributes(reply.body) : undefined;
    const missing = wanted && unmet(wanted, key.reference.algorithm);
    if (missing === undefined) return failure;
    return new IssuerError("ERR_ISSUER_REFUSED", {
      ...{ reason: "unsupported", words: `${message}; ${missing.words}`, fix: missing.fix },
      ...{ permanent: true, requestId, cause: failure },
    });
  }

  /** First trust: the pinned root out of `/cacerts`, over a connection that is used for nothing else. */
  async #haveRoots(signal: AbortSignal): Promise<void> {
    const { roots } = this.#parts;
    if (roots.known) return;
    await roots.adopt(await this.#cacerts({ kind: "unverified" }, signal), this.#where);
  }

  async #cacerts(
    { kind }: { readonly kind: "pinned" | "unverified" },
    signal: AbortSignal,
  ): Promise<readonly Certificate[]> {
    const trust = kind === "pinned" ? this.#pinned() : ({ kind } as const);
    const question = { url: this.#url("cacerts"), trust, maxBytes: MAX_BYTES };
    const reply = await this.#parts.exchange.ask(question, signal);
    if (reply.status !== 200) throw replyFailure(reply, this.#where, "nothing");
    return this.#certificates(reply, false).map(parseCertificate);
  }

  async #check(
    reply: IssuerReply,
    { key, names, beforePem }: Asked,
    signal: AbortSignal,
  ): Promise<Issued> {
    const { roots, ownChainPem } = this.#parts;
    const { publicKey } = key;
    const before = beforePem === undefined ? undefined : parseCertificate(beforePem);
    const answered = this.#certificates(reply, true);
    const ders = [...answered, ...certificatesOf(beforePem ?? ownChainPem()).slice(1)];
    const { requestId } = reply;
    const expected = { publicKey, names, before, roots, where: this.#where, requestId };
    try {
      return { ...checkIssued(ders, expected), answersUs: true };
    } catch (error) {
      if (answered.length > 1 || !(error instanceof IssuerError)) throw error;
    }
    // The answer need not hold more than the leaf (section 4.2.3): the rest comes from /cacerts. Who asks for it
    // only when it is needed has the answer the sooner on the disk.
    ders.push(...(await this.#intermediates(signal)));
    return { ...checkIssued(ders, expected), answersUs: true };
  }

  /** None when they can't be had: those in hand may do, and the certificate is made already. */
  async #intermediates(signal: AbortSignal): Promise<readonly Uint8Array[]> {
    try {
      const found = await this.#cacerts({ kind: "pinned" }, signal);
      return found.filter(({ selfSigned }) => !selfSigned).map(({ x509 }) => x509.raw);
    } catch (error) {
      if (error instanceof IssuerError) return [];
      throw error;
    }
  }

  #certificates(reply: IssuerReply, made: boolean): readonly Uint8Array[] {
    const { contentType, requestId } = reply;
    const bad = (what: string, cause?: unknown): IssuerError =>
      new IssuerError("ERR_ISSUER_ANSWER", {
        ...{ reason: "answer", words: `${this.#where}: ${what}`, requestId, cause },
        lostAnswer: made,
      });
    if (!PKCS7.has(contentType)) {
      throw bad("the answer is not the PKCS#7 of EST (application/pkcs7-mime)");
    }
    try {
      const ders = certificatesOfPkcs7(reply.body);
      // Read now, so that what is no certificate is said of the answer.
      for (const each of ders) parseCertificate(each);
      return ders;
    } catch (error) {
      if (isAgentError(error)) throw bad(error.message, error);
      throw error;
    }
  }

  get #where(): string {
    return this.#parts.url.host;
  }

  #pinned() {
    const { roots, ownChainPem } = this.#parts;
    const knownPem = certificatesOf(ownChainPem()).slice(1).join("");
    return { kind: "pinned", rootsPem: roots.pem, knownPem } as const;
  }

  /** RFC 7030 section 3.2.2. */
  #url(operation: string): URL {
    const { url, label } = this.#parts;
    const path = label === undefined ? operation : `${label}/${operation}`;
    return new URL(`${url.origin}${url.pathname.replace(/\/$/, "")}/.well-known/est/${path}`);
  }
}

const NO_NAME: CertificateRequest = { commonName: "", sans: {} };

function basic({ username, password }: EstPassword): Credentials {
  const text = Buffer.from(`${username}:${password}`).toString("base64");
  return { headers: { Authorization: `Basic ${text}` }, askedBy: "password" };
}
