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
export function answer(
  config: AgentConfig,
  peer: AskedPeer,
  target: Target,
  nowMs: number,
): Explanation {
  const { principal, refused } = peer;
  const { acl } = config;
  const explained =
    acl === undefined
      ? {
          decision: defaultPolicy.decide(principal, target),
          standing: defaultPolicy.standingOf(principal),
          peerRules: [],
          rights: [],
        }
      : explainAccess(acl, principal, target);
  if (refused === undefined || !enforces(config, nowMs)) return explained;
  const decision: Denied = {
    allowed: false,
    code: "ERR_ACL_UNAUTHENTICATED",
    reason: refused,
    rule: "the TLS check refuses it before any rule is asked",
  };
  return { ...explained, decision };
}

function enforces({ verification, tls }: AgentConfig, nowMs: number): boolean {
  if (verification.inbound === "observe") return nowMs >= (tls.observeUntil ?? 0);
  return verification.inbound === "enforce";
}
