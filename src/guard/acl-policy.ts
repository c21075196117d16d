/**
 * The policy of an `[acl]` section: what no rule allows is denied.
 *
 * A peer is matched with the rules once per connection and policy; peers with the same roles share one
 * table of decisions, so a call costs three look-ups. Both are bounded: when a table is full, decisions
 * are made afresh, and are the same.
 */
import type { Principal } from "../base/principal.ts";
import { PeerIndex } from "./acl-peers.ts";
import { allowingPattern, compileRole, formatRight, type Role } from "./acl-role.ts";
import type { AclRules } from "./acl-rules.ts";
import type { Decision, Policy, Standing, Target } from "./policy.ts";

/** Endpoints decided per set of roles; a device serves some dozens. */
const MAX_ENDPOINTS = 1_024;
/** Sets of roles kept; each union of roles that a peer has makes one. */
const MAX_ROLE_SETS = 256;

export class AclPolicy implements Policy {
  readonly rules: AclRules;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #index: PeerIndex;
  readonly #roleSets = new Map<string, RoleSet>();
  readonly #peers = new WeakMap<Principal, { standing: Standing; roleSet: RoleSet }>();

  /** @param rules Checked: patterns without fault, roles that exist. */
  constructor(rules: AclRules) {
    this.rules = rules;
    this.#roles = new Map(rules.roles.map((rule) => [rule.name, compileRole(rule)]));
    this.#index = new PeerIndex(rules);
  }

  decide(principal: Principal, target: Target): Decision {
    return (this.#peers.get(principal) ?? this.#meet(principal)).roleSet.decide(target);
  }

  standingOf(principal: Principal): Standing {
    return (this.#peers.get(principal) ?? this.#meet(principal)).standing;
  }

  #meet(principal: Principal) {
    const standing = this.#index.standingOf(principal);
    const known = standing.roles.flatMap((name) => this.#roles.get(name) ?? []);
    // a role name has no space in it
    const key = `${principal.verified} ${known.map(({ name }) => name).join(" ")}`;
    let roleSet = this.#roleSets.get(key);
    if (roleSet === undefined) {
      roleSet = new RoleSet(principal.verified, known);
      if (this.#roleSets.size < MAX_ROLE_SETS) this.#roleSets.set(key, roleSet);
    }
    const met = { standing, roleSet };
    this.#peers.set(principal, met);
    return met;
  }
}

/** What the holders of exactly these roles may call. */
class RoleSet {
  readonly #verified: boolean;
  readonly #roles: readonly Role[];
  readonly #services = new Map<string, Map<string, { decision: Decision; kind: string }>>();
  #size = 0;

  constructor(verified: boolean, roles: readonly Role[]) {
    this.#verified = verified;
    this.#roles = roles;
  }

  decide(target: Target): Decision {
    const known = this.#services.get(target.service)?.get(target.endpoint);
    if (known !== undefined && known.kind === target.kind) return known.decision;
    const decision = this.#judge(target);
    if (known !== undefined || this.#size < MAX_ENDPOINTS) this.#keep(target, decision);
    return decision;
  }

  #keep({ service, endpoint, kind }: Target, decision: Decision): void {
    let endpoints = this.#services.get(service);
    if (endpoints === undefined) {
      endpoints = new Map();
      this.#services.set(service, endpoints);
    }
    if (!endpoints.has(endpoint)) this.#size += 1;
    endpoints.set(endpoint, { decision, kind });
  }

  #judge(target: Target): Decision {
    for (const role of this.#roles) {
      const pattern = allowingPattern(role, target);
      if (pattern !== undefined) return { allowed: true, rule: formatRight(role, pattern) };
    }
    return refusal(this.#verified, this.#roles.length, target.endpoint);
  }
}

/** The same words whatever the rules are: a peer learns that it may not, not who may. */
export function refusal(verified: boolean, roles: number, endpoint: string): Decision {
  if (!verified) {
    return {
      allowed: false,
      code: "ERR_ACL_UNAUTHENTICATED",
      reason: `${endpoint} needs a client certificate that passes verification, and this connection has none`,
      rule: roles === 0 ? "the peer is not verified" : 'role "unverified" does not allow it',
    };
  }
  return {
    allowed: false,
    code: "ERR_ACL_DENIED",
    reason:
      roles === 0
        ? `${endpoint} needs a role, and this peer has none here`
        : `${endpoint} needs a role that this peer does not have`,
    rule: roles === 0 ? "no rule gives the peer a role" : "no role of the peer allows it",
  };
}
