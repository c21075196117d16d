/**
 * Asks the policy whether the peer may call the endpoint. Last in the order: what comes before is
 * cheaper or protects this step.
 */
import { AgentError } from "../../base/errors.ts";
import { type Principal, principalName } from "../../base/principal.ts";
import type { Audit } from "../../guard/audit.ts";
import type { Policy, Standing } from "../../guard/policy.ts";
import type { Interceptor } from "../interceptor.ts";

/** Refuses what the policy does not allow, and has it written down: `ERR_ACL_UNAUTHENTICATED` (401) or `ERR_ACL_DENIED` (403). */
export function authorize(policy: Policy, audit: Audit | undefined): Interceptor {
  const standingOf = (peer: Principal): Standing => policy.standingOf(peer);
  return {
    name: "authorize",
    before(call) {
      const decision = policy.decide(call.peer, call);
      audit?.note(call.peer, call, decision, standingOf);
      if (decision.allowed) return undefined;
      return new AgentError(decision.code, decision.reason, {
        fields: { peer: principalName(call.peer), kind: call.kind },
      });
    },
  };
}
