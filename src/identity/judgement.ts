/**
 * The decision about a peer. Accepted means: there is a certificate, OpenSSL's whole verdict is good
 * *and* every check of ours passes. It never rests on the absence of one error code. Pure but for
 * OpenSSL's signature arithmetic.
 */
import { bundleWords, explainChain } from "./chain-explanation.ts";
import { type OpensslVerdict, problemOf } from "./openssl-verdict.ts";
import { type CheckContext, findProblems, type Problem } from "./peer-checks.ts";
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
  const problems = problemsOf(evidence);
  return {
    accepted: evidence.certificate !== undefined && evidence.verdict.good && problems.length === 0,
    problems,
  };
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

function problemsOf(evidence: PeerEvidence): Problem[] {
  const { certificate, verdict, sent, bundle, nowMs, role } = evidence;
  if (certificate === undefined) return [noCertificate(role, bundle)];
  const problems = findProblems(certificate, evidence);
  if (verdict.good) return problems;
  problems.push(...explainChain(certificate, sent, bundle, nowMs));
  return problems.length > 0 ? problems : [problemOf(verdict.code)];
}
