/**
 * The decision about a peer. Accepted means: there is a certificate, OpenSSL's whole verdict is good
 * *and* every check of ours passes. It never rests on the absence of one error code. While the clock is
 * known to be wrong, OpenSSL's word on dates gives way to the proven time (`time/doubtful-dates.ts`).
 * Pure but for OpenSSL's signature arithmetic.
 */
import { bundleWords, explainChain } from "./chain-explanation.ts";
import { type OpensslVerdict, problemOf } from "./openssl-verdict.ts";
import { type CheckContext, findProblems, type Problem } from "./peer-checks.ts";
import { judgeDoubtfulDates } from "./time/doubtful-dates.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import type { Certificate } from "./x509/certificate.ts";

export interface PeerEvidence extends CheckContext {
  readonly verdict: OpensslVerdict;
  /** `undefined` when the peer sent none. */
  readonly certificate: Certificate | undefined;
  /** Further certificates that the peer sent; only used to explain. */
  readonly sent: readonly Certificate[];
  readonly bundle: TrustBundle;
}

export interface Judgement {
  readonly accepted: boolean;
  /** Empty exactly when accepted; the first one is the main cause. */
  readonly problems: readonly Problem[];
}

export function judgePeer(evidence: PeerEvidence): Judgement {
  const { certificate, verdict, doubt } = evidence;
  if (certificate === undefined || doubt === undefined) {
    const problems = problemsOf(evidence);
    const accepted = certificate !== undefined && verdict.good && problems.length === 0;
    return { accepted, problems };
  }
  const own = findProblems(certificate, evidence);
  const { excused, problems } = judgeDoubtfulDates({ ...evidence, certificate, doubt }, own);
  const good = verdict.good || excused;
  if (good) return { accepted: problems.length === 0, problems };
  return { accepted: false, problems: explained(evidence, certificate, problems) };
}

/** One sentence: `client certificate expired 3 days ago; it comes from an unknown authority: ...`. */
export function judgementWords(role: "client" | "server", problems: readonly Problem[]): string {
  const [first, ...rest] = problems;
  if (first === undefined) return `${role} certificate is good`;
  if (first.cause === "no-certificate") return first.words;
  return [`${role} certificate ${first.words}`, ...rest.map(({ words }) => `it ${words}`)].join(
    "; ",
  );
}

/**
 * TLS tells a client which authorities count here (RFC 8446 section 4.2.4), and Node gives no way to
 * leave that out. Go's client then keeps a certificate of any other authority to itself, also when
 * only the intermediate is missing: what its developer sees as "unknown authority" arrives as nothing.
 */
function noCertificate(role: PeerEvidence["role"], bundle: TrustBundle): Problem {
  const none = `no ${role} certificate was sent`;
  const fix = `configure the ${role} with a certificate and key that chain to the trust bundle`;
  if (role === "server") return { cause: "no-certificate", words: none, fix };
  return {
    cause: "no-certificate",
    words: `${none}; Go's client keeps back one that does not chain to ${bundleWords(bundle)}`,
    fix: `${fix}; if it has one, compare its issuer with the bundle (unknown authority, mixed CAs), and let it send its intermediates`,
  };
}

function problemsOf(evidence: PeerEvidence): readonly Problem[] {
  const { certificate, verdict, bundle, role } = evidence;
  if (certificate === undefined) return [noCertificate(role, bundle)];
  const problems = findProblems(certificate, evidence);
  return verdict.good ? problems : explained(evidence, certificate, problems);
}

/** A bad verdict in words: ours first, then what is to be seen of the chain, at last OpenSSL's code. */
function explained(
  { verdict, sent, bundle, nowMs }: PeerEvidence,
  certificate: Certificate,
  found: readonly Problem[],
): readonly Problem[] {
  const problems = [...found, ...explainChain(certificate, sent, bundle, nowMs)];
  return problems.length > 0 ? problems : [problemOf(verdict.code)];
}
