/**
 * What this process uses of the machine.
 */
import { readdirSync, readFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { memoryLimitBytes } from "./memory-limit.ts";

export interface ProcessFigures extends Disposable {
  /** Resident memory, bytes. */
  residentBytes(): number;
  /**
   * Memory that is backed by no file, bytes: what the kernel can't take back. `undefined` where the
   * machine does not tell.
   */
  anonymousBytes(): number | undefined;
  /** Pages that had to be read from disk since the start. */
  majorFaults(): number;
  /** What the control group allows, bytes; `undefined`: no limit. Read anew at each call. */
  memoryLimitBytes(): number | undefined;
  /** A full collection, now; stops everything for up to some 100 ms. */
  collectGarbage(): void;
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
  let collect: (() => void) | undefined;
  return {
    residentBytes: () => process.memoryUsage.rss(),
    anonymousBytes,
    majorFaults: () => process.resourceUsage().majorPageFault,
    memoryLimitBytes: () => memoryLimitBytes(),
    collectGarbage() {
      // A context made after the flag is set has the function; ours was made before.
      setFlagsFromString("--expose-gc");
      collect ??= runInNewContext("gc") as () => void;
      collect();
    },
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

/** @see proc_pid_status(5): `RssAnon`. */
function anonymousBytes(): number | undefined {
  try {
    const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined; // no /proc
  }
}
