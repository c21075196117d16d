/**
 * What came back from an authority, before anybody stores it: is it for our key, has it the names that
 * were asked for, does it chain to a root that is pinned, and does it lead forward? The validator judges
 * the rest when it is installed.
 */
import type { KeyObject } from "node:crypto";
import { isAgentError } from "../base/errors.ts";
import type { CertificateRequest } from "../identity/exchange/certificate-request.ts";
import { assembleChain } from "../identity/exchange/chain-assembly.ts";
import { sequence } from "../identity/exchange/der-writer.ts";
import { type Issued, IssuerError } from "../identity/issuer.ts";
import { formatMoment, formatSpan } from "../identity/span-words.ts";
import { findPaths, Issuers } from "../identity/validator/issuer-paths.ts";
import { readRawFields } from "../identity/validator/raw-fields.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import { formatIpAddress, parseIpAddress } from "../identity/x509/ip-address.ts";
import { certificatesOf, type IssuerRoots, pemOf } from "./issuer-roots.ts";

export interface AskedNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly uri: readonly string[];
  /** Many authorities repeat the common name among the DNS names; that is no other name. */
  readonly commonName?: string;
}

export interface Expectation {
  readonly publicKey: KeyObject;
  /** `undefined` where the authority alone decides. */
  readonly names: AskedNames | undefined;
  /** What is held now; `undefined` at enrolment. */
  readonly before: Certificate | undefined;
  readonly roots: Pick<IssuerRoots, "certificates">;
  readonly where: string;
  readonly requestId?: string | undefined;
}

/** A life shorter than this share of the one before is worth a remark: renewal plans by it. */
const SHORTER = 0.9;

const NAMES_FIX =
  "have it issued with the names of the request, or ask for these: with step-ca the token names them, else [issuer] does (common_name, dns_names, spiffe_id)";

/**
 * @param ders Certificates in any order, PEM or DER; roots among them are no reason to trust them.
 * @throws IssuerError `answer` for what can't be used; a certificate was made all the same.
 */
export function checkIssued(
  ders: readonly (string | Uint8Array)[],
  expected: Expectation,
): Omit<Issued, "answersUs"> {
  const { where, requestId, before } = expected;
  const refuse = (words: string, cause?: unknown, fix?: string): IssuerError =>
    new IssuerError("ERR_ISSUER_ANSWER", {
      reason: "answer",
      ...(fix === undefined ? {} : { fix }),
      words: `${where} has issued a certificate that can't be used: ${words}`,
      requestId,
      lostAnswer: true,
      cause,
    });
  let chainPem: string;
  let leaf: Certificate;
  try {
    ({ chainPem, leaf } = assembleChain(ders, expected.publicKey));
  } catch (error) {
    if (isAgentError(error)) throw refuse(error.message, error);
    throw error;
  }
  const chain = certificatesOf(chainPem).map(parseCertificate);
  const wrongNames = expected.names && nameFault(leaf, expected.names);
  if (wrongNames !== undefined) throw refuse(wrongNames, undefined, NAMES_FIX);
  const roots = expected.roots.certificates;
  const [path] = findPaths(leaf, roots, new Issuers([...chain, ...roots]));
  const root = path?.at(-1);
  if (root === undefined || root === leaf) {
    throw refuse(`it does not chain to a pinned root (issuer: "${leaf.summary.issuer}")`);
  }
  const { notBefore, notAfter } = leaf.summary;
  if (notAfter <= notBefore) throw refuse("it ends before it begins");
  const remarks: string[] = [];
  if (before !== undefined) {
    if (notAfter < before.summary.notAfter) {
      throw refuse(
        `it ends ${formatMoment(notAfter)}, before the one in hand (${formatMoment(before.summary.notAfter)})`,
      );
    }
    const [life, lifeBefore] = [notAfter - notBefore, lifeOf(before)];
    if (life < lifeBefore * SHORTER) {
      remarks.push(
        `the new certificate lives ${formatSpan(life)}, the one before lived ${formatSpan(lifeBefore)}`,
      );
    }
  }
  return { chainPem, rootPem: pemOf(root), remarks, requestId };
}

/** The names of a request, to look for in the answer. */
export function askedNames({ sans, commonName }: CertificateRequest): AskedNames {
  const { dns = [], ip = [], uri = [] } = sans;
  return { dns, ip, uri, commonName };
}

/** A request that repeats the whole subject and all names of a certificate in hand. */
export function repeated(leaf: Certificate): CertificateRequest {
  const subjectDer = sequence(readRawFields(leaf).subject);
  return { commonName: leaf.commonNames[0] ?? "", subjectDer, sans: namesOf(leaf) };
}

/** The names of a certificate in hand, which a renewal must repeat. */
export function namesOf({ names }: Certificate): AskedNames {
  return { dns: names.dnsNames, ip: names.ipAddresses, uri: names.uris };
}

function nameFault({ names }: Certificate, asked: AskedNames): string | undefined {
  const found = new Set(labelled({ dns: names.dnsNames, ip: names.ipAddresses, uri: names.uris }));
  const wanted = new Set(labelled(asked));
  const missing = [...wanted].filter((each) => !found.has(each));
  const { commonName } = asked;
  const common = labelled({ dns: commonName === undefined ? [] : [commonName], ip: [], uri: [] });
  const extra = [...found].filter((each) => !wanted.has(each) && !common.includes(each));
  if (missing.length === 0 && extra.length === 0) return undefined;
  const parts = [
    ...(missing.length === 0 ? [] : [`it lacks the names ${quoted(missing)}`]),
    ...(extra.length === 0 ? [] : [`it has names that were not asked for: ${quoted(extra)}`]),
  ];
  return parts.join("; ");
}

/** One form for each name, so that `::1` and `0:0:0:0:0:0:0:1` are the same. */
function labelled({ dns, ip, uri }: AskedNames): string[] {
  const address = (text: string): string => {
    const octets = parseIpAddress(text);
    return (octets && formatIpAddress(octets)) ?? text;
  };
  return [
    ...dns.map((name) => `DNS ${name.toLowerCase()}`),
    ...ip.map((text) => `IP ${address(text)}`),
    ...uri.map((text) => `URI ${text}`),
  ];
}

function quoted(names: readonly string[]): string {
  return names
    .slice(0, 5)
    .map((name) => JSON.stringify(name.slice(0, 100)))
    .join(", ");
}

function lifeOf({ summary }: Certificate): number {
  return summary.notAfter - summary.notBefore;
}
