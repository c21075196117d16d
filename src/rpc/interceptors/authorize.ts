/**
 * Asks the policy whether the peer may call the endpoint. Last in the order: what comes before is
 * cheaper or protects this step.
 */
import { AgentError } from "../../base/errors.ts";
import { principalName } from "../../base/principal.ts";
import type { Policy } from "../../guard/policy.ts";
import type { Interceptor } from "../interceptor.ts";

/** Refuses what the policy does not allow: `ERR_ACL_UNAUTHENTICATED` (401) or `ERR_ACL_DENIED` (403). */
export function authorize(policy: Policy): Interceptor {
  return {
    name: "authorize",
    before(call) {
      const decision = policy.decide(call.peer, call);
      if (decision.allowed) return undefined;
      return new AgentError(decision.code, decision.reason, {
        fields: { peer: principalName(call.peer), kind: call.kind },
      });
    },
  };
}
