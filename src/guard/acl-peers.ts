/**
 * From a principal to its roles: every peer rule under the one key that it can match by, so that a
 * peer is looked up by its own names and never compared with every rule. Pure.
 */
import { type Principal, UNVERIFIED_ROLE } from "../base/principal.ts";
import {
  type AclRules,
  formatPeerRule,
  OWN_DOMAIN,
  type PeerRule,
  placementKey,
  spiffeOwner,
} from "./acl-rules.ts";
import type { Standing } from "./policy.ts";

interface Entry {
  readonly rule: string;
  readonly roles: readonly string[];
}

export class PeerIndex {
  readonly #rules: AclRules;
  readonly #entries = new Map<string, Entry[]>();

  constructor(rules: AclRules) {
    this.#rules = rules;
    for (const peer of rules.peers) {
      const key = keyOf(rules, peer);
      // a rule whose trust domain has no bundle can name nobody
      if (key === undefined) continue;
      const entries = this.#entries.get(key) ?? [];
      this.#entries.set(key, entries);
      entries.push({ rule: formatPeerRule(peer), roles: peer.roles });
    }
  }

  standingOf(principal: Principal): Standing {
    if (!principal.verified) return { roles: [UNVERIFIED_ROLE], rules: [] };
    const found = this.#keysOf(principal).flatMap((key) => this.#entries.get(key) ?? []);
    return {
      roles: [...new Set(found.flatMap(({ roles }) => roles))].sort(),
      rules: [...new Set(found.map(({ rule }) => rule))].sort(),
    };
  }

  /** Every key by which a rule could name this peer. */
  #keysOf({ cn, spiffeId, dnsNames, certificate, trustDomains }: Principal): string[] {
    // who could not be placed is nobody, also by its fingerprint
    if (trustDomains.length === 0) return [];
    const keys = trustDomains.flatMap((domain) => [
      ...(cn === "" ? [] : [nameKey("cn", domain, cn)]),
      ...dnsNames.map((name) => nameKey("dns", domain, name.toLowerCase())),
    ]);
    if (certificate !== undefined) keys.push(`sha256 ${certificate.fingerprint}`);
    if (spiffeId === undefined) return keys;
    const owner = spiffeOwner(this.#rules, spiffeId);
    if (owner === undefined || !trustDomains.includes(owner)) return keys;
    keys.push(`spiffe ${spiffeId}`);
    const firstSlash = spiffeId.indexOf("/", "spiffe://".length);
    if (firstSlash === -1) return keys;
    for (
      let at = spiffeId.lastIndexOf("/");
      at >= firstSlash;
      at = spiffeId.lastIndexOf("/", at - 1)
    ) {
      keys.push(`spiffe ${spiffeId.slice(0, at)}/*`);
    }
    return keys;
  }
}

function keyOf(rules: AclRules, { cn, dns, spiffe, sha256, trustDomain }: PeerRule) {
  if (sha256 !== undefined) return `sha256 ${sha256}`;
  if (spiffe !== undefined) return `spiffe ${spiffe}`;
  const domain = trustDomain === undefined ? OWN_DOMAIN : placementKey(rules, trustDomain);
  if (domain === undefined) return undefined;
  if (cn !== undefined) return nameKey("cn", domain, cn);
  return dns === undefined ? undefined : nameKey("dns", domain, dns);
}

/** No trust domain has a space in it, so no name can pass for another's. */
function nameKey(by: "cn" | "dns", domain: string, name: string): string {
  return `${by} ${domain} ${name}`;
}
