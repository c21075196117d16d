/**
 * One certificate, read once: everything that checks, logs and decisions ask of it. Names,
 * dates and extensions come from the DER; keys and fingerprint from `node:crypto`.
 */
import { type KeyObject, X509Certificate } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import type { CertificateSummary } from "../../base/principal.ts";
import { type AlternativeNames, NO_NAMES, parseAlternativeNames } from "./alternative-names.ts";
import { certificatePem } from "./certificate-builder.ts";
import { parseCertificateTime } from "./certificate-time.ts";
import { DER_TAG, type DerElement, formatOid, readElements, readOne } from "./der.ts";
import { commonNames, formatName, parseName } from "./name.ts";

export interface Certificate {
  readonly x509: X509Certificate;
  readonly summary: CertificateSummary;
  readonly commonNames: readonly string[];
  readonly names: AlternativeNames;
  /** 1 to 3. */
  readonly version: number;
  readonly ca: boolean;
  /** Object identifiers; `undefined` without the extension, which means any purpose. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  /** Bit 0 of the octet string is digitalSignature; `undefined` without the extension. */
  readonly keyUsage: Uint8Array | undefined;
  readonly selfSigned: boolean;
  readonly publicKey: KeyObject;
  /** Object identifier of the signature's algorithm. */
  readonly signatureOid: string;
}

const EXTENSION = {
  keyUsage: "2.5.29.15",
  alternativeNames: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
} as const;

const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;

/**
 * Reads a certificate that OpenSSL has already parsed.
 *
 * @throws AgentError `ERR_CERT_INVALID` if its DER is not what RFC 5280 section 4.1 describes.
 */
export function readCertificate(x509: X509Certificate): Certificate {
  const tbs = tbsOf(x509.raw);
  const issuer = formatName(parseName(tbs.issuer));
  const subject = parseName(tbs.subject);
  const extensions = extensionsOf(tbs.extensions);
  const alternative = extensions.get(EXTENSION.alternativeNames);
  const usages = extensions.get(EXTENSION.extendedKeyUsage);
  const keyUsage = extensions.get(EXTENSION.keyUsage);
  let selfSigned: boolean | undefined;
  return {
    x509,
    summary: {
      subject: formatName(subject),
      issuer,
      notBefore: tbs.notBefore,
      notAfter: tbs.notAfter,
      serial: x509.serialNumber,
      fingerprint: x509.fingerprint256.replaceAll(":", "").toLowerCase(),
    },
    commonNames: commonNames(subject),
    names: alternative === undefined ? NO_NAMES : parseAlternativeNames(alternative),
    version: tbs.version,
    ca: isCa(extensions.get(EXTENSION.basicConstraints)),
    extendedKeyUsages:
      usages === undefined
        ? undefined
        : readElements(readOne(usages, DER_TAG.sequence)).map(({ content }) => formatOid(content)),
    keyUsage: keyUsage === undefined ? undefined : readOne(keyUsage, DER_TAG.bitString).subarray(1),
    // On demand: a bundle holds hundreds, each signature costs, and few are ever asked.
    get selfSigned() {
      selfSigned ??= Buffer.compare(tbs.issuer, tbs.subject) === 0 && x509.verify(x509.publicKey);
      return selfSigned;
    },
    publicKey: x509.publicKey,
    signatureOid: tbs.signatureOid,
  };
}

/**
 * Node's reading of a DER certificate. Given DER, it looks for PEM in it first: text within a certificate
 * could name another one. So it gets PEM.
 */
export function x509Of(der: Uint8Array): X509Certificate {
  return new X509Certificate(certificatePem(der));
}

/**
 * Reads one certificate from PEM (a string) or DER (bytes).
 *
 * @throws AgentError `ERR_CERT_INVALID` if it is none.
 */
export function parseCertificate(bytes: string | Uint8Array): Certificate {
  let x509: X509Certificate;
  try {
    x509 = typeof bytes === "string" ? new X509Certificate(bytes) : x509Of(bytes);
  } catch (cause) {
    throw new AgentError("ERR_CERT_INVALID", "this is not a certificate that can be read", {
      cause,
    });
  }
  return readCertificate(x509);
}

function tbsOf(der: Uint8Array) {
  const [tbs] = readElements(readOne(der, DER_TAG.sequence));
  const fields = readElements(tbs?.content ?? new Uint8Array());
  const versionField = fields[0]?.tag === VERSION_TAG ? fields.shift() : undefined;
  const [, signature, issuer, validity, subject, , ...optional] = fields;
  if (signature === undefined || issuer === undefined || subject === undefined) {
    throw new AgentError("ERR_CERT_INVALID", "certificate is malformed: fields are missing");
  }
  const [notBefore, notAfter] = readElements(validity?.content ?? new Uint8Array());
  return {
    notBefore: parseCertificateTime(notBefore),
    notAfter: parseCertificateTime(notAfter),
    version:
      versionField === undefined ? 1 : (readOne(versionField.content, DER_TAG.integer)[0] ?? 0) + 1,
    signatureOid: formatOid(readElements(signature.content)[0]?.content ?? new Uint8Array()),
    issuer: issuer.content,
    subject: subject.content,
    extensions: optional.find(({ tag }) => tag === EXTENSIONS_TAG),
  };
}

/** Values by object identifier. A second extension of one kind is refused (RFC 5280 section 4.2). */
function extensionsOf(field: DerElement | undefined): Map<string, Uint8Array> {
  const extensions = new Map<string, Uint8Array>();
  if (field === undefined) return extensions;
  for (const { content } of readElements(readOne(field.content, DER_TAG.sequence))) {
    const parts = readElements(content);
    const oid = formatOid(parts[0]?.content ?? new Uint8Array());
    const value = parts.at(-1);
    if (value?.tag !== DER_TAG.octetString || extensions.has(oid)) {
      throw new AgentError("ERR_CERT_INVALID", `certificate is malformed: extension ${oid}`);
    }
    extensions.set(oid, value.content);
  }
  return extensions;
}

function isCa(extension: Uint8Array | undefined): boolean {
  if (extension === undefined) return false;
  const [first] = readElements(readOne(extension, DER_TAG.sequence));
  return first?.tag === DER_TAG.boolean && first.content[0] !== 0;
}
