/**
 * Reads a certificate revocation list (RFC 5280 section 5): first its frame, whose cost does not depend
 * on its size; then, when the signature was found good, its entries, in bites that let calls through.
 */

import { urlsOfPointName } from "./certificate-facts.ts";
import { DerCursor, TAG, trimInteger } from "./der-cursor.ts";
import { type Extension, readExtensions, refuseUnknownCritical } from "./extensions.ts";
import { refuse } from "./refusal.ts";
import { MAX_ENTRIES, RevokedSerials } from "./revoked-serials.ts";
import { requireSameAlgorithm, type SignedDer, takeSigned } from "./signed-der.ts";

/** A CRL whose entries have not been looked at. */
export interface CrlFrame {
  readonly signed: SignedDer;
  /** Name, DER. */
  readonly issuerName: Uint8Array;
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** CRLNumber; `undefined` when it has none. */
  readonly number: bigint | undefined;
  /** URLs of the issuing distribution point; empty without one. */
  readonly pointUrls: readonly string[];
  /** Content of revokedCertificates. */
  readonly entries: Uint8Array;
}

const OID = {
  crlNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  deltaIndicator: "2.5.29.27",
  issuingPoint: "2.5.29.28",
  certificateIssuer: "2.5.29.29",
} as const;
/** Octets of a serial and of a CRLNumber (RFC 5280 sections 4.1.2.2 and 5.2.3). */
const MAX_SERIAL = 20;
/** Entries between two pauses: well under a millisecond on a fast CPU, some on a slow one. */
const BITE = 2_000;

/**
 * Reads everything but the entries.
 *
 * @throws AgentError `ERR_REVOCATION_SOURCE` naming what is wrong or not taken: delta, indirect and
 *   partitioned CRLs, critical extensions that are not known.
 */
export function openCrl(der: Uint8Array): CrlFrame {
  const outer = new DerCursor(der);
  const inner = outer.take(TAG.sequence, "a CRL").inside();
  if (!outer.done) throw refuse("malformed", "something follows the CRL");
  const signed = takeSigned(inner);
  if (!inner.done) throw refuse("malformed", "something follows the signature");
  const tbs = new DerCursor(signed.tbs).take(TAG.sequence, "the list").inside();
  const versioned = tbs.takeIf(TAG.integer);
  if (versioned && (tbs.content.length !== 1 || tbs.content[0] !== 1)) {
    throw refuse("malformed", "it is not of version 2");
  }
  requireSameAlgorithm(tbs.take(TAG.sequence, "the algorithm").whole, signed);
  const issuerName = tbs.take(TAG.sequence, "the issuer").whole;
  const thisUpdate = tbs.takeTime("thisUpdate");
  if (tbs.nextTag !== TAG.utcTime && tbs.nextTag !== TAG.generalizedTime) {
    throw refuse("malformed", "it has no nextUpdate, so nobody knows when it is stale");
  }
  const nextUpdate = tbs.takeTime("nextUpdate");
  if (nextUpdate < thisUpdate) throw refuse("malformed", "it ends before it begins");
  const entries = tbs.takeIf(TAG.sequence) ? tbs.content : new Uint8Array();
  const extensions = tbs.takeIf(0xa0)
    ? readExtensions(tbs.inside().take(TAG.sequence, "the extensions").inside())
    : [];
  if (!tbs.done) throw refuse("malformed", "it has fields that no CRL has");
  refuseKinds(extensions);
  const value = (oid: string): DerCursor | undefined => {
    const found = extensions.find((each) => each.oid === oid);
    return found === undefined ? undefined : new DerCursor(found.value);
  };
  return {
    signed,
    issuerName,
    thisUpdate,
    nextUpdate,
    number: numberOf(value(OID.crlNumber)),
    pointUrls: pointUrlsOf(value(OID.issuingPoint)),
    entries,
  };
}

/**
 * Reads the entries of a CRL whose signature is good.
 *
 * @param breathe Called between bites; resolves when others have had their turn.
 */
export async function readEntries(
  { entries }: CrlFrame,
  breathe: () => Promise<void>,
): Promise<RevokedSerials> {
  let count = 0;
  let width = 1;
  for (const walk = new DerCursor(entries); !walk.done; count++) {
    if (count >= MAX_ENTRIES) {
      throw refuse("too-large", `it has more than ${MAX_ENTRIES} entries`);
    }
    if (count % BITE === BITE - 1) await breathe();
    const serial = trimInteger(
      walk.take(TAG.sequence, "an entry").inside().take(TAG.integer, "a serial number").content,
    );
    if (serial.length > MAX_SERIAL) throw refuse("malformed", "a serial number is too long");
    width = Math.max(width, serial.length);
  }
  const serials = new RevokedSerials(count, width);
  const walk = new DerCursor(entries);
  for (let index = 0; index < count; index++) {
    if (index % BITE === BITE - 1) await breathe();
    const entry = walk.advance().inside();
    const serial = trimInteger(entry.advance().content);
    const sinceMs = entry.takeTime("a revocation date");
    serials.add(serial, sinceMs, entry.done ? 0 : reasonOf(entry));
  }
  await breathe();
  serials.seal();
  return serials;
}

function refuseKinds(extensions: readonly Extension[]): void {
  if (extensions.some(({ oid }) => oid === OID.deltaIndicator)) {
    throw refuse("delta", "it is a delta CRL, which lists changes only");
  }
  refuseUnknownCritical(extensions, [OID.crlNumber, OID.issuingPoint]);
}

function numberOf(value: DerCursor | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  const octets = value.take(TAG.integer, "the CRL number").content;
  if (octets.length === 0 || octets.length > MAX_SERIAL || ((octets[0] ?? 0) & 0x80) !== 0) {
    throw refuse("malformed", "its CRL number is negative or too long");
  }
  return BigInt(`0x${Buffer.from(octets).toString("hex")}`);
}

/** IssuingDistributionPoint (RFC 5280 section 5.2.5): only what covers every peer is taken. */
function pointUrlsOf(value: DerCursor | undefined): readonly string[] {
  if (value === undefined) return [];
  const point = value.take(TAG.sequence, "the issuing distribution point").inside();
  let urls: readonly string[] = [];
  while (!point.done) {
    point.advance();
    const set = point.content[0] !== 0;
    switch (point.tag) {
      case 0xa0:
        urls = urlsOfPointName(point.inside());
        break;
      case 0x81: // onlyContainsUserCerts: peers are none other
        break;
      case 0x82:
        if (set) throw refuse("partitioned", "it covers certificates of authorities only");
        break;
      case 0x83:
        throw refuse("partitioned", "it covers some reasons only");
      case 0x84:
        if (set) throw refuse("indirect", "it is an indirect CRL, signed for other authorities");
        break;
      case 0x85:
        if (set) throw refuse("partitioned", "it covers attribute certificates only");
        break;
      default:
        throw refuse("malformed", "its issuing distribution point has a field that is not known");
    }
  }
  return urls;
}

/** @param entry Stands before crlEntryExtensions. */
function reasonOf(entry: DerCursor): number {
  const extensions = readExtensions(entry.take(TAG.sequence, "the entry's extensions").inside());
  if (extensions.some(({ oid }) => oid === OID.certificateIssuer)) {
    throw refuse("indirect", "it is an indirect CRL: entries name other issuers");
  }
  refuseUnknownCritical(extensions, [OID.reasonCode]);
  const reason = extensions.find(({ oid }) => oid === OID.reasonCode);
  if (reason === undefined) return 0;
  return new DerCursor(reason.value).take(TAG.enumerated, "a reason").content[0] ?? 0;
}
