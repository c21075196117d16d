/**
 * What this process uses of the machine.
 */
import { readdirSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";

export interface ProcessFigures extends Disposable {
  /** Resident memory, bytes. */
  residentBytes(): number;
  /** Threads of the process; 0 where the machine does not tell. */
  threads(): number;
  /**
   * Nanoseconds spent collecting garbage since this was first asked. Node tells of each collection
   * through a callback that costs about as much as the collection, so nobody pays who does not ask.
   */
  gcNs(): number;
}

/** Dispose it to stop counting garbage collection. */
export function openProcessFigures(): ProcessFigures {
  let gcMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) gcMs += entry.duration;
  });
  let observing = false;
  return {
    residentBytes: () => process.memoryUsage.rss(),
    threads: countThreads,
    gcNs() {
      if (!observing) observer.observe({ entryTypes: ["gc"] });
      observing = true;
      return Math.round(gcMs * 1e6);
    },
    [Symbol.dispose]: () => observer.disconnect(),
  };
}

function countThreads(): number {
  try {
    return readdirSync("/proc/self/task").length;
  } catch {
    return 0; // no /proc: not Linux, or hidden by the sandbox
  }
}
