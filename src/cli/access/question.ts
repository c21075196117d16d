/**
 * One question about access, answered as the agent would answer it: the TLS check first, then the
 * policy of the configuration.
 */
import type { AgentConfig } from "../../agent/config.ts";
import { type Explanation, explainAccess } from "../../guard/acl-explain.ts";
import { defaultPolicy } from "../../guard/default-policy.ts";
import type { Denied, Target } from "../../guard/policy.ts";
import type { AskedPeer } from "./peer.ts";

/** @param peer Let in unverified where `tls.verify = "observe"` does so. */
export function answer(config: AgentConfig, peer: AskedPeer, target: Target): Explanation {
  const { principal, refused } = peer;
  const { acl, verification } = config;
  const explained =
    acl === undefined
      ? {
          decision: defaultPolicy.decide(principal, target),
          standing: defaultPolicy.standingOf(principal),
          peerRules: [],
          rights: [],
        }
      : explainAccess(acl, principal, target);
  if (refused === undefined || verification.inbound !== "enforce") return explained;
  const decision: Denied = {
    allowed: false,
    code: "ERR_ACL_UNAUTHENTICATED",
    reason: refused,
    rule: "the TLS check refuses it before any rule is asked",
  };
  return { ...explained, decision };
}
