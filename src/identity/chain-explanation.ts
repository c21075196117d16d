/**
 * Explains a chain that OpenSSL refused: where it breaks off, and what stands in the trust bundle
 * instead. It never decides: OpenSSL's verdict does. Bounded in depth, because peers choose the input.
 */
import type { Problem } from "./peer-checks.ts";
import { formatMoment, formatSpan } from "./span-words.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import type { Certificate } from "./x509/certificate.ts";

const MAX_DEPTH = 8;
const MAX_SENT = 8;
/** Names of a bundle written into one sentence. */
const MAX_NAMES = 4;

/** Problems of the chain above `leaf`; empty if none is to be seen. */
export function explainChain(
  leaf: Certificate,
  sent: readonly Certificate[],
  bundle: TrustBundle,
  nowMs: number,
): Problem[] {
  const problems: Problem[] = [];
  let current = leaf;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const anchor = issuerOf(current, bundle);
    const next = anchor ?? issuerOf(current, sent.slice(0, MAX_SENT));
    if (next === undefined || next.summary.fingerprint === current.summary.fingerprint) {
      if (next !== undefined && anchor !== undefined) return problems;
      return [...problems, unknownAuthority(leaf, current, bundle)];
    }
    problems.push(...dateProblems(next, nowMs));
    if (anchor?.selfSigned === true) return problems;
    current = next;
  }
  return problems;
}

/** The names in a bundle, as far as they fit into a sentence. */
export function bundleWords(bundle: TrustBundle): string {
  const names = bundle.slice(0, MAX_NAMES).map(({ summary }) => `"${summary.subject}"`);
  const more = bundle.length > MAX_NAMES ? ` and ${bundle.length - MAX_NAMES} more` : "";
  return `${names.join(", ")}${more}`;
}

function issuerOf(child: Certificate, candidates: readonly Certificate[]): Certificate | undefined {
  return candidates.find(
    ({ x509, publicKey }) => child.x509.checkIssued(x509) && child.x509.verify(publicKey),
  );
}

function dateProblems({ summary }: Certificate, nowMs: number): Problem[] {
  if (nowMs > summary.notAfter) {
    const ago = formatSpan(nowMs - summary.notAfter);
    return [
      {
        cause: "expired",
        words: `was issued by "${summary.subject}", which expired ${ago} ago (${formatMoment(summary.notAfter)})`,
        fix: "renew that authority, put it into the trust bundle and issue again",
      },
    ];
  }
  if (nowMs >= summary.notBefore) return [];
  return [
    {
      cause: "not-yet-valid",
      words: `was issued by "${summary.subject}", which is valid only from ${formatMoment(summary.notBefore)}`,
      fix: "check this machine's clock",
    },
  ];
}

function unknownAuthority(leaf: Certificate, last: Certificate, bundle: TrustBundle): Problem {
  const cause = "unknown-authority";
  if (leaf.selfSigned) {
    return {
      cause,
      words: "is self-signed and not issued by an authority of the trust bundle",
      fix: "issue the peer a certificate from an authority of the trust bundle",
    };
  }
  const issuer = last.summary.issuer;
  const namesake = bundle.some(({ summary }) => summary.subject === issuer);
  if (namesake) {
    return {
      cause,
      words: `comes from an unknown authority: it says "${issuer}", but the authority of that name in the trust bundle has another key (mixed CAs)`,
      fix: "find out which of the two authorities is the present one; put that one into the trust bundle and issue from it",
    };
  }
  return {
    cause,
    words: `comes from an unknown authority: "${issuer}" is not in the trust bundle, which holds ${bundleWords(bundle)}`,
    fix: "add that authority to the trust bundle, or issue from one that is there; if it is an intermediate, let the peer send it with its certificate",
  };
}
