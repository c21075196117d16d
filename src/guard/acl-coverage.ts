/**
 * Which patterns of a policy give nothing on this device: they match no endpoint that is served, or
 * only endpoints of kinds that the role does not give. Pure.
 */
import { compileRole, givesKind } from "./acl-role.ts";
import type { AclRules } from "./acl-rules.ts";
import type { Target } from "./policy.ts";

export interface IdlePattern {
  /** Position in the configuration, from 0. */
  readonly roleIndex: number;
  readonly role: string;
  readonly pattern: string;
  /** What is the matter, as the rest of a sentence that begins with the pattern. */
  readonly words: string;
}

export function findIdlePatterns(rules: AclRules, served: readonly Target[]): IdlePattern[] {
  return rules.roles.flatMap((rule, roleIndex) => {
    const role = compileRole(rule);
    return role.patterns.flatMap((pattern) => {
      const matched = served.filter((target) => pattern.matches(target));
      if (matched.some(({ kind }) => givesKind(role, pattern, kind))) return [];
      const kinds = [...new Set(matched.map(({ kind }) => kind))].sort().join(" and ");
      const words =
        matched.length === 0
          ? "matches no endpoint that is served"
          : `matches only ${kinds} endpoints, which the role does not give; see kinds`;
      return [{ roleIndex, role: rule.name, pattern: pattern.text, words }];
    });
  });
}
