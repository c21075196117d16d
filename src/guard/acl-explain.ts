/**
 * Why a policy decides as it does: the decision itself comes from the policy that serves calls; each
 * rule is then looked at alone, for people. Pure. Never sent to a peer.
 */
import type { Principal } from "../base/principal.ts";
import type { EndpointPattern } from "./acl-pattern.ts";
import { PeerIndex } from "./acl-peers.ts";
import { AclPolicy } from "./acl-policy.ts";
import { compileRole, givesKind, type Role } from "./acl-role.ts";
import { type AclRules, formatPeerRule, type PeerRule } from "./acl-rules.ts";
import type { Decision, Standing, Target } from "./policy.ts";

export interface PeerNote {
  readonly rule: string;
  readonly roles: readonly string[];
  readonly matches: boolean;
  readonly why: string;
}

export interface RightNote {
  readonly role: string;
  readonly pattern: string;
  /** The peer has the role. */
  readonly held: boolean;
  /** Role held or not, the pattern allows the call. */
  readonly allows: boolean;
  readonly why: string;
}

export interface Explanation {
  readonly decision: Decision;
  readonly standing: Standing;
  /** In the order of the configuration. */
  readonly peerRules: readonly PeerNote[];
  /** By role in the order of the configuration. */
  readonly rights: readonly RightNote[];
}

export function explainAccess(rules: AclRules, principal: Principal, target: Target): Explanation {
  const policy = new AclPolicy(rules);
  const standing = policy.standingOf(principal);
  return {
    decision: policy.decide(principal, target),
    standing,
    peerRules: rules.peers.map((rule) => notePeer(rules, rule, principal)),
    rights: rules.roles.flatMap((rule) => {
      const role = compileRole(rule);
      const held = standing.roles.includes(role.name);
      return role.patterns.map((pattern) => noteRight(role, pattern, held, target));
    }),
  };
}

function notePeer(rules: AclRules, rule: PeerRule, principal: Principal): PeerNote {
  const alone = new PeerIndex({ ...rules, peers: [rule] }).standingOf(principal);
  const matches = alone.rules.length > 0;
  const why = matches ? `gives ${[...rule.roles].sort().join(", ")}` : whyNot(rule, principal);
  return { rule: formatPeerRule(rule), roles: rule.roles, matches, why };
}

function whyNot(rule: PeerRule, principal: Principal): string {
  const { cn, spiffeId, dnsNames, certificate, verified } = principal;
  if (!verified) return "the peer is not verified, so its names count for nothing";
  const elsewhere = "another trust domain vouches for the peer";
  if (rule.cn !== undefined) {
    if (rule.cn === cn) return elsewhere;
    return cn === "" ? "the peer has no CN" : `the peer's CN is ${JSON.stringify(cn)}`;
  }
  if (rule.dns !== undefined) {
    const names = dnsNames.map((name) => name.toLowerCase());
    if (names.includes(rule.dns)) return elsewhere;
    return names.length === 0 ? "the peer has no DNS name" : `it has ${names.join(", ")}`;
  }
  if (rule.sha256 !== undefined) {
    return certificate === undefined ? "the fingerprint is not known" : "another fingerprint";
  }
  if (spiffeId === undefined) return "the peer has no SPIFFE ID";
  const wanted = rule.spiffe ?? "";
  const fits = wanted.endsWith("/*")
    ? spiffeId.startsWith(wanted.slice(0, -1))
    : spiffeId === wanted;
  return fits ? elsewhere : `the peer's ID is ${spiffeId}`;
}

function noteRight(role: Role, pattern: EndpointPattern, held: boolean, target: Target): RightNote {
  const matches = pattern.matches(target);
  const allows = matches && givesKind(role, pattern, target.kind);
  const note = { role: role.name, pattern: pattern.text, held, allows };
  if (!matches) return { ...note, why: "does not match" };
  if (allows)
    return { ...note, why: held ? "allows it" : "would allow it; the peer lacks the role" };
  const gives = role.kinds?.join(", ") ?? "read, as it has a *; see kinds";
  return { ...note, why: `matches, but the endpoint is ${target.kind} and this gives ${gives}` };
}
