/**
 * The rules of an `[acl]` section as the configuration gives them, already checked. Pure.
 *
 * The order of rules means nothing: a peer has the roles of every rule that names it, and may call what
 * any of its roles allows. No rule takes a right away.
 */
import type { EndpointKind } from "./endpoint-kind.ts";

/** Exactly one of `cn`, `spiffe`, `dns` and `sha256` is set. */
export interface PeerRule {
  /** The whole common name. */
  readonly cn?: string | undefined;
  /** A SPIFFE ID, or one with `/*` at its end, which stands for one or more further segments. */
  readonly spiffe?: string | undefined;
  /** A DNS name among the alternative names, lower case. */
  readonly dns?: string | undefined;
  /** Fingerprint of the leaf, 64 hexadecimal digits in lower case. */
  readonly sha256?: string | undefined;
  /** For `cn` and `dns`: who must have vouched for the name; `undefined` is the domain of `tls.ca`. */
  readonly trustDomain?: string | undefined;
  readonly roles: readonly string[];
}

export interface RoleRule {
  readonly name: string;
  /** Patterns, see `acl-pattern.ts`. */
  readonly allow: readonly string[];
  /**
   * Kinds of endpoints that the patterns give; `undefined`: a pattern without `*` gives the endpoint
   * that it names whatever its kind, one with `*` only read endpoints.
   */
  readonly kinds?: readonly EndpointKind[] | undefined;
}

export interface AclRules {
  /** Name of the domain of `tls.ca`; `undefined`: it owns every SPIFFE ID that no other domain owns. */
  readonly ownTrustDomain: string | undefined;
  /** Names of the further trust domains, each with a bundle of its own. */
  readonly trustDomains: readonly string[];
  readonly peers: readonly PeerRule[];
  readonly roles: readonly RoleRule[];
}

/** How a principal's placement names the domain of `tls.ca`. */
export const OWN_DOMAIN = "";

/** The key under which a domain stands in a principal's placement; `undefined`: no bundle owns it. */
export function placementKey(rules: AclRules, trustDomain: string): string | undefined {
  if (trustDomain === rules.ownTrustDomain) return OWN_DOMAIN;
  if (rules.trustDomains.includes(trustDomain)) return trustDomain;
  return undefined;
}

/** The placement that a SPIFFE ID (or pattern) needs; `undefined`: no bundle owns its trust domain. */
export function spiffeOwner(rules: AclRules, id: string): string | undefined {
  const trustDomain = id.slice("spiffe://".length).split("/")[0] ?? "";
  const owner = placementKey(rules, trustDomain);
  return owner ?? (rules.ownTrustDomain === undefined ? OWN_DOMAIN : undefined);
}

/** A rule in one line: `cn "backend"`, `cn "backend" of partner.org`. */
export function formatPeerRule(rule: PeerRule): string {
  const of = rule.trustDomain === undefined ? "" : ` of ${rule.trustDomain}`;
  if (rule.cn !== undefined) return `cn ${JSON.stringify(rule.cn)}${of}`;
  if (rule.dns !== undefined) return `dns ${rule.dns}${of}`;
  if (rule.spiffe !== undefined) return rule.spiffe;
  return `sha256 ${rule.sha256 ?? ""}`;
}
