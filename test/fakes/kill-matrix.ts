/**
 * A real process killed at every system call that touches a directory, by strace's fault injection.
 * The command is a parameter: it may be a small program or the built agent.
 *
 * strace counts calls per name and per thread, so one number for all calls would miss most of them
 * and pass a careless writer. Here the process is traced once to learn which paths it touches, then
 * once more with only these paths, which gives the list of (call, n); then it is killed at each, and
 * each kill is seen to have happened there. One thread in libuv's pool makes the order the same every
 * time. A kill leaves the page cache alone: what a missing sync does, only power-matrix.ts can show.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ended, run } from "./child.ts";

export interface KillSubject {
  readonly command: readonly [string, ...string[]];
  /** As the command names it. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Brings the directory to where the command starts; the same names every time. */
  readonly restore: () => Promise<void>;
  /** Whether the command had said that it is done. */
  readonly acknowledged: (ended: Ended) => boolean;
  /** What a start finds, as text; rejects when it finds nothing whole. */
  readonly view: () => Promise<string>;
  /** Matches views that the command passes through, as good as old and new until it is done. */
  readonly between?: RegExp;
}

export interface KillResult {
  /** Calls that touch the directory. */
  readonly points: number;
  /** Of these, how many were killed at. */
  readonly kills: number;
  readonly violations: readonly string[];
}

interface Point {
  readonly call: string;
  /** The how manieth of this name, from 1. */
  readonly count: number;
}

const WRITES =
  /^(?:p?write|open|rename|unlink|mkdir|rmdir|ftruncate|f?chmod|l?chown|fsync|fdatasync)/;
const ONE_THREAD = { UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0" };

/** @param limit Kills at most; the calls that change something come first. */
export async function killMatrix(subject: KillSubject, limit: number): Promise<KillResult> {
  const scratch = await mkdtemp(join(tmpdir(), "kill-matrix-"));
  try {
    const { restore, view } = subject;
    await restore();
    const before = await view();
    await restore();
    const paths = pathsIn(await trace(subject, scratch, []), subject.dir);
    const after = await view();
    await restore();
    const filter = paths.flatMap((path) => ["-P", path]);
    const points = pointsIn(await trace(subject, scratch, filter));
    const chosen = sample(points, limit);
    const violations: string[] = [];
    for (const { call, count } of chosen) {
      await restore();
      const inject = ["-e", `inject=${call}:signal=KILL:when=${count}`];
      const where = `${call} ${count}`;
      const output = join(scratch, "killed");
      const ended = await strace(subject, [...filter, ...inject, "-o", output]);
      const calls = await readFile(output, "utf8");
      const reached = pointsIn(calls).findLast((point) => point.call === call)?.count;
      if (!calls.includes("killed by SIGKILL") || reached !== count) {
        violations.push(`${where}: was not killed there but at ${reached}`);
      }
      const found = await view().catch((error: unknown) => `nothing whole: ${error}`);
      const underWay = !subject.acknowledged(ended);
      const passing = underWay && (found === before || subject.between?.test(found) === true);
      if (found !== after && !passing) violations.push(`${where}: found ${found}`);
    }
    return { points: points.length, kills: chosen.length, violations };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function trace(
  subject: KillSubject,
  scratch: string,
  filter: readonly string[],
): Promise<string> {
  const output = join(scratch, "trace");
  const ended = await strace(subject, [...filter, "-o", output]);
  if (!subject.acknowledged(ended)) {
    throw new Error(`${subject.command.join(" ")} failed: ${ended.code}\n${ended.stderr}`);
  }
  return readFile(output, "utf8");
}

function strace(subject: KillSubject, options: readonly string[]): Promise<Ended> {
  // -y names the file of a descriptor; -s 0 keeps what is written out of the trace.
  return run(["strace", "-f", "-y", "-s", "0", ...options, "--", ...subject.command], {
    env: { ...ONE_THREAD, ...subject.env },
  });
}

/** Every path in or under the directory that the trace names. */
function pathsIn(text: string, dir: string): readonly string[] {
  const found = [...text.matchAll(/["<](\/[^"<>]*)[">]/g)].map((match) => match[1] ?? "");
  const paths = found.filter((path) => path === dir || path.startsWith(`${dir}/`));
  if (paths.length === 0) throw new Error(`nothing touches ${dir}`);
  return [...new Set(paths)];
}

/** The calls in order, counted by name. @throws Error when more than one thread made them. */
function pointsIn(text: string): readonly Point[] {
  const counts = new Map<string, number>();
  const threads = new Set<string>();
  const points: Point[] = [];
  let before = "";
  for (const line of text.split("\n")) {
    const match = /^(\d+)\s+(([a-z0-9_]+)\(.*)/.exec(line);
    if (match === null || match[3] === "execve") continue;
    const [, thread = "", made = "", call = ""] = match;
    // strace may print the call at which all threads are killed once more, as if the first thread had made it.
    const repeated = made === before && made.endsWith("<unfinished ...>");
    before = made;
    if (repeated) continue;
    threads.add(thread);
    const count = (counts.get(call) ?? 0) + 1;
    counts.set(call, count);
    points.push({ call, count });
  }
  if (threads.size > 1) throw new Error("more than one thread touches the directory");
  return points;
}

function sample(points: readonly Point[], limit: number): readonly Point[] {
  const writes = points.filter(({ call }) => WRITES.test(call));
  const others = points.filter(({ call }) => !WRITES.test(call));
  const spread = (all: readonly Point[], count: number): readonly Point[] =>
    all.length <= count
      ? all
      : Array.from(
          { length: count },
          (_, index) => all[Math.floor((index * all.length) / count)] as Point,
        );
  const first = spread(writes, limit);
  return [...first, ...spread(others, limit - first.length)];
}
