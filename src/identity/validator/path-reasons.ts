/**
 * Our own checks on the leaf and on the authorities above it, in words. All run, because one fault can
 * hide another.
 */
import { isAgentError } from "../../base/errors.ts";
import { CERTIFICATE_CHECKS, findProblems, type Problem } from "../peer-checks.ts";
import { formatMoment, formatSpan } from "../span-words.ts";
import type { Certificate } from "../x509/certificate.ts";
import type { CandidateRole, Reason } from "./candidate-report.ts";
import { EXTENSION_RULES, type Place } from "./extension-rules.ts";
import type { IssuerPath, Issuers } from "./issuer-paths.ts";
import { readRawFields } from "./raw-fields.ts";

export interface PathFindings {
  readonly reasons: readonly Reason[];
  readonly warnings: readonly Reason[];
}

export interface PathChecks {
  /** The moment that dates are judged at, Unix ms. */
  readonly atMs: number;
  readonly roles: readonly CandidateRole[];
  /** Hosts that the leaf must name. */
  readonly hosts: readonly string[];
  readonly maxIntermediates: number;
  readonly strictProfile: boolean;
}

/** Signatures of roots are not used, so their algorithm does not matter; keys of all do. */
const AUTHORITY_CAUSES = { root: ["weak-key"], intermediate: ["weak-key", "weak-signature"] };

/** What is wrong with the leaf, whoever issued it. */
export function leafFindings(leaf: Certificate, checks: PathChecks): PathFindings {
  const problems: Problem[] = [];
  for (const role of checks.roles) {
    problems.push(...findProblems(leaf, { nowMs: checks.atMs, role }));
  }
  for (const host of checks.hosts) {
    const context = { nowMs: checks.atMs, role: "server", host } as const;
    problems.push(...findProblems(leaf, context).filter(({ cause }) => cause === "name-mismatch"));
  }
  const ruled = ruleFindings(leaf, "leaf", leaf, checks.strictProfile);
  return {
    reasons: unique([...problems.map(problemReason), ...ruled.reasons]),
    warnings: ruled.warnings,
  };
}

/** What is wrong above the leaf. */
export function authorityFindings(path: IssuerPath, checks: PathChecks): PathFindings {
  const reasons: Reason[] = lengthReasons(path, checks.maxIntermediates);
  const warnings: Reason[] = [];
  for (const [index, authority] of path.slice(1).entries()) {
    const place = index === path.length - 2 ? "root" : "intermediate";
    reasons.push(...dateReasons(authority, checks.atMs));
    for (const { cause, fix, fault } of CERTIFICATE_CHECKS) {
      if (!AUTHORITY_CAUSES[place].includes(cause)) continue;
      const words = fault(authority, { nowMs: checks.atMs, role: "server" });
      if (words !== undefined) reasons.push(authorityReason(authority, cause, words, fix));
    }
    const ruled = ruleFindings(authority, place, path[0], checks.strictProfile);
    reasons.push(...ruled.reasons);
    warnings.push(...ruled.warnings);
  }
  return { reasons: unique(reasons), warnings };
}

/** Why a chain breaks off at an authority that is there: it made the signature, but may not. */
export function barredReasons(chain: readonly Certificate[], issuers: Issuers): Reason[] {
  return chain.flatMap((child) =>
    issuers.barred(child).flatMap((authority) => {
      const { reasons } = ruleFindings(authority, "intermediate", child, false);
      if (reasons.length > 0) return reasons;
      const words = `signed "${child.summary.subject}", which names another key identifier`;
      const fix = "issue it with the key identifier that its authority has";
      return [authorityReason(authority, "key-identifier", words, fix)];
    }),
  );
}

/** A problem of the leaf as a reason against it. */
export function problemReason({ cause, words, fix }: Problem): Reason {
  return {
    code: cause,
    words: `the certificate ${words}`,
    fix: fix.replace("the peer", "this device"),
  };
}

/** Each reason once: the checks run for both roles. */
export function unique(reasons: readonly Reason[]): Reason[] {
  const byWords = new Map(reasons.map((reason) => [`${reason.code} ${reason.words}`, reason]));
  return [...byWords.values()];
}

function ruleFindings(
  certificate: Certificate,
  place: Place,
  leaf: Certificate,
  strict: boolean,
): PathFindings {
  const reasons: Reason[] = [];
  const warnings: Reason[] = [];
  const subject = { certificate, raw: readRawFields(certificate), place, leaf };
  const isLeaf = place === "leaf";
  const who = isLeaf ? "the certificate" : `"${certificate.summary.subject}" in its chain`;
  for (const { code, places, profile, fix, fault } of EXTENSION_RULES) {
    if (!places.includes(place)) continue;
    const found = outcomeOf(() => fault(subject));
    if (found === undefined) continue;
    const words = typeof found === "string" ? found : UNREADABLE;
    const kind = typeof found === "string" ? code : "malformed";
    const reason = { code: isLeaf ? kind : `authority-${kind}`, words: `${who} ${words}`, fix };
    (profile && !strict && words === found ? warnings : reasons).push(reason);
  }
  return { reasons, warnings };
}

const UNREADABLE = "has an extension that can't be read";

/** What a rule finds; `null` when the DER that it reads is none, which is a fault like any other. */
function outcomeOf(fault: () => string | undefined): string | undefined | null {
  try {
    return fault();
  } catch (error) {
    if (isAgentError(error, "ERR_CERT_INVALID")) return null;
    throw error;
  }
}

function lengthReasons(path: IssuerPath, maxIntermediates: number): Reason[] {
  // An authority that renewed itself under its own name is one authority (RFC 5280 section 4.2.1.9).
  const between = path.slice(1, -1).filter(({ summary }) => summary.subject !== summary.issuer);
  if (between.length <= maxIntermediates) return [];
  const words = `the chain has ${between.length} authorities between certificate and root; ${maxIntermediates} are the most`;
  return [{ code: "chain-length", words, fix: "issue it from an authority higher up" }];
}

function dateReasons(authority: Certificate, atMs: number): Reason[] {
  const { notBefore, notAfter } = authority.summary;
  if (atMs > notAfter) {
    const words = `expired ${formatSpan(atMs - notAfter)} ago (${formatMoment(notAfter)})`;
    const fix = "renew that authority, put it into the trust bundle and issue again";
    return [authorityReason(authority, "expired", words, fix)];
  }
  if (atMs >= notBefore) return [];
  const words = `is valid only from ${formatMoment(notBefore)}`;
  return [authorityReason(authority, "not-yet-valid", words, "check this machine's clock")];
}

function authorityReason(
  { summary }: Certificate,
  cause: string,
  words: string,
  fix: string,
): Reason {
  return {
    code: `authority-${cause}`,
    words: `"${summary.subject}" in its chain ${words}`,
    fix: fix.replace("issue the peer a new certificate", "issue from another authority"),
  };
}
