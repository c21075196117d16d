/**
 * What a process has cost, from the kernel's own accounting.
 */
import { readdirSync, readFileSync } from "node:fs";

/**
 * CPU milliseconds that the live threads of a process have run, from the scheduler (nanosecond
 * counters; process ticks are 10 ms). Threads that ended are missing: sample servers that keep theirs.
 */
export function cpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(
      readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0],
    );
  }
  return nanoseconds / 1e6;
}

export interface Memory {
  /** Proportional set size, KiB: shared pages divided among those who map them. */
  readonly pssKib: number;
  /** Private pages, clean and dirty, KiB: what would be freed if the process ended. */
  readonly privateKib: number;
  /** Anonymous pages, KiB: what can't be dropped and read again. */
  readonly anonymousKib: number;
}

export function memory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (field: string): number => {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text);
    if (found === null) throw new Error(`smaps_rollup has no ${field}`);
    return Number(found[1]);
  };
  return {
    pssKib: kib("Pss"),
    privateKib: kib("Private_Clean") + kib("Private_Dirty"),
    anonymousKib: kib("Anonymous"),
  };
}
