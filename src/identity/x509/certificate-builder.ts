/**
 * Builds and signs one X.509 v3 certificate (RFC 5280 section 4.1) from parts that the caller chose.
 * It enforces nothing: `issue.ts` holds the profile of what we issue.
 *
 * `pkijs` is 311 KB of code that a running agent does not need, so it is loaded on first use.
 */
import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import { parseIpAddress } from "./ip-address.ts";

export interface SubjectAlternativeNames {
  readonly dns?: readonly string[];
  /** IPv4 or IPv6 in text form. */
  readonly ip?: readonly string[];
  readonly uri?: readonly string[];
}

export interface CertificateParts {
  readonly subjectCn: string;
  /** DER of the issuer's subject name; left out for a self-signed certificate. */
  readonly issuerNameDer?: Uint8Array;
  /** Positive, at most 20 octets (RFC 5280 section 4.1.2.2). */
  readonly serial: Uint8Array;
  /** Unix milliseconds; the fraction of a second is dropped. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  /** Digest of the signature. */
  readonly digest?: "sha1" | "sha256" | "sha384";
  /** Left out: no basicConstraints extension. */
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number };
  /** Bit numbers of RFC 5280 section 4.2.1.3: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
  readonly keyUsageBits?: readonly number[];
  /** Object identifiers. */
  readonly extendedKeyUsages?: readonly string[];
  readonly sans?: SubjectAlternativeNames;
  /** X.509 version; 3 unless a test wants an old one. Below 3 there are no extensions. */
  readonly version?: 1 | 3;
}

const SIGNATURE_OIDS: Readonly<Record<string, string>> = {
  "ec-sha1": "1.2.840.10045.4.1",
  "ec-sha256": "1.2.840.10045.4.3.2",
  "ec-sha384": "1.2.840.10045.4.3.3",
  "rsa-sha1": "1.2.840.113549.1.1.5",
  "rsa-sha256": "1.2.840.113549.1.1.11",
  "rsa-sha384": "1.2.840.113549.1.1.12",
};

/** A key identifier: the first 160 bits of SHA-256 over the key (RFC 7093 section 2, method 1). */
function keyIdentifier(publicKeyBits: Uint8Array): ArrayBuffer {
  return exact(createHash("sha256").update(publicKeyBits).digest().subarray(0, 20));
}

