/**
 * What one role lets its holders call. Pure.
 */
import { UNVERIFIED_ROLE } from "../base/principal.ts";
import { type EndpointPattern, parsePattern } from "./acl-pattern.ts";
import type { RoleRule } from "./acl-rules.ts";
import type { EndpointKind } from "./endpoint-kind.ts";
import type { Target } from "./policy.ts";

export interface Role {
  readonly name: string;
  /** Those without `*` first, then by text: which one is named as the deciding one is no accident. */
  readonly patterns: readonly EndpointPattern[];
  readonly kinds: readonly EndpointKind[] | undefined;
}

export function compileRole({ name, allow, kinds }: RoleRule): Role {
  const patterns = [...new Set(allow)].map(parsePattern);
  patterns.sort((a, b) => Number(b.exact) - Number(a.exact) || (a.text < b.text ? -1 : 1));
  return { name, patterns, kinds };
}

/** Whether `role` gives endpoints of `kind` to what `pattern` matches. */
export function givesKind(role: Role, pattern: EndpointPattern, kind: EndpointKind): boolean {
  // whoever passed no check reads at most, whatever the configuration says
  if (role.name === UNVERIFIED_ROLE && kind !== "read") return false;
  if (role.kinds !== undefined) return role.kinds.includes(kind);
  return pattern.exact || kind === "read";
}

/** The first pattern of the role that allows the call. */
export function allowingPattern(role: Role, target: Target): EndpointPattern | undefined {
  return role.patterns.find(
    (pattern) => givesKind(role, pattern, target.kind) && pattern.matches(target),
  );
}

/** A right in one line: `role "reader" allows microedge/Debug.*`. */
export function formatRight(role: Role, pattern: EndpointPattern): string {
  const kinds = role.kinds === undefined ? "" : ` (${role.kinds.join(", ")})`;
  return `role ${JSON.stringify(role.name)} allows ${pattern.text}${kinds}`;
}
