/**
 * Places an accepted client in trust domains. One that can't be placed is not accepted: nobody would
 * know who vouched for its names.
 */
import { placeLeaf, type TrustDomain, unplacedProblem } from "../identity/trust-domain.ts";
import type { JudgedPeer } from "./peer-certificates.ts";

export interface PlacedPeer extends JudgedPeer {
  /** Empty when not accepted. */
  readonly trustDomains: readonly string[];
}

export function placePeer(
  judged: JudgedPeer,
  domains: readonly TrustDomain[],
  nowMs: number,
): PlacedPeer {
  const { accepted, certificate } = judged;
  if (!accepted || certificate === undefined) return { ...judged, trustDomains: [] };
  const trustDomains = placeLeaf(certificate, domains, nowMs);
  if (trustDomains.length > 0) return { ...judged, trustDomains };
  return { accepted: false, certificate, problems: [unplacedProblem(certificate)], trustDomains };
}
