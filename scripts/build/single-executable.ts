/**
 * Single executables (Node.js documentation, "Single executable applications"): the stripped runtime
 * with the bundle injected as an ELF note. No code cache and no snapshot: both depend on the CPU
 * and on the V8 flags, and the blob must serve both architectures.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Architecture, nodeRuntime } from "./node-runtime.ts";

/**
 * V8 flags for a 64 MiB device. `--max-old-space-size` is MiB: with more, the heap alone can take a
 * 64 MiB limit. `--single-threaded` and `--v8-pool-size=0` keep V8's helper threads and their
 * arenas away; measured cost: up to a tenth more CPU per call, gain: about 17 MiB of private memory.
 * Without `--no-maglev` and `--no-sparkplug` code would be kept as the two quick compilers make it, beside
 * bytecode and what the optimising one makes: 2 MiB less with 100 connections, no more CPU beyond noise.
 */
export const V8_FLAGS = [
  "--max-semi-space-size=1",
  "--v8-pool-size=0",
  "--single-threaded",
  "--optimize-for-size",
  "--max-old-space-size=24",
  "--no-maglev",
  "--no-sparkplug",
] as const;

/** Marker that Node.js carries and postject flips; fixed by Node.js. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Makes the injectable blob from `out/microedge.cjs`; returns its path in `scratch`. */
export function makeBlob(out: string, scratch: string): string {
  // Node.js stores the path of `main` in the blob, so it is given relative to the working directory.
  copyFileSync(join(out, "microedge.cjs"), join(scratch, "microedge.cjs"));
  const config = {
    main: "microedge.cjs",
    output: "microedge.blob",
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
    execArgv: V8_FLAGS,
  };
  writeFileSync(join(scratch, "sea.json"), JSON.stringify(config));
  run(scratch, process.execPath, "--experimental-sea-config", "sea.json");
  return join(scratch, "microedge.blob");
}

/** Writes `out/linux-<architecture>/microedge`. */
export function makeExecutable(
  root: string,
  out: string,
  scratch: string,
  blob: string,
  architecture: Architecture,
  log: (line: string) => void,
): void {
  const folder = join(out, `linux-${architecture}`);
  mkdirSync(folder, { recursive: true });
  const target = join(folder, "microedge");
  rmSync(target, { force: true });
  copyFileSync(nodeRuntime(root, architecture, log), target);
  const postject = join(root, "node_modules", "postject", "dist", "cli.js");
  run(scratch, process.execPath, postject, target, "NODE_SEA_BLOB", blob, "--sentinel-fuse", FUSE);
}

function run(cwd: string, program: string, ...args: string[]): void {
  const child = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (child.status !== 0) {
    throw new Error(
      `${args[0]} failed:\n${child.stdout}${child.stderr}${child.error?.message ?? ""}`,
    );
  }
}
