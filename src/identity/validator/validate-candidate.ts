/**
 * Is this certificate any good? One judgement for imports, pushes and renewals. Accepted means: OpenSSL
 * completes a handshake with the candidate in every role, *and* every check of ours passes on every
 * certificate from leaf to root. All reasons are listed. docs/certificate-validation.md measures it.
 */

import { explainChain } from "../chain-explanation.ts";
import { materialDigest } from "../material-digest.ts";
import { parseTrustBundle, type TrustBundle } from "../trust-bundle.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import type {
  Candidate,
  CandidateContext,
  CandidateReport,
  CandidateRole,
  HandshakeTrial,
  Reason,
} from "./candidate-report.ts";
import {
  ageFindings,
  bundleWarnings,
  type InForce,
  identityFindings,
  lossWarnings,
} from "./continuity.ts";
import { findPaths, type IssuerPath, Issuers } from "./issuer-paths.ts";
import {
  authorityFindings,
  barredReasons,
  leafFindings,
  type PathChecks,
  type PathFindings,
  problemReason,
  unique,
} from "./path-reasons.ts";
import { readCandidate } from "./read-candidate.ts";
import {
  chainPem,
  chainsAlone,
  type JudgedMoment,
  type TrialCase,
  trialReasons,
} from "./trial-judgement.ts";

const BOTH: readonly CandidateRole[] = ["server", "client"];
const MAX_INTERMEDIATES = 8;
/** Ways of issuers that are tried; each costs a handshake or two. */
const MAX_TRIALS = 4;

const STRANGER = "unknown-authority";

/** One way of issuers with everything found about it. */
interface Judged extends PathFindings {
  readonly sent: TrialCase["sent"];
  /** OpenSSL's. */
  readonly verdicts: readonly Reason[];
}

/**
 * Judges a candidate. Never rejects because of what is in it: whatever is wrong with it is a reason.
 *
 * @param trial How OpenSSL is asked; see `transport/handshake-trial.ts`.
 */
export async function validateCandidate(
  candidate: Candidate,
  context: CandidateContext,
  trial: HandshakeTrial,
): Promise<CandidateReport> {
  const { leaf, others, bundle, reasons: unread } = readCandidate(candidate);
  if (leaf === undefined || bundle.length === 0) {
    return { reasons: unread, warnings: [], leaf, material: undefined };
  }
  const roles = context.roles ?? BOTH;
  const { inForce, warnings: lost } = readInForce(context);
  const issuers = new Issuers([leaf, ...others, ...bundle, ...(inForce?.bundle ?? [])]);
  const moment = await momentOf(leaf, inForce, issuers, roles, context, trial);
  const checks: PathChecks = {
    atMs: moment.atMs,
    roles,
    hosts: context.expected?.hosts ?? [],
    maxIntermediates: context.maxIntermediates ?? MAX_INTERMEDIATES,
    strictProfile: context.policy?.strictProfile ?? false,
  };
  const given = { candidate, context, roles, bundle, issuers, moment };
  const judged = await judgeWays(leaf, others, given, checks, trial);
  const own = leafFindings(leaf, checks);
  const age = ageFindings(leaf, inForce, context.policy?.allowOlder ?? false);
  const identity = identityFindings(leaf, inForce, context);
  const found = [...unread, ...own.reasons, ...judged.reasons, ...age.reasons, ...identity.reasons];
  const reasons = unique([...found, ...unsaid(judged.verdicts, found)]);
  const warnings = unique([
    ...lost,
    ...bundleWarnings(bundle, moment.atMs),
    ...own.warnings,
    ...judged.warnings,
    ...age.warnings,
    ...identity.warnings,
    ...momentWarnings(leaf, moment, context),
    ...lossWarnings(leaf, bundle, inForce),
  ]);
  const accepted = reasons.length === 0;
  return {
    reasons,
    warnings,
    leaf,
    material: accepted ? materialOf(candidate, judged.sent, bundle) : undefined,
  };
}

/** The best of the ways from the leaf to a root: the first without a reason against it. */
async function judgeWays(
  leaf: Certificate,
  others: readonly Certificate[],
  given: Omit<TrialCase, "sent">,
  checks: PathChecks,
  trial: HandshakeTrial,
): Promise<Judged> {
  const ways = findPaths(leaf, given.bundle, given.issuers)
    .map((path) => ({ path, found: authorityFindings(path, checks) }))
    .sort((a, b) => a.found.reasons.length - b.found.reasons.length)
    .slice(0, MAX_TRIALS);
  let best: Judged | undefined;
  for (const { path, found } of ways) {
    const sent = whatToSend(path, others);
    const verdicts = await trialReasons({ ...given, sent }, trial);
    const judged = {
      ...found,
      sent,
      verdicts,
      warnings: [...found.warnings, ...extra(path, others)],
    };
    if (countOf(judged) === 0) return judged;
    if (best === undefined || countOf(judged) < countOf(best)) best = judged;
  }
  if (best !== undefined) return best;
  const sent = [leaf, ...others] as const;
  const barred = barredReasons(sent, given.issuers);
  const broken = explainChain(leaf, others, given.bundle, checks.atMs).map(problemReason);
  return {
    sent,
    verdicts: await trialReasons({ ...given, sent }, trial),
    // An authority that may not sign looks like a stranger of the same name; it is not.
    reasons: [...barred, ...broken.filter(({ code }) => barred.length === 0 || code !== STRANGER)],
    warnings: [],
  };
}

