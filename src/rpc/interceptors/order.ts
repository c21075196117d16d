/**
 * The one order of interceptors: log, deadline, shed, rate limit, authorize. Log sees everything; a
 * call without time left costs nothing more; a flood is cut before decisions are made about it.
 */
import type { Logger } from "../../base/log.ts";
import type { Audit } from "../../guard/audit.ts";
import type { MemoryPressure } from "../../guard/memory-marks.ts";
import type { Policy } from "../../guard/policy.ts";
import type { Clock } from "../../host/clock.ts";
import type { Interceptor } from "../interceptor.ts";
import { authorize } from "./authorize.ts";
import { deadline } from "./deadline.ts";
import { logCalls } from "./log.ts";
import { type RateLimiter, rateLimit } from "./rate-limit.ts";
import { shed } from "./shed.ts";

export interface InterceptorParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** `undefined`: no call is shed for want of memory. */
  readonly pressure?: MemoryPressure | undefined;
  readonly limiter: RateLimiter;
  readonly policy: Policy;
  /** `undefined`: decisions are not written down. */
  readonly audit?: Audit | undefined;
}

export function interceptorsInOrder(parts: InterceptorParts): readonly Interceptor[] {
  return [
    logCalls(parts.log),
    deadline(parts.clock),
    ...(parts.pressure === undefined ? [] : [shed(parts.pressure)]),
    rateLimit(parts.limiter),
    authorize(parts.policy, parts.audit),
  ];
}
