/**
 * From the texts of a candidate to certificates, with a reason for each that can't be read. Reading
 * never throws: what comes from outside may be anything.
 */
import { errorText } from "../../base/errors.ts";
import { isCutOff, splitPem } from "../pem.ts";
import { parseTrustBundle, type TrustBundle } from "../trust-bundle.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import type { Candidate, Reason } from "./candidate-report.ts";
import { capReasons } from "./caps.ts";
import { readRawFields } from "./raw-fields.ts";

export interface ReadCandidate {
  /** The certificate of the candidate's key; without one, the first that looks like a device's. */
  readonly leaf: Certificate | undefined;
  /** The others of the chain, as they came. */
  readonly others: readonly Certificate[];
  readonly bundle: TrustBundle;
  readonly reasons: readonly Reason[];
}

const REEXPORT = "export the certificate again, as PEM, whole";

export function readCandidate(candidate: Candidate): ReadCandidate {
  const reasons = capReasons(candidate);
  if (reasons.length > 0) return { leaf: undefined, others: [], bundle: [], reasons };
  const chain = readChain(candidate.chainPem, reasons);
  const bundle = readBundle(candidate.trustBundlePem, reasons);
  const leaf = pickLeaf(chain, candidate.publicKey);
  if (leaf !== undefined && !holdsKey(leaf, candidate.publicKey)) {
    reasons.push({
      code: "key-mismatch",
      words: `the key does not belong to ${chain.length === 1 ? "the certificate" : "any certificate of the chain"}`,
      fix: "use the key that the certificate was requested with, or request a certificate for this key",
    });
  }
  return { leaf, others: chain.filter((each) => each !== leaf), bundle, reasons };
}

function readChain(pem: string, reasons: Reason[]): Certificate[] {
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  if (isCutOff(pem)) {
    const words = "the certificate chain is cut off: a block begins and does not end";
    reasons.push({ code: "malformed", words, fix: REEXPORT });
  } else if (blocks.length === 0) {
    const words = "there is no PEM certificate in the chain";
    reasons.push({ code: "no-certificate", words, fix: REEXPORT });
  }
  return blocks.flatMap(({ text }, index) => {
    try {
      return [readWhole(text)];
    } catch (error) {
      const words = `certificate ${index + 1} of the chain can't be read: ${errorText(error)}`;
      reasons.push({ code: "malformed", words, fix: REEXPORT });
      return [];
    }
  });
}

function readBundle(pem: string, reasons: Reason[]): TrustBundle {
  try {
    const bundle = parseTrustBundle(pem);
    for (const { x509 } of bundle) readRawFields({ x509 });
    return bundle;
  } catch (error) {
    const fix = "give a trust bundle of whole PEM certificates with at least one authority";
    reasons.push({ code: "bundle-malformed", words: errorText(error), fix });
    return [];
  }
}

/** Reads every field that a check asks for, so that what can't be read shows here and nowhere else. */
function readWhole(pem: string): Certificate {
  const certificate = parseCertificate(pem);
  readRawFields(certificate);
  return certificate;
}

function pickLeaf(chain: readonly Certificate[], key: Candidate["publicKey"]) {
  // Of several certificates of one key, an authority's is the least likely and the newest the best.
  const held = chain.filter((each) => holdsKey(each, key));
  const [best] = held.sort(
    (a, b) => Number(a.ca) - Number(b.ca) || b.summary.notBefore - a.summary.notBefore,
  );
  return best ?? chain.find(({ ca }) => !ca) ?? chain[0];
}

function holdsKey({ publicKey }: Certificate, key: Candidate["publicKey"]): boolean {
  try {
    return publicKey.equals(key);
  } catch {
    // Keys that can't be compared are not the same.
    return false;
  }
}
