/**
 * A candidate against what is in force: is it the same device, and does it lead forward? Pure but for
 * reading what is in force, which was read before.
 */
import { formatMoment, formatSpan } from "../span-words.ts";
import type { TrustBundle } from "../trust-bundle.ts";
import type { Certificate } from "../x509/certificate.ts";
import { spiffeIdFault } from "../x509/spiffe-id.ts";
import type { CandidateContext, Reason } from "./candidate-report.ts";
import type { PathFindings } from "./path-reasons.ts";

export interface InForce {
  readonly leaf: Certificate;
  readonly bundle: TrustBundle;
}

/** The SPIFFE ID of a certificate: its only URI, if that is one. */
export function spiffeIdOf({ names }: Certificate): string | undefined {
  const [uri, ...more] = names.uris;
  return uri !== undefined && more.length === 0 && spiffeIdFault(uri) === undefined
    ? uri
    : undefined;
}

/**
 * Is it this device? What is configured counts; without, what is in force. A device that had no SPIFFE
 * ID may get one; one that had one keeps it, and is called by it: then another common name is only worth
 * a warning.
 */
export function identityFindings(
  leaf: Certificate,
  current: InForce | undefined,
  { expected, policy }: Pick<CandidateContext, "expected" | "policy">,
): PathFindings {
  const called = expected?.spiffeId ?? (current && spiffeIdOf(current.leaf));
  const wanted = [
    {
      what: "SPIFFE ID",
      identity: true,
      configured: expected?.spiffeId,
      inForce: current && spiffeIdOf(current.leaf),
      found: spiffeIdOf(leaf),
    },
    {
      what: "common name",
      identity: called === undefined,
      configured: expected?.commonName,
      inForce: current?.leaf.commonNames[0],
      found: leaf.commonNames[0],
    },
  ];
  const warnings: Reason[] = [];
  const reasons = wanted.flatMap(({ what, identity, configured, inForce, found }) => {
    if (configured !== undefined) {
      if (configured === found) return [];
      const words = `the certificate is for ${quoted(what, found)}, but this device is configured as "${configured}"`;
      return [{ code: "other-identity", words, fix: `issue it with the ${what} "${configured}"` }];
    }
    if (inForce === undefined || inForce === found || policy?.allowOtherIdentity === true)
      return [];
    if (!identity) {
      const words = `the ${what} was "${inForce}" and is now ${quoted(what, found)}; "${called}" stays the device's name`;
      const fix = `see that no rule of a peer goes by the ${what}`;
      warnings.push({ code: "other-common-name", words, fix });
      return [];
    }
    return [
      {
        code: "other-identity",
        words: `the certificate is for ${quoted(what, found)}, but this device is "${inForce}"`,
        fix: `issue it with the ${what} "${inForce}", or insist (--force) if this device is to become another`,
      },
    ];
  });
  return { reasons, warnings };
}

/**
 * Does it lead forward? One that was issued earlier and ends no later is a step back: somebody replays
 * it, or mixed up two files. A shorter life is a warning: fleets go to shorter lifetimes on purpose.
 */
export function ageFindings(
  leaf: Certificate,
  current: InForce | undefined,
  allowOlder: boolean,
): PathFindings {
  if (current === undefined) return { reasons: [], warnings: [] };
  const [now, next] = [current.leaf.summary, leaf.summary];
  if (now.fingerprint === next.fingerprint) return { reasons: [], warnings: [] };
  const sooner = now.notAfter - next.notAfter;
  if (next.notBefore < now.notBefore && sooner >= 0) {
    const reason = {
      code: "older",
      words: `the certificate is older than the one in force: it was issued ${formatMoment(next.notBefore)}, that one ${formatMoment(now.notBefore)}, and it ends no later`,
      fix: "use the newest certificate, or insist (--force) if going back is meant",
    };
    return allowOlder ? { reasons: [], warnings: [reason] } : { reasons: [reason], warnings: [] };
  }
  if (sooner <= 0) return { reasons: [], warnings: [] };
  const words = `the certificate ends ${formatSpan(sooner)} before the one in force (${formatMoment(next.notAfter)})`;
  return {
    reasons: [],
    warnings: [{ code: "shorter-life", words, fix: "check that the shorter life is meant" }],
  };
}

/** What in the trust bundle vouches for nobody. */
export function bundleWarnings(bundle: TrustBundle, atMs: number): Reason[] {
  return bundle.flatMap(({ summary, ca, version }) => {
    const warning = (words: string, fix: string): Reason[] => [
      { code: "bundle", words: `"${summary.subject}" in the trust bundle ${words}`, fix },
    ];
    if (atMs > summary.notAfter) return warning("has expired", "remove it from the bundle");
    return ca || version === 1
      ? []
      : warning("is not an authority's certificate", "remove it from the bundle");
  });
}

/** What peers and callers may miss after the change. */
export function lossWarnings(
  leaf: Certificate,
  bundle: TrustBundle,
  current: InForce | undefined,
): Reason[] {
  if (current === undefined) return [];
  const held = new Set([...leaf.names.dnsNames, ...leaf.names.ipAddresses]);
  const names = [...current.leaf.names.dnsNames, ...current.leaf.names.ipAddresses];
  const lost = names.filter((name) => !held.has(name));
  const kept = new Set(bundle.map(({ summary }) => summary.fingerprint));
  const dropped = current.bundle.filter(({ summary }) => !kept.has(summary.fingerprint));
  return [
    ...(lost.length === 0
      ? []
      : [
          {
            code: "names-dropped",
            words: `the certificate no longer names ${lost.join(", ")}; callers that use it will refuse this device`,
            fix: "issue it with all names, or let the callers use another",
          },
        ]),
    ...(dropped.length === 0
      ? []
      : [
          {
            code: "authority-dropped",
            words: `the trust bundle no longer holds ${dropped.map(({ summary }) => `"${summary.subject}"`).join(", ")}; peers that it issued will be refused`,
            fix: "keep the old authorities in the bundle until the last peer has a certificate of the new ones",
          },
        ]),
  ];
}

function quoted(what: string, value: string | undefined): string {
  return value === undefined ? `no ${what}` : `"${value}"`;
}
