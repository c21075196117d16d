/**
 * What a policy is: it says whether a peer may call an endpoint, at once and without side effects, so
 * that a decision can be asked for and written down separately.
 */
import type { Principal } from "../base/principal.ts";
import type { EndpointKind } from "./endpoint-kind.ts";

/** What somebody wants to call. A call is one. */
export interface Target {
  /** Service name as registered here. */
  readonly service: string;
  /** `Handler.Method`. */
  readonly endpoint: string;
  readonly kind: EndpointKind;
}

export interface Allowed {
  readonly allowed: true;
  /** The rule that decided, for the audit log; never sent to a peer. `undefined`: there are no rules. */
  readonly rule: string | undefined;
}

export interface Denied {
  readonly allowed: false;
  readonly code: "ERR_ACL_UNAUTHENTICATED" | "ERR_ACL_DENIED";
  /** A sentence for the peer and the log; it names no other peer and no rule. */
  readonly reason: string;
  /** Why, for the audit log; never sent to a peer. */
  readonly rule: string;
}

export type Decision = Allowed | Denied;

/** How a policy sees a peer; for the audit log. */
export interface Standing {
  /** Sorted. */
  readonly roles: readonly string[];
  /** The peer rules that gave the roles, sorted. */
  readonly rules: readonly string[];
}

export interface Policy {
  /** The same question gets the same object while the policy stands. Never throws. */
  decide(principal: Principal, target: Target): Decision;
  standingOf(principal: Principal): Standing;
  /** Calls `listener` whenever decisions may be others than before; a policy without it never changes. */
  onChange?(listener: () => void): void;
}

/** `service/Handler.Method`, as rules and logs write it. */
export function targetName({ service, endpoint }: Pick<Target, "service" | "endpoint">): string {
  return `${service}/${endpoint}`;
}
