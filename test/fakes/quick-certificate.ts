/**
 * Certificates made in one go, without waiting for a thread: for simulations, whose clock runs on while
 * anything is waited for.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import {
  bitString,
  element,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
  setOf,
  utf8String,
} from "#src/identity/exchange/der-writer.ts";
import { certificatePem } from "#src/identity/x509/certificate-builder.ts";
import type { Authority } from "#src/identity/x509/issue.ts";

const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const GENERALIZED_TIME = 0x18;
const TRUE = Buffer.of(0x01, 0x01, 0xff);

export interface QuickParts {
  readonly cn: string;
  readonly issuerCn: string;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  /** Unix ms, whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly ca: boolean;
}

export function quickCertificate(parts: QuickParts): string {
  const { cn, issuerCn, publicKey, signingKey, notBefore, notAfter, ca } = parts;
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const constraints = extension("2.5.29.19", ca ? sequence(TRUE) : sequence());
  const usage = extension("2.5.29.15", element(0x03, Buffer.from(ca ? [1, 0x06] : [7, 0x80])));
  const purposes = sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2"));
  const body = sequence(
    explicit(0, integer(2)),
    element(0x02, serial),
    ECDSA_SHA256,
    nameOf(issuerCn),
    sequence(timeOf(notBefore), timeOf(notAfter)),
    nameOf(cn),
    publicKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(constraints, usage, ...(ca ? [] : [extension("2.5.29.37", purposes)]))),
  );
  return certificatePem(sequence(body, ECDSA_SHA256, bitString(sign("sha256", body, signingKey))));
}

export function quickRoot(cn: string, notBefore: number, notAfter: number): Authority {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const publicKey = createPublicKey(createPrivateKey(keyPem));
  const parts = { cn, issuerCn: cn, publicKey, signingKey: privateKey, notBefore, notAfter };
  return { certificatePem: quickCertificate({ ...parts, ca: true }), keyPem };
}

function nameOf(cn: string): Buffer {
  return sequence(setOf(sequence(oid("2.5.4.3"), utf8String(cn))));
}

function timeOf(unixMs: number): Buffer {
  const text = new Date(unixMs)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:T]/g, "");
  return element(GENERALIZED_TIME, Buffer.from(text));
}

function extension(id: string, value: Uint8Array): Buffer {
  return sequence(oid(id), TRUE, octetString(value));
}
