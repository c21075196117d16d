/**
 * Asks the policy whether the peer may call the endpoint. Last in the order: what comes before is
 * cheaper or protects this step.
 */
import { AgentError } from "../../base/errors.ts";
import { type Principal, principalName } from "../../base/principal.ts";
import type { Audit } from "../../guard/audit.ts";
import type { Policy, Standing } from "../../guard/policy.ts";
import type { Call } from "../call.ts";
import type { Interceptor, OpenStream } from "../interceptor.ts";

/**
 * Refuses what the policy does not allow, and has it written down: `ERR_ACL_UNAUTHENTICATED` (401) or
 * `ERR_ACL_DENIED` (403). Open streams are asked about again when the policy changes, and end with the
 * same error.
 */
export function authorize(policy: Policy, audit: Audit | undefined): Interceptor {
  const standingOf = (peer: Principal): Standing => policy.standingOf(peer);
  const judge = (call: Call): AgentError | undefined => {
    const decision = policy.decide(call.peer, call);
    audit?.note(call.peer, call, decision, standingOf);
    if (decision.allowed) return undefined;
    return new AgentError(decision.code, decision.reason, {
      fields: { peer: principalName(call.peer), kind: call.kind },
    });
  };
  const open = new Set<OpenStream>();
  policy.onChange?.(() => {
    for (const stream of [...open]) {
      const refusal = judge(stream);
      if (refusal !== undefined) stream.refuse(refusal);
    }
  });
  return {
    name: "authorize",
    before: judge,
    opened: (stream) => void open.add(stream),
    after: (call) => void open.delete(call as OpenStream),
  };
}
