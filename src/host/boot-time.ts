/**
 * How long the machine has been up, suspended time included: what CLOCK_BOOTTIME counts and Node's
 * monotonic clock leaves out. Linux tells it in `/proc/uptime` (proc(5)), to a hundredth of a second.
 */
import { readFileSync } from "node:fs";

/** Milliseconds; `undefined` where there is no such file. A read of it costs microseconds and never waits for a disk. */
export function readBootTimeMs(path = "/proc/uptime"): number | undefined {
  let text: string;
  try {
    // UTF-8 is what Node.js reads without a buffer; with any other encoding each read leaves 8 KiB of garbage.
    text = readFileSync(path, "utf8");
  } catch {
    // Not Linux, or /proc is hidden from the service: the caller does without.
    return undefined;
  }
  const seconds = Number(text.split(" ", 1)[0]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
