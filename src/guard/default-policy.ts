/**
 * Who may call what as long as the configuration has no `[acl]` section. Pure.
 *
 * - read: any verified peer, and a peer that `observe` or the insecure mode lets pass unverified.
 * - write and admin: nobody. Those need a rule that names the peer, which only `[acl]` can hold.
 *
 * A peer that fails verification in `enforce` mode never gets here: its connection ends before a byte
 * of a request is parsed.
 */
import type { Allowed, Policy } from "./policy.ts";

const ALLOWED: Allowed = { allowed: true, rule: undefined };

export const defaultPolicy: Policy = {
  decide(principal, { kind, endpoint }) {
    if (kind === "read") return ALLOWED;
    const peer = principal.verified ? "this peer has no" : "an unverified peer never gets a";
    const article = kind === "admin" ? "an" : "a";
    return {
      allowed: false,
      code: "ERR_ACL_DENIED",
      reason: `${endpoint} is ${article} ${kind} endpoint and ${peer} role that may call it`,
      rule: "without [acl] peers only read",
    };
  },
  standingOf: ({ roles }) => ({ roles, rules: [] }),
};