/** asn1js takes whole ArrayBuffers; a view may show only a part of one. */
function exact(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/**
 * Returns the certificate in DER.
 *
 * @throws AgentError `ERR_CERT_INVALID` for a SAN that can't be encoded or an unsupported key.
 */
export async function buildCertificate(parts: CertificateParts): Promise<Uint8Array> {
  const [pkijs, asn1] = await Promise.all([import("pkijs"), import("asn1js")]);
  const extension = (oid: string, critical: boolean, value: { toBER(): ArrayBuffer }) =>
    new pkijs.Extension({ extnID: oid, critical, extnValue: value.toBER() });
  const nameOf = (cn: string) =>
    new pkijs.RelativeDistinguishedNames({
      typesAndValues: [
        new pkijs.AttributeTypeAndValue({
          type: "2.5.4.3",
          value: new asn1.Utf8String({ value: cn }),
        }),
      ],
    });
  const timeOf = (ms: number) => {
    const value = new Date(Math.floor(ms / 1000) * 1000);
    // UTCTime through 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5).
    return new pkijs.Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
  };
  const spkiOf = (key: KeyObject) =>
    pkijs.PublicKeyInfo.fromBER(exact(key.export({ type: "spki", format: "der" })));

  const spki = spkiOf(parts.publicKey);
  const issuerSpki = spkiOf(createPublicKey(parts.signingKey));
  const signatureOid =
    SIGNATURE_OIDS[`${parts.signingKey.asymmetricKeyType}-${parts.digest ?? "sha256"}`];
  if (signatureOid === undefined) {
    throw new AgentError("ERR_CERT_INVALID", "only EC and RSA keys can sign certificates");
  }

  const extensions = [];
  if (parts.basicConstraints !== undefined) {
    const { ca, pathLength } = parts.basicConstraints;
    const constraints = new pkijs.BasicConstraints({
      cA: ca,
      ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
    });
    extensions.push(extension("2.5.29.19", true, constraints.toSchema()));
  }
  if (parts.keyUsageBits !== undefined) {
    extensions.push(extension("2.5.29.15", true, bitString(asn1, parts.keyUsageBits)));
  }
  if (parts.extendedKeyUsages !== undefined) {
    const usages = new pkijs.ExtKeyUsage({ keyPurposes: [...parts.extendedKeyUsages] });
    extensions.push(extension("2.5.29.37", false, usages.toSchema()));
  }
  const bitsOf = (info: typeof spki) => info.subjectPublicKey.valueBlock.valueHexView;
  const ski = new asn1.OctetString({ valueHex: keyIdentifier(bitsOf(spki)) });
  extensions.push(extension("2.5.29.14", false, ski));
  const aki = new pkijs.AuthorityKeyIdentifier({
    keyIdentifier: new asn1.OctetString({ valueHex: keyIdentifier(bitsOf(issuerSpki)) }),
  });
  extensions.push(extension("2.5.29.35", false, aki.toSchema()));
  const names = generalNames(parts.sans ?? {}).map(({ type, value }) =>
    type === 7
      ? new pkijs.GeneralName({ type, value: new asn1.OctetString({ valueHex: exact(value) }) })
      : new pkijs.GeneralName({ type, value }),
  );
  if (names.length > 0) {
    extensions.push(
      extension("2.5.29.17", parts.subjectCn === "", new pkijs.GeneralNames({ names }).toSchema()),
    );
  }

  const version = parts.version ?? 3;
  const subject =
    parts.subjectCn === "" ? new pkijs.RelativeDistinguishedNames() : nameOf(parts.subjectCn);
  const algorithm = new pkijs.AlgorithmIdentifier({
    algorithmId: signatureOid,
    // RSA wants an explicit NULL (RFC 4055 section 5), ECDSA wants nothing (RFC 5758 section 3.2).
    ...(parts.signingKey.asymmetricKeyType === "rsa" ? { algorithmParams: new asn1.Null() } : {}),
  });
  const certificate = new pkijs.Certificate({
    version: version - 1,
    serialNumber: new asn1.Integer({ valueHex: exact(parts.serial) }),
    signature: algorithm,
    signatureAlgorithm: algorithm,
    issuer:
      parts.issuerNameDer === undefined
        ? subject
        : pkijs.RelativeDistinguishedNames.fromBER(exact(parts.issuerNameDer)),
    notBefore: timeOf(parts.notBefore),
    notAfter: timeOf(parts.notAfter),
    subject,
    subjectPublicKeyInfo: spki,
    ...(version === 3 ? { extensions } : {}),
  });
  const tbs = new Uint8Array(certificate.encodeTBS().toBER(false));
  const signature = sign(parts.digest ?? "sha256", tbs, parts.signingKey);
  certificate.signatureValue = new asn1.BitString({ valueHex: exact(signature) });
  return new Uint8Array(certificate.toSchema(true).toBER(false));
}

/** DER of the subject name of a certificate: the issuer name of whatever it signs. */
export async function subjectNameDer(certificateDer: Uint8Array): Promise<Uint8Array> {
  const pkijs = await import("pkijs");
  const certificate = pkijs.Certificate.fromBER(exact(certificateDer));
  return new Uint8Array(certificate.subject.toSchema().toBER(false));
}

/** DER with the usual frame and line breaks. */
export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** Named bits in their shortest form (X.690 section 11.2.2: no trailing zero bits). */
function bitString(asn1: typeof import("asn1js"), bits: readonly number[]) {
  const highest = Math.max(...bits);
  const octets = new Uint8Array((highest >> 3) + 1);
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return new asn1.BitString({ valueHex: exact(octets), unusedBits: 7 - (highest & 7) });
}

/** Choices of GeneralName by their tag: 2 dNSName, 6 uniformResourceIdentifier, 7 iPAddress. */
type NameParts =
  | { readonly type: 2 | 6; readonly value: string }
  | { readonly type: 7; readonly value: Uint8Array };

function generalNames(sans: SubjectAlternativeNames) {
  const names: NameParts[] = [];
  for (const dns of sans.dns ?? []) names.push({ type: 2, value: ia5(dns, "DNS name") });
  for (const uri of sans.uri ?? []) names.push({ type: 6, value: ia5(uri, "URI") });
  for (const ip of sans.ip ?? []) {
    const octets = parseIpAddress(ip);
    if (octets === undefined) {
      throw new AgentError("ERR_CERT_INVALID", `"${ip}" is not an IP address`);
    }
    names.push({ type: 7, value: octets });
  }
  return names;
}

function ia5(text: string, what: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new AgentError(
    "ERR_CERT_INVALID",
    `${what} "${text}" must be printable ASCII without spaces (write international names as xn--)`,
  );
}
