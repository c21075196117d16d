/**
 * Certificate requests, PKCS#10 (RFC 2986), for any key of the key port: signed through
 * `OpenKey.sign`, so a key in a TPM or token works like one in the store. Written by hand, because a
 * general library wants the private key.
 */
import { AgentError } from "../../base/errors.ts";
import type { KeyAlgorithm, OpenKey } from "../keys/key-provider.ts";
import type { SubjectAlternativeNames } from "../x509/certificate-builder.ts";
import { parseIpAddress } from "../x509/ip-address.ts";
import { isSpiffeUri, spiffeIdFault } from "../x509/spiffe-id.ts";
import {
  bitString,
  element,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  setOf,
  utf8String,
} from "./der-writer.ts";
import { pemOf } from "./key-export.ts";

export interface CertificateRequest {
  /** May be empty when there are alternative names. */
  readonly commonName: string;
  /** The whole subject name (DER), in place of one that holds `commonName` alone: of a certificate in hand. */
  readonly subjectDer?: Uint8Array | undefined;
  readonly sans: SubjectAlternativeNames;
}

const OID = {
  commonName: "2.5.4.3",
  extensionRequest: "1.2.840.113549.1.9.14",
  subjectAlternativeName: "2.5.29.17",
} as const;

/** ECDSA and Ed25519 have no parameters (RFC 5758 section 3.2, RFC 8410 section 3); RSA has NULL. */
const SIGNATURES: Readonly<Record<KeyAlgorithm, Buffer>> = {
  "ecdsa-p256": sequence(oid("1.2.840.10045.4.3.2")),
  "ecdsa-p384": sequence(oid("1.2.840.10045.4.3.3")),
  ed25519: sequence(oid("1.3.101.112")),
  rsa: sequence(oid("1.2.840.113549.1.1.11"), nothing()),
};

/** X.520 upper bound of a common name (RFC 5280 appendix A.1). */
const MAX_COMMON_NAME = 64;
const MAX_NAMES = 100;
/** Context tags of GeneralName (RFC 5280 section 4.2.1.6). */
const NAME_TAGS = { dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const DNS_NAME =
  /^(?=.{1,253}$)(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*$/;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]{1,2000}$/;

/**
 * The request in PEM.
 *
 * @throws AgentError `ERR_CERT_INVALID` for names that can't stand in a certificate, or none at all;
 *   `ERR_KEY_*` when the key can't sign.
 */
export async function createCertificateRequest(
  key: OpenKey,
  request: CertificateRequest,
): Promise<string> {
  const names = generalNames(request.sans);
  const { commonName } = request;
  if (commonName === "" && names.length === 0) throw invalid("a certificate needs a name");
  if ([...commonName].length > MAX_COMMON_NAME || /\p{Cc}/u.test(commonName)) {
    throw invalid(
      `the common name is longer than ${MAX_COMMON_NAME} characters or has control characters`,
    );
  }
  const common =
    commonName === "" ? [] : [setOf(sequence(oid(OID.commonName), utf8String(commonName)))];
  const subject = request.subjectDer ?? sequence(...common);
  const requestInfo = sequence(
    integer(0),
    subject,
    key.publicKey.export({ type: "spki", format: "der" }),
    element(0xa0, ...(names.length === 0 ? [] : [extensionRequest(names, commonName === "")])),
  );
  const signature = await key.sign(requestInfo);
  const der = sequence(requestInfo, SIGNATURES[key.reference.algorithm], bitString(signature));
  return pemOf("CERTIFICATE REQUEST", der);
}

function extensionRequest(names: readonly Buffer[], critical: boolean): Buffer {
  const san = sequence(
    oid(OID.subjectAlternativeName),
    // Critical when the subject is empty (RFC 5280 section 4.2.1.6).
    ...(critical ? [element(0x01, Buffer.of(0xff))] : []),
    octetString(sequence(...names)),
  );
  return sequence(oid(OID.extensionRequest), setOf(sequence(san)));
}

function generalNames({ dns = [], ip = [], uri = [] }: SubjectAlternativeNames): Buffer[] {
  if (dns.length + ip.length + uri.length > MAX_NAMES) {
    throw invalid(`a request may have ${MAX_NAMES} alternative names`);
  }
  if (uri.filter(isSpiffeUri).length > 1) {
    throw invalid("a certificate has one SPIFFE ID at most (X509-SVID, section 2)");
  }
  return [
    ...dns.map((name) => element(NAME_TAGS.dns, ascii(name, DNS_NAME, "DNS name"))),
    ...uri.map((name) => {
      const fault = isSpiffeUri(name) ? spiffeIdFault(name) : undefined;
      if (fault !== undefined) throw invalid(`SPIFFE ID ${quoted(name)} is wrong: ${fault}`);
      return element(NAME_TAGS.uri, ascii(name, URI, "URI"));
    }),
    ...ip.map((text) => {
      const octets = parseIpAddress(text);
      if (octets === undefined) throw invalid(`${quoted(text)} is not an IP address`);
      return element(NAME_TAGS.ip, octets);
    }),
  ];
}

function ascii(text: string, form: RegExp, what: string): Buffer {
  if (form.test(text)) return Buffer.from(text, "ascii");
  throw invalid(`${what} ${quoted(text)} is ill-formed (write international names as xn--)`);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function invalid(message: string): AgentError {
  return new AgentError("ERR_CERT_INVALID", message);
}
