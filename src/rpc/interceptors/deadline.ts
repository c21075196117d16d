/**
 * Refuses calls whose time is already up, before anything is spent on them. That the deadline holds
 * while a handler runs is the connection's job: it owns the timer and the answer.
 */
import { AgentError } from "../../base/errors.ts";
import type { Clock } from "../../host/clock.ts";
import type { Interceptor } from "../interceptor.ts";

/** Refuses with `ERR_RPC_DEADLINE` (408) a call whose deadline has passed. */
export function deadline(clock: Clock): Interceptor {
  return {
    name: "deadline",
    before(call) {
      if (call.deadlineAt === undefined || call.deadlineAt > clock.monotonicMs()) return undefined;
      return new AgentError("ERR_RPC_DEADLINE", "the call's time was up before it began");
    },
  };
}
