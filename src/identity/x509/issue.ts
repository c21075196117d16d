/**
 * A small certificate authority: enough for development (`microedge pki`), demonstrations and tests.
 *
 * Certificates follow RFC 5280: version 3, random positive serials of 16 octets, critical
 * basicConstraints and keyUsage, subject and authority key identifiers; ECDSA on P-256 unless asked
 * otherwise. `notBefore` lies a little in the past, so that a peer whose clock runs behind accepts a
 * certificate made this minute. Times are Unix milliseconds, lifetimes are days.
 */
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import type { Random } from "../../host/random.ts";
import {
  buildCertificate,
  certificatePem,
  type SubjectAlternativeNames,
  subjectNameDer,
} from "./certificate-builder.ts";

/** Purposes by their extended key usage (RFC 5280 section 4.2.1.12). */
export const USAGE_OIDS = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
} as const;
export type CertificateUsage = keyof typeof USAGE_OIDS;

export type Curve = "P-256" | "P-384";

/** A certificate and its private key (PKCS #8), both PEM. */
export interface Issued {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export type Authority = Issued;

interface Validity {
  /** Lifetime counted from `nowMs`. */
  readonly days: number;
  /** Wall clock now, Unix milliseconds. */
  readonly nowMs: number;
  readonly random: Random;
  readonly curve?: Curve;
  /** Overrides `nowMs` less the back-date. */
  readonly notBefore?: number;
  /** Overrides `nowMs` plus `days`. */
  readonly notAfter?: number;
}

export interface AuthorityRequest extends Validity {
  readonly cn: string;
  /** Signs this authority; left out for a root. */
  readonly parent?: Authority;
  /** How many authorities may follow below this one. */
  readonly pathLength?: number;
}

export interface LeafRequest extends Validity {
  readonly authority: Authority;
  readonly cn: string;
  readonly sans: SubjectAlternativeNames;
  readonly usages: readonly CertificateUsage[];
}

const DAY_MS = 86_400_000;
/** How far `notBefore` lies before `nowMs`: clocks of small devices are often minutes off. */
const BACKDATE_MS = 5 * 60_000;
const SERIAL_OCTETS = 16;
/** X.520 upper bound of a common name (RFC 5280 appendix A.1, ub-common-name). */
const MAX_CN = 64;

/** Creates a root, or an intermediate authority when `parent` is given. */
export async function createAuthority(request: AuthorityRequest): Promise<Authority> {
  const { privateKey, publicKey } = newKeyPair(request.curve ?? "P-256");
  const parent = request.parent;
  const der = await buildCertificate({
    ...identityOf(request),
    publicKey,
    signingKey: parent === undefined ? privateKey : signingKeyOf(parent),
    ...(parent === undefined ? {} : { issuerNameDer: await nameOf(parent) }),
    basicConstraints: {
      ca: true,
      ...(request.pathLength === undefined ? {} : { pathLength: request.pathLength }),
    },
    keyUsageBits: [5, 6],
  });
  return issued(der, privateKey);
}

/**
 * Issues a leaf with a new key.
 *
 * @throws AgentError `ERR_CERT_INVALID` for names that can't stand in a certificate, an empty
 *   lifetime, or an authority whose certificate is none or doesn't match its key.
 */
export async function issueCertificate(request: LeafRequest): Promise<Issued> {
  const { privateKey, publicKey } = newKeyPair(request.curve ?? "P-256");
  const der = await buildCertificate({
    ...identityOf(request),
    publicKey,
    signingKey: signingKeyOf(request.authority),
    issuerNameDer: await nameOf(request.authority),
    basicConstraints: { ca: false },
    keyUsageBits: [0],
    extendedKeyUsages: request.usages.map((usage) => USAGE_OIDS[usage]),
    sans: request.sans,
  });
  return issued(der, privateKey);
}

/** A positive serial number of 16 octets with at least 126 random bits. */
export function randomSerial(random: Random): Uint8Array {
  const serial = new Uint8Array(random.bytes(SERIAL_OCTETS));
  // The sign bit must be clear; the next one is set so that no leading octet is ever dropped.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

function identityOf(request: Validity & { readonly cn: string }) {
  const notBefore = request.notBefore ?? request.nowMs - BACKDATE_MS;
  const notAfter = request.notAfter ?? request.nowMs + request.days * DAY_MS;
  if (!(notAfter > notBefore)) {
    throw new AgentError("ERR_CERT_INVALID", "the certificate would end before it begins");
  }
  if (request.cn.length > MAX_CN) {
    throw new AgentError("ERR_CERT_INVALID", `the common name is longer than ${MAX_CN} characters`);
  }
  return { subjectCn: request.cn, serial: randomSerial(request.random), notBefore, notAfter };
}

function newKeyPair(curve: Curve): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: curve });
}

function issued(der: Uint8Array, privateKey: KeyObject): Issued {
  return {
    certificatePem: certificatePem(der),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function signingKeyOf(authority: Authority): KeyObject {
  const { key, certificate } = read(authority);
  if (!certificate.ca || !certificate.checkPrivateKey(key)) {
    throw new AgentError(
      "ERR_CERT_INVALID",
      "the authority's certificate is not a CA certificate of the authority's key",
    );
  }
  return key;
}

function nameOf(authority: Authority): Promise<Uint8Array> {
  return subjectNameDer(read(authority).certificate.raw);
}

function read(authority: Authority): { key: KeyObject; certificate: X509Certificate } {
  try {
    return {
      key: createPrivateKey(authority.keyPem),
      certificate: new X509Certificate(authority.certificatePem),
    };
  } catch (cause) {
    throw new AgentError("ERR_CERT_INVALID", "the authority's certificate or key can't be read", {
      cause,
    });
  }
}
