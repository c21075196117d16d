/**
 * How much memory the service manager lets this process have: the tightest limit of its control group
 * and of those around it, of version 1 or 2.
 */
import { readFileSync } from "node:fs";
import { posix } from "node:path";

/** Above this a limit of version 1 is the kernel's way to say that there is none. */
const NO_LIMIT_BYTES = 2 ** 50;

/** Reads a small file as text. @throws when it can't be read. */
export type ReadText = (path: string) => string;

/**
 * Bytes; `undefined` where nothing limits us or the machine does not tell.
 *
 * @see cgroups(7), and `memory.max` of the kernel's cgroup-v2 page. In a container the path that the
 * kernel names may lie outside of what is mounted; then the limits of the mounted root count.
 */
export function memoryLimitBytes(readText: ReadText = readKernelFile): number | undefined {
  const membership = attempt(readText, "/proc/self/cgroup") ?? "";
  const limits = membership.split("\n").flatMap((line) => {
    const [, number, controllers = "", path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (controllers.split(",").includes("memory")) {
      return limitsUpwards(readText, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    }
    if (number !== "0") return [];
    return limitsUpwards(readText, "/sys/fs/cgroup", path, "memory.max");
  });
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function limitsUpwards(readText: ReadText, root: string, path: string, file: string): number[] {
  const limits: number[] = [];
  for (let at = posix.join("/", path); ; at = posix.dirname(at)) {
    const text = attempt(readText, posix.join(root, at, file))?.trim() ?? "";
    const bytes = /^\d+$/.test(text) ? Number(text) : Infinity;
    if (bytes < NO_LIMIT_BYTES) limits.push(bytes);
    if (at === "/") return limits;
  }
}

function attempt(readText: ReadText, path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    return undefined; // no such controller here, or hidden by the sandbox: not our limit
  }
}

function readKernelFile(path: string): string {
  return readFileSync(path, "utf8");
}
