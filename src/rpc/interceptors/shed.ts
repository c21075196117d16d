/**
 * Turns calls away while memory is short: after the deadline and before the limits, so that a call that
 * is shed spends nothing of what its peer may do.
 */
import type { MemoryPressure } from "../../guard/memory-marks.ts";
import type { Interceptor } from "../interceptor.ts";

export function shed(pressure: Pick<MemoryPressure, "obstacle">): Interceptor {
  return { name: "shed", before: (call) => pressure.obstacle(call) };
}
