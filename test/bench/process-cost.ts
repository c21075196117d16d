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
  /**
   * Private pages, KiB. Clean ones are among them: pages of the executable that only this process has
   * mapped, which the kernel may drop at any time.
   */
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

const SETTLE_MS = 500;
const SETTLE_ROUNDS = 20;

/**
 * Memory once it has come to rest: two samples half a second apart differ by less than 0.5 %, or ten
 * seconds have passed (a runtime that gives memory back bit by bit never rests).
 */
export async function settledMemory(pid: number): Promise<Memory> {
  let last = memory(pid);
  for (let round = 0; round < SETTLE_ROUNDS; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const now = memory(pid);
    if (Math.abs(now.anonymousKib - last.anonymousKib) < last.anonymousKib / 200) return now;
    last = now;
  }
  return last;
}
