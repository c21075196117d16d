/**
 * Who may call what as long as the configuration has no `[acl]` section. Pure.
 *
 * - read: any verified peer, and a peer that `observe` or the insecure mode lets pass unverified.
 * - write and admin: nobody. Those need a rule that names the peer, which only `[acl]` can hold.
 *
 * A peer that fails verification in `enforce` mode never gets here: its connection ends before a byte
 * of a request is parsed.
 */
import type { Principal } from "../base/principal.ts";
import type { EndpointKind } from "./endpoint-kind.ts";

type Decision =
  | { readonly allowed: true }
  /** `reason` is a sentence for the peer and the log; it names no other peer and no rule. */
  | { readonly allowed: false; readonly reason: string };

/** A policy answers at once and without side effects, so that a decision can be asked for and logged twice. */
export interface Policy {
  decide(principal: Principal, kind: EndpointKind, endpoint: string): Decision;
}

const ALLOWED: Decision = { allowed: true };

export const defaultPolicy: Policy = {
  decide(principal, kind, endpoint) {
    if (kind === "read") return ALLOWED;
    const peer = principal.verified ? "this peer has" : "an unverified peer never gets";
    return {
      allowed: false,
      reason: `${endpoint} is a ${kind} endpoint and ${peer} no role that may call it`,
    };
  },
};
