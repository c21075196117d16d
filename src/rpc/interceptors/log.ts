/**
 * One debug line per call, never with a body. First in the order, so that refused calls are seen too.
 */
import type { Interceptor } from "../interceptor.ts";

export function logCalls(): Interceptor {
  return {
    name: "log",
    after(call, outcome) {
      if (!call.log.enabled("debug")) return;
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
