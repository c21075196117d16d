/**
 * Who may call this agent: the policy in force, replaced on reload, and the audit log of its decisions.
 */
import type { Logger } from "../base/log.ts";
import { findIdlePatterns } from "../guard/acl-coverage.ts";
import { AclPolicy } from "../guard/acl-policy.ts";
import type { AclRules } from "../guard/acl-rules.ts";
import { AuditLog } from "../guard/audit.ts";
import { defaultPolicy } from "../guard/default-policy.ts";
import type { Target } from "../guard/policy.ts";
import { PolicyInForce } from "../guard/policy-in-force.ts";
import type { Clock } from "../host/clock.ts";

export interface AccessParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** What is served, once handler modules are loaded. */
  served(): readonly Target[];
}

export class Access implements Disposable {
  readonly policy: PolicyInForce;
  readonly audit: AuditLog;
  readonly #parts: AccessParts;
  #rules: AclRules | undefined;
  /** The rules in force as text: a reload that changes nothing forgets nothing. */
  #text: string;

  constructor(rules: AclRules | undefined, parts: AccessParts) {
    this.#parts = parts;
    this.#rules = rules;
    this.#text = JSON.stringify(rules) ?? "";
    this.policy = new PolicyInForce(policyOf(rules));
    this.audit = new AuditLog(parts);
  }

  /** Says what is in force and what in it deserves a look. Call when everything served is known. */
  announce(): void {
    const { log, served } = this.#parts;
    if (this.#rules === undefined) return;
    const { peers, roles, trustDomains } = this.#rules;
    log.emit("audit.policy", {
      section: "acl",
      peers: peers.length,
      roles: roles.length,
      trust_domains: trustDomains.length + 1,
    });
    for (const { roleIndex, role, pattern, words } of findIdlePatterns(this.#rules, served())) {
      const reason = `role ${JSON.stringify(role)}: ${pattern} ${words}`;
      log.emit("config.warning", { key: `acl.role[${roleIndex}].allow`, reason });
    }
  }

  /** Puts checked rules in force; the next call on every open connection is decided by them. */
  replace(rules: AclRules | undefined): void {
    const text = JSON.stringify(rules) ?? "";
    if (text === this.#text) return;
    this.#text = text;
    this.#rules = rules;
    this.audit.policyChanged();
    this.policy.replace(policyOf(rules));
    if (rules === undefined) this.#parts.log.emit("audit.policy", { section: "none: read only" });
    this.announce();
  }

  [Symbol.dispose](): void {
    this.audit[Symbol.dispose]();
  }
}

function policyOf(rules: AclRules | undefined) {
  return rules === undefined ? defaultPolicy : new AclPolicy(rules);
}
