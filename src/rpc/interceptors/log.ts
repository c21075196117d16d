/**
 * One debug line per call, never with a body. First in the order, so that refused calls are seen too.
 */
import type { Logger } from "../../base/log.ts";
import type { Interceptor } from "../interceptor.ts";

/** @param log Says whether calls are logged at all: the log of a call is made when it is first used. */
export function logCalls(log: Logger): Interceptor {
  return {
    name: "log",
    after(call, outcome) {
      if (!log.enabled("debug")) return;
      call.log.emit("rpc.call", {
        call_id: call.id === "" ? undefined : call.id,
        stream: call.stream ? true : undefined,
        status: outcome.status,
        code: outcome.code,
        duration_ms: Math.round(outcome.durationMs * 1000) / 1000,
        request_bytes: outcome.requestBytes,
        reply_bytes: outcome.replyBytes,
      });
    },
  };
}
