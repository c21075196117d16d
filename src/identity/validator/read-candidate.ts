/**
 * From the texts of a candidate to certificates, with a reason for each that can't be read. Reading
 * never throws: what comes from outside may be anything.
 */
import { type KeyObject, X509Certificate } from "node:crypto";
import { errorText, isAgentError } from "../../base/errors.ts";
import { splitPem } from "../pem.ts";
import { isAnchor, type TrustBundle } from "../trust-bundle.ts";
import { type Certificate, readCertificate } from "../x509/certificate.ts";
import type { Candidate, Reason } from "./candidate-report.ts";
import { capReasons, REEXPORT } from "./caps.ts";
import { readRawFields } from "./raw-fields.ts";

export interface ReadCandidate {
  /** The certificate of the candidate's key; without one, the first that looks like a device's. */
  readonly leaf: Certificate | undefined;
  /** The others of the chain, as they came. */
  readonly others: readonly Certificate[];
  readonly bundle: TrustBundle;
  readonly reasons: readonly Reason[];
}

/** Exponents beyond make a single signature cost a small CPU a second; everybody uses 65537. */
const MAX_EXPONENT = 1n << 33n;
const MAX_RSA_BITS = 8192;

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
  const chain = readBlocks(pem, "chain", "malformed", reasons);
  if (chain.length === 0 && reasons.length === 0) {
    const words = "there is no PEM certificate in the chain";
    reasons.push({ code: "no-certificate", words, fix: REEXPORT });
  }
  return chain;
}

/** As `parseTrustBundle` reads one, but with every fault and each certificate read once only. */
function readBundle(pem: string, reasons: Reason[]): TrustBundle {
  const code = "bundle-malformed";
  const before = reasons.length;
  const bundle = readBlocks(pem, "trust bundle", code, reasons);
  if (reasons.length > before) return [];
  if (bundle.some(isAnchor)) return bundle;
  const words =
    bundle.length === 0
      ? "the trust bundle holds no certificate"
      : "the trust bundle holds no authority";
  reasons.push({ code, words, fix: "give a trust bundle with at least one authority, as PEM" });
  return [];
}

/** Reads every field that a check asks for, so that what can't be read shows here and nowhere else. */
function readBlocks(pem: string, what: string, code: string, reasons: Reason[]): Certificate[] {
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  return blocks.flatMap(({ text }, index) => {
    const which = `certificate ${index + 1} of the ${what}`;
    try {
      const x509 = new X509Certificate(text);
      // Before anything is verified: not every key may be computed with.
      if (isCostlyKey(x509.publicKey)) {
        const fix = "use an ECDSA P-256 key, or RSA of 2048 to 8192 bits with exponent 65537";
        reasons.push({ code: "weak-key", words: `${which} has a key of an unusual kind`, fix });
        return [];
      }
      const certificate = readCertificate(x509);
      readRawFields(certificate);
      return [certificate];
    } catch (error) {
      // OpenSSL's own errors name its source files; ours say what is wrong.
      const detail = isAgentError(error) ? `: ${errorText(error)}` : "";
      reasons.push({ code, words: `${which} can't be read${detail}`, fix: REEXPORT });
      return [];
    }
  });
}

function isCostlyKey({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details,
}: KeyObject): boolean {
  if (type === "rsa" || type === "rsa-pss") {
    const tooLong = (details?.modulusLength ?? 0) > MAX_RSA_BITS;
    return tooLong || (details?.publicExponent ?? 0n) > MAX_EXPONENT;
  }
  return type !== "ec" && type !== "ed25519" && type !== "ed448";
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
