/**
 * What a build is made of: version, commit and date. Every time in an artefact comes from here, so
 * two builds of one commit are byte-identical.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Build } from "#src/base/build.ts";

export interface BuildFacts extends Build {
  /** Unix seconds of the commit, or SOURCE_DATE_EPOCH (reproducible-builds.org). */
  readonly epoch: number;
}

/** Facts of the checkout in `root`. Outside a Git checkout the commit is "unknown". */
export function buildFacts(root: string): BuildFacts {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { SOURCE_DATE_EPOCH } = process.env;
  const commit = git(root, "rev-parse", "HEAD");
  const epoch = epochOf(SOURCE_DATE_EPOCH ?? git(root, "log", "-1", "--format=%ct"));
  return {
    version,
    commit: commit ?? "unknown",
    dirty: commit !== undefined && git(root, "status", "--porcelain") !== "",
    date: new Date(epoch * 1000).toISOString(),
    epoch,
  };
}

function epochOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,11}$/.test(text)) {
    throw new Error(`SOURCE_DATE_EPOCH must be whole Unix seconds, not "${text}"`);
  }
  return Number(text);
}

/** Output of a Git command, or `undefined` where there is no Git or no checkout. */
function git(root: string, ...args: string[]): string | undefined {
  const run = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return run.status === 0 ? run.stdout.trim() : undefined;
}
