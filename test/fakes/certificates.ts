/**
 * Certificates for tests: a fresh authority, good leaves by default, and any deviation by name.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { AgentError } from "#src/base/errors.ts";
import { systemRandom } from "#src/host/random.ts";
import type { TlsMaterial, TlsMaterialSource } from "#src/identity/tls-material.ts";
import {
  buildCertificate,
  type CertificateParts,
  certificatePem,
  type SubjectAlternativeNames,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import {
  type Authority,
  type CertificateUsage,
  createAuthority,
  type Issued,
  issueCertificate,
  randomSerial,
} from "#src/identity/x509/issue.ts";

/** Names by which a loopback server is reached. */
export const LOOPBACK_SANS: SubjectAlternativeNames = {
  dns: ["localhost"],
  ip: ["127.0.0.1", "::1"],
};

export interface LeafOptions {
  readonly sans?: SubjectAlternativeNames;
  readonly usages?: readonly CertificateUsage[];
  readonly days?: number;
  /** Unix milliseconds; default now. */
  readonly nowMs?: number;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly authority?: Authority;
}

export interface TestPki {
  readonly authority: Authority;
  /** Trust bundle with just this authority. */
  readonly caPem: string;
  /** A leaf that serves as server and client on loopback unless told otherwise. */
  issue(cn: string, options?: LeafOptions): Promise<Issued>;
  /** An intermediate authority below this one. */
  intermediate(cn: string): Promise<Authority>;
  /** A certificate of any shape, for what `issue` rightly refuses to make. */
  odd(cn: string, parts: OddParts): Promise<Issued>;
  /** What a TLS endpoint of ours needs, with a fresh good leaf. */
  material(cn: string, options?: LeafOptions): Promise<TlsMaterial>;
}

export type OddParts = Partial<Omit<CertificateParts, "subjectCn" | "signingKey">> & {
  /** Default: a fresh P-256 key. */
  readonly key?: KeyObject;
  readonly selfSigned?: boolean;
};

export async function testPki(cn = "Test CA", nowMs = Date.now()): Promise<TestPki> {
  const authority = await createAuthority({ cn, days: 3650, nowMs, random: systemRandom });
  const issue = (name: string, options: LeafOptions = {}): Promise<Issued> =>
    issueCertificate({
      cn: name,
      authority,
      sans: LOOPBACK_SANS,
      usages: ["server", "client"],
      days: 30,
      nowMs,
      random: systemRandom,
      ...options,
    });
  return {
    authority,
    caPem: authority.certificatePem,
    issue,
    intermediate: (name) =>
      createAuthority({ cn: name, parent: authority, days: 365, nowMs, random: systemRandom }),
    odd: (name, parts) => oddLeaf(authority, name, parts, nowMs),
    material: async (name, options) =>
      materialOf(await issue(name, options), authority.certificatePem),
  };
}

/** Puts a leaf and a trust bundle together. */
export function materialOf(leaf: Issued, trustBundlePem: string): TlsMaterial {
  const digest = createHash("sha256").update(leaf.certificatePem).update(trustBundlePem);
  return {
    chainPem: leaf.certificatePem,
    key: leaf.keyPem,
    trustBundlePem,
    digest: digest.digest("hex"),
  };
}

/** A source that a test replaces by hand. */
export class HandSource implements TlsMaterialSource {
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #material: TlsMaterial | undefined;

  /** Without material it is the source of a device that has no certificate yet. */
  constructor(material?: TlsMaterial) {
    this.#material = material;
  }

  get absent(): string | undefined {
    return this.#material === undefined ? "the device has no certificate yet" : undefined;
  }

  get current(): TlsMaterial {
    if (this.#material !== undefined) return this.#material;
    throw new AgentError("ERR_IDENTITY_NONE", this.absent ?? "");
  }

  subscribe(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(material: TlsMaterial): void {
    this.#material = material;
    for (const listener of this.#listeners) listener(material);
  }
}

async function oddLeaf(
  authority: Authority,
  cn: string,
  parts: OddParts,
  nowMs: number,
): Promise<Issued> {
  const { key, selfSigned = false, ...rest } = parts;
  const privateKey = key ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const issuer = new X509Certificate(authority.certificatePem);
  const der = await buildCertificate({
    subjectCn: cn,
    serial: randomSerial(systemRandom),
    notBefore: nowMs - 60_000,
    notAfter: nowMs + 86_400_000,
    publicKey: createPublicKey(privateKey),
    signingKey: selfSigned ? privateKey : createPrivateKey(authority.keyPem),
    ...(selfSigned ? {} : { issuerNameDer: await subjectNameDer(issuer.raw) }),
    basicConstraints: { ca: false },
    keyUsageBits: [0],
    extendedKeyUsages: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
    sans: LOOPBACK_SANS,
    ...rest,
  });
  return {
    certificatePem: certificatePem(der),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
