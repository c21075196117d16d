/**
 * Fields of a certificate that only the validator asks for, read from its DER (RFC 5280 section 4.1).
 * Pure.
 */
import { AgentError } from "../../base/errors.ts";
import type { Certificate } from "../x509/certificate.ts";
import { DER_TAG, type DerElement, formatOid, readElements, readOne } from "../x509/der.ts";

export interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export interface RawFields {
  /** Everything in TBSCertificate, in order; the version is left out of it. */
  readonly fields: readonly DerElement[];
  /** The `[0]` element; `undefined` in version 1. */
  readonly version: DerElement | undefined;
  /** Content octets of the serial number, two's complement. */
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly extensions: readonly RawExtension[];
}

/** Positions among {@link RawFields.fields}. */
export const FIELD = {
  serial: 0,
  signature: 1,
  issuer: 2,
  validity: 3,
  subject: 4,
  publicKey: 5,
} as const;

/** Extensions that rules ask for. */
export const OID = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  alternativeNames: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  policies: "2.5.29.32",
  policyMappings: "2.5.29.33",
  authorityKeyId: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extendedKeyUsage: "2.5.29.37",
  inhibitAnyPolicy: "2.5.29.54",
  authorityAccess: "1.3.6.1.5.5.7.1.1",
} as const;

const EC_KEY = "1.2.840.10045.2.1";
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

/** @throws AgentError `ERR_CERT_INVALID` if the DER is not a certificate. */
export function readRawFields({ x509 }: Pick<Certificate, "x509">): RawFields {
  const [tbs] = readElements(readOne(x509.raw, DER_TAG.sequence));
  const fields = readElements(tbs?.content ?? new Uint8Array());
  const version = fields[0]?.tag === VERSION ? fields.shift() : undefined;
  const serial = fields[FIELD.serial];
  const issuer = fields[FIELD.issuer];
  const subject = fields[FIELD.subject];
  if (serial === undefined || issuer === undefined || subject === undefined) {
    throw new AgentError("ERR_CERT_INVALID", "certificate is malformed: fields are missing");
  }
  const holder = fields.slice(FIELD.publicKey + 1).find(({ tag }) => tag === EXTENSIONS);
  return {
    fields,
    version,
    serial: serial.content,
    issuer: issuer.content,
    subject: subject.content,
    extensions: holder === undefined ? [] : readExtensions(holder.content),
  };
}

/** The extension of that kind, if there is one. */
export function extension({ extensions }: RawFields, oid: string) {
  return extensions.find((each) => each.oid === oid);
}

/** Whether an EC key spells out its curve instead of naming it (RFC 5480 section 2.1.1 forbids it). */
export function hasUnnamedCurve({ fields }: RawFields): boolean {
  const [algorithm] = readElements(fields[FIELD.publicKey]?.content ?? new Uint8Array());
  const [kind, parameters] = readElements(algorithm?.content ?? new Uint8Array());
  return formatOid(kind?.content ?? new Uint8Array()) === EC_KEY && parameters?.tag !== DER_TAG.oid;
}

function readExtensions(content: Uint8Array): RawExtension[] {
  return readElements(readOne(content, DER_TAG.sequence)).map((extension) => {
    const [oid, second, third] = readElements(extension.content);
    const value = third ?? second;
    return {
      oid: formatOid(oid?.content ?? new Uint8Array()),
      critical: second?.tag === DER_TAG.boolean && second.content[0] !== 0,
      value: value?.content ?? new Uint8Array(),
    };
  });
}
