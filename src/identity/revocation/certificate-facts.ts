/**
 * What revocation asks of a certificate beyond what everybody asks: names and key as DER, where its CRL
 * and its OCSP responder are, and whether its server must staple. Pure.
 */
import { createHash } from "node:crypto";
import { isAgentError } from "../../base/errors.ts";
import { formatOid } from "../x509/der.ts";
import { DerCursor, TAG, trimInteger } from "./der-cursor.ts";
import { readExtensions } from "./extensions.ts";

export interface CertificateFacts {
  /** Without leading zero octets. */
  readonly serial: Uint8Array;
  /** Names as DER: compared octet for octet. */
  readonly issuerName: Uint8Array;
  readonly subjectName: Uint8Array;
  /** Content of subjectPublicKey without the count of unused bits: what OCSP hashes. */
  readonly publicKeyBits: Uint8Array;
  /** http and https only. */
  readonly crlUrls: readonly string[];
  readonly ocspUrls: readonly string[];
  /** TLS feature status_request (RFC 7633). */
  readonly mustStaple: boolean;
}

const EXTENSION = {
  crlDistributionPoints: "2.5.29.31",
  authorityAccess: "1.3.6.1.5.5.7.1.1",
  tlsFeature: "1.3.6.1.5.5.7.1.24",
} as const;
const OCSP_ACCESS = "1.3.6.1.5.5.7.48.1";
/** TLS extension number of status_request. */
const STATUS_REQUEST = 5;
const URI = 0x86;
const MAX_URLS = 4;

/** @param der A certificate that OpenSSL has parsed. @throws AgentError `ERR_REVOCATION_SOURCE`. */
export function certificateFacts(der: Uint8Array): CertificateFacts {
  const outer = new DerCursor(der).take(TAG.sequence, "the certificate").inside();
  const tbs = outer.take(TAG.sequence, "the certificate").inside();
  tbs.takeIf(0xa0); // version
  const serial = trimInteger(tbs.take(TAG.integer, "the serial number").content);
  tbs.take(TAG.sequence, "the algorithm");
  const issuerName = tbs.take(TAG.sequence, "the issuer").whole;
  tbs.take(TAG.sequence, "the validity");
  const subjectName = tbs.take(TAG.sequence, "the subject").whole;
  const spki = tbs.take(TAG.sequence, "the public key").inside();
  spki.take(TAG.sequence, "the key's algorithm");
  const publicKeyBits = spki.take(TAG.bitString, "the public key").content.subarray(1);
  while (!tbs.done && tbs.nextTag !== 0xa3) tbs.advance();
  const list = tbs.takeIf(0xa3)
    ? readExtensions(tbs.inside().take(TAG.sequence, "the extensions").inside())
    : [];
  const value = (wanted: string): DerCursor | undefined => {
    const found = list.find(({ oid }) => oid === wanted);
    return found === undefined ? undefined : new DerCursor(found.value);
  };
  return {
    serial,
    issuerName,
    subjectName,
    publicKeyBits,
    crlUrls: readOr([], () => crlUrls(value(EXTENSION.crlDistributionPoints))),
    ocspUrls: readOr([], () => ocspUrls(value(EXTENSION.authorityAccess))),
    mustStaple: readOr(true, () => hasStatusRequest(value(EXTENSION.tlsFeature))),
  };
}

/** Where to ask is a hint: one that can't be read is none. What is promised is taken strictly. */
function readOr<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isAgentError(error, "ERR_REVOCATION_SOURCE")) return otherwise;
    throw error;
  }
}

/** Tells authorities apart: name and key together. Hexadecimal. */
export function issuerKey({ subjectName, publicKeyBits }: CertificateFacts): string {
  return createHash("sha256").update(subjectName).update(publicKeyBits).digest("hex").slice(0, 32);
}

/** DistributionPointName (RFC 5280 section 4.2.1.13): URLs of its full names. */
export function urlsOfPointName(name: DerCursor): string[] {
  const urls: string[] = [];
  if (!name.takeIf(0xa0)) return urls; // relative to the issuer: nobody uses it
  const names = name.inside();
  while (!names.done) {
    names.advance();
    if (names.tag === URI) urls.push(Buffer.from(names.content).toString("latin1"));
  }
  return urls;
}

function crlUrls(extension: DerCursor | undefined): readonly string[] {
  if (extension === undefined) return [];
  const points = extension.take(TAG.sequence, "the distribution points").inside();
  const urls: string[] = [];
  while (!points.done) {
    const point = points.take(TAG.sequence, "a distribution point").inside();
    const named = point.takeIf(0xa0) ? urlsOfPointName(point.inside()) : [];
    // [1] reasons, [2] cRLIssuer: a partitioned or indirect CRL, which we don't take
    if (point.done) urls.push(...named.filter(isWebUrl));
  }
  return urls.slice(0, MAX_URLS);
}

function ocspUrls(extension: DerCursor | undefined): readonly string[] {
  if (extension === undefined) return [];
  const entries = extension.take(TAG.sequence, "the authority information access").inside();
  const urls: string[] = [];
  while (!entries.done) {
    const entry = entries.take(TAG.sequence, "an access description").inside();
    const method = formatOid(entry.take(TAG.oid, "an access method").content);
    entry.advance();
    const url = Buffer.from(entry.content).toString("latin1");
    if (method === OCSP_ACCESS && entry.tag === URI && isWebUrl(url)) urls.push(url);
  }
  return urls.slice(0, MAX_URLS);
}

function hasStatusRequest(extension: DerCursor | undefined): boolean {
  if (extension === undefined) return false;
  const features = extension.take(TAG.sequence, "the TLS features").inside();
  while (!features.done) {
    const feature = features.take(TAG.integer, "a TLS feature").content;
    if (feature.length === 1 && feature[0] === STATUS_REQUEST) return true;
  }
  return false;
}

function isWebUrl(text: string): boolean {
  if (text.length > 1024 || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}