function countOf({ reasons, verdicts }: Judged): number {
  return reasons.length + verdicts.length;
}

/** Leaf and intermediates that came with it; roots and what is in the bundle anyway stay at home. */
function whatToSend(path: IssuerPath, others: readonly Certificate[]): TrialCase["sent"] {
  const [leaf, ...above] = path;
  const came = fingerprints(others);
  const isSent = ({ selfSigned, summary }: Certificate): boolean =>
    !selfSigned && came.has(summary.fingerprint);
  return [leaf, ...above.filter(isSent)];
}

/** Certificates that came along and lead nowhere. */
function extra(path: IssuerPath, others: readonly Certificate[]): Reason[] {
  const used = fingerprints(path);
  const unused = others.filter(
    ({ selfSigned, summary }) => !selfSigned && !used.has(summary.fingerprint),
  );
  if (unused.length === 0) return [];
  const names = unused.map(({ summary }) => `"${summary.subject}"`).join(", ");
  const words = `the chain holds certificates that it does not need and that are left out: ${names}`;
  return [{ code: "chain-extra", words, fix: "import the leaf and its intermediates only" }];
}

function fingerprints(certificates: readonly Certificate[]): ReadonlySet<string> {
  return new Set(certificates.map(({ summary }) => summary.fingerprint));
}

async function momentOf(
  leaf: Certificate,
  inForce: InForce | undefined,
  issuers: Issuers,
  roles: readonly CandidateRole[],
  { time, policy }: CandidateContext,
  trial: HandshakeTrial,
): Promise<JudgedMoment> {
  // Certificates count in whole seconds, and the last one belongs to them (RFC 5280 section 4.1.2.5).
  const nowMs = Math.floor(time.nowMs / 1000) * 1000;
  const { notBefore, notAfter } = leaf.summary;
  const late = nowMs - notAfter;
  if (late > 0) {
    const grace = late <= (policy?.expiryGraceMs ?? 0);
    return { atMs: grace ? notAfter : nowMs, early: false, grace };
  }
  const moment = { atMs: nowMs, early: false, grace: false };
  if (policy?.tolerateNotYetValid !== true || !time.clockWrong || inForce === undefined)
    return moment;
  // The true time is later than ours; the first moment that it can be is when the certificate begins.
  const atMs = Math.max(nowMs, notBefore);
  const vouched = await chainsAlone(leaf, inForce.bundle, issuers, roles, atMs, trial);
  return vouched ? { atMs, early: true, grace: false } : moment;
}

function momentWarnings(
  leaf: Certificate,
  { early, grace }: JudgedMoment,
  { time }: CandidateContext,
): Reason[] {
  if (grace) {
    const words = "the certificate has expired and is used only by the grace of the configuration";
    return [{ code: "expired", words, fix: "renew it" }];
  }
  if (!early || time.nowMs >= leaf.summary.notBefore) return [];
  const words =
    "the certificate's time has not come by this machine's clock, which is known to be wrong";
  return [{ code: "not-yet-valid", words, fix: "set the clock" }];
}

/** What is in force may be damaged: that must not keep a good candidate out. */
function readInForce({ current }: CandidateContext): {
  inForce: InForce | undefined;
  warnings: readonly Reason[];
} {
  if (current === undefined) return { inForce: undefined, warnings: [] };
  try {
    const leaf = parseCertificate(current.chainPem);
    return { inForce: { leaf, bundle: parseTrustBundle(current.trustBundlePem) }, warnings: [] };
  } catch {
    const words = "what is in force can't be read, so the candidate could not be compared with it";
    const fix = "check that the certificate is for this device";
    return { inForce: undefined, warnings: [{ code: "current-unreadable", words, fix }] };
  }
}

function materialOf(candidate: Candidate, sent: readonly Certificate[], bundle: TrustBundle) {
  const texts = { chainPem: chainPem(sent), trustBundlePem: chainPem(bundle) };
  return { ...texts, key: candidate.tlsKey, digest: materialDigest(texts) };
}

/** OpenSSL's short verdicts, but for those where a check of ours has said the same at length. */
function unsaid(verdicts: readonly Reason[], own: readonly Reason[]): Reason[] {
  const said = new Set(own.map(({ code }) => code.replace(/^authority-/, "")));
  return verdicts.filter(({ code }) => !said.has(code));
}
