/**
 * A memory control group of one's own, of version 1 or 2, whichever this machine has; needs root.
 * Version 1 counts socket buffers apart, version 2 within the limit.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

export interface GroupUse {
  readonly anonBytes: number;
  readonly fileBytes: number;
  /** Times that the kernel killed something in the group for want of memory. */
  readonly kills: number;
}

export interface MemoryGroup extends Disposable {
  readonly version: 1 | 2;
  /** Starts a command inside the group: write this before it. */
  readonly runner: readonly [string, ...string[]];
  use(): GroupUse;
}

const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";
/** The kernel frees what ended processes held a moment later. */
const REMOVE_TRIES = 50;

/** Where a group can be made; `undefined` where nobody may, or no memory controller is. */
function memoryController(): { version: 1 | 2; root: string } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(join(V1, "memory.limit_in_bytes"))) return { version: 1, root: V1 };
  const controllers = join(V2, "cgroup.subtree_control");
  if (!existsSync(controllers)) return undefined;
  try {
    if (!readFileSync(controllers, "utf8").includes("memory"))
      writeFileSync(controllers, "+memory");
    return { version: 2, root: V2 };
  } catch {
    return undefined; // the machine does not hand the memory controller out
  }
}

/** @param limitBytes `undefined` counts and limits nothing. */
export function makeMemoryGroup(name: string, limitBytes: number | undefined): MemoryGroup {
  const controller = memoryController();
  if (controller === undefined) throw new Error("no memory control group can be made here");
  const { version, root } = controller;
  const folder = join(root, `microedge-${name}-${process.pid}`);
  mkdirSync(folder);
  if (limitBytes !== undefined) {
    const key = version === 1 ? "memory.limit_in_bytes" : "memory.max";
    writeFileSync(join(folder, key), String(limitBytes));
    if (version === 2) writeFileSync(join(folder, "memory.swap.max"), "0");
  }
  const table = (file: string): ReadonlyMap<string, number> =>
    new Map(
      readFileSync(join(folder, file), "utf8")
        .split("\n")
        .map((line) => line.split(" "))
        .map(([key = "", value]) => [key, Number(value)]),
    );
  return {
    version,
    runner: ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder],
    use() {
      const stat = table("memory.stat");
      const events = table(version === 1 ? "memory.oom_control" : "memory.events");
      return {
        anonBytes: stat.get(version === 1 ? "rss" : "anon") ?? Number.NaN,
        fileBytes: stat.get(version === 1 ? "cache" : "file") ?? Number.NaN,
        kills: events.get("oom_kill") ?? Number.NaN,
      };
    },
    [Symbol.dispose]() {
      for (let left = REMOVE_TRIES; existsSync(folder); left--) {
        try {
          rmdirSync(folder);
        } catch (error) {
          if (left === 0) throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
        }
      }
    },
  };
}

/** Whether this machine lets us make one. */
export function mayLimitMemory(): boolean {
  try {
    makeMemoryGroup("probe", 64 * 1024 * 1024)[Symbol.dispose]();
    return true;
  } catch {
    return false; // not root, no controller, or a sandbox that keeps it to itself
  }
}

/** Major page faults of a process since its start. */
export function majorFaults(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[9]);
}

/** Milliseconds that the main thread of a process was ready to run and had no CPU, since its start. */
export function waitedForCpuMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;
}

/** Removes groups of runs that were killed. */
export function removeStaleGroups(): void {
  const controller = memoryController();
  if (controller === undefined) return;
  for (const name of readdirSync(controller.root)) {
    const pid = /^microedge-.*-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      rmdirSync(join(controller.root, name));
    } catch {
      // somebody still lives in it: not ours to end
    }
  }
}
