/**
 * A certificate authority behind the issuer port, in memory: it signs whatever key proves itself, and fails
 * as a test says. It can tell repetitions: for one old certificate and one new key there is one certificate.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { systemRandom } from "#src/host/random.ts";
import {
  type Issued,
  type Issuer,
  IssuerError,
  type OwnIdentityForIssuer,
} from "#src/identity/issuer.ts";
import type { OpenKey } from "#src/identity/keys/key-provider.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import {
  buildCertificate,
  certificatePem,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import { type Authority, randomSerial } from "#src/identity/x509/issue.ts";
import { LOOPBACK_SANS } from "./certificates.ts";

export class FakeIssuer implements Issuer {
  readonly kind = "step-ca";
  /** Signs now. */
  authority: Authority;
  /** Roots whose certificates may renew (`root` of step-ca); default that of the authority. */
  accepted: string;
  lifetimeMs: number;
  now: () => number;
  /** What an attempt meets, in turn; when empty, all is well. */
  readonly faults: IssuerError[] = [];
  /** Never answers. */
  hangs = false;
  /** Makes the certificate and loses the answer. */
  loses = 0;
  renewsExpired = true;
  calls: ("renew" | "rekey")[] = [];
  /** Chains by old certificate and key. */
  readonly made = new Map<string, string>();
  /** `false`: makes another one for the same wish, as step-ca does. */
  remembers = true;
  /** SHA-256 of the public keys that were certified, in order. */
  readonly signed: string[] = [];
  roots: string | undefined;

  constructor(authority: Authority, lifetimeMs: number, now: () => number) {
    this.authority = authority;
    this.accepted = authority.certificatePem;
    this.lifetimeMs = lifetimeMs;
    this.now = now;
  }

  async enroll(): Promise<Issued> {
    throw new IssuerError("ERR_ISSUER_REFUSED", { reason: "refused", words: "no token" });
  }

  async renew(own: OwnIdentityForIssuer): Promise<Issued> {
    this.calls.push("renew");
    if (this.#isExpired(own) && !this.renewsExpired) {
      const words = "the authority does not renew what has ended";
      throw new IssuerError("ERR_ISSUER_ENROL", {
        ...{ reason: "needs-enrolment", words, permanent: true },
      });
    }
    return this.#answer(own, own.key);
  }

  async rekey(own: OwnIdentityForIssuer, next: OpenKey): Promise<Issued> {
    this.calls.push("rekey");
    if (this.#isExpired(own)) {
      throw new IssuerError("ERR_ISSUER_REFUSED", { reason: "expired", words: "it has ended" });
    }
    return this.#answer(own, next);
  }

  async trustBundle(): Promise<string> {
    this.#maybeFail();
    return this.roots ?? this.accepted;
  }

  #isExpired({ chainPem }: OwnIdentityForIssuer): boolean {
    return parseCertificate(chainPem).summary.notAfter <= this.now();
  }

  async #answer(own: OwnIdentityForIssuer, key: OpenKey): Promise<Issued> {
    if (this.hangs) await new Promise(() => undefined);
    this.#maybeFail();
    const old = parseCertificate(own.chainPem);
    const isOurs = parseTrustBundle(this.accepted).some(({ publicKey }) =>
      old.x509.verify(publicKey),
    );
    if (!isOurs) {
      throw new IssuerError("ERR_ISSUER_ENROL", {
        ...{ reason: "needs-enrolment", words: "its root is no longer known", permanent: true },
      });
    }
    const name = `${old.summary.fingerprint} ${key.reference.spkiSha256}`;
    const known = this.remembers ? this.made.get(name) : undefined;
    const chainPem = known ?? (await this.#sign(old.commonNames[0] ?? "", key));
    this.made.set(name, chainPem);
    if (this.loses > 0) {
      this.loses -= 1;
      throw new IssuerError("ERR_ISSUER_UNREACHABLE", {
        ...{ reason: "unreachable", words: "the connection broke", lostAnswer: true },
      });
    }
    return { chainPem, rootPem: this.authority.certificatePem, answersUs: true, remarks: [] };
  }

  #maybeFail(): void {
    const fault = this.faults.shift();
    if (fault !== undefined) throw fault;
  }

  async #sign(cn: string, key: OpenKey): Promise<string> {
    const issuer = new X509Certificate(this.authority.certificatePem);
    const nowMs = this.now();
    this.signed.push(key.reference.spkiSha256);
    const der = await buildCertificate({
      subjectCn: cn,
      serial: randomSerial(systemRandom),
      notBefore: nowMs - 60_000,
      notAfter: nowMs + this.lifetimeMs,
      publicKey: createPublicKey(key.publicKey.export({ type: "spki", format: "pem" })),
      signingKey: createPrivateKey(this.authority.keyPem),
      issuerNameDer: await subjectNameDer(issuer.raw),
      basicConstraints: { ca: false },
      keyUsageBits: [0],
      extendedKeyUsages: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
      sans: LOOPBACK_SANS,
    });
    return certificatePem(der);
  }
}

export function unreachable(): IssuerError {
  const words = "connection refused";
  return new IssuerError("ERR_ISSUER_UNREACHABLE", { reason: "unreachable", words });
}
