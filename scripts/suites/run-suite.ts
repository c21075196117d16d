/** Runs one suite and counts. A suite that ran no test has failed: it proved nothing. */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Totals } from "./reporter.ts";
import type { Suite } from "./suite.ts";

export interface SuiteResult extends Totals {
  readonly suite: Suite;
  readonly seconds: number;
}

export interface RunOptions {
  /** The whole of the long tests instead of a sample of each. */
  readonly full: boolean;
  /** Nothing may be left out. */
  readonly strict: boolean;
}

/** Longest time that one test file may take, in milliseconds. */
const FILE_TIMEOUT_MS = 900_000;

export function runSuite(root: string, suite: Suite, options: RunOptions): SuiteResult {
  const start = performance.now();
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  const { CI: _, ...env } = process.env;
  const settings = {
    ...env,
    ...(options.full ? { TEST_FULL: "1" } : {}),
    ...(options.strict ? { TEST_STRICT: "1" } : {}),
  };
  const succeeds = (command: readonly [string, ...string[]]): boolean => {
    const [program, ...args] = command;
    return spawnSync(program, args, { cwd: root, stdio: "inherit", env: settings }).status === 0;
  };
  for (const command of suite.commands ?? []) {
    if (succeeds(command)) {
      if (suite.files === undefined) totals.passed++;
    } else {
      totals.failed++;
      console.log(`  FAILED: ${command.join(" ")}`);
      break;
    }
  }
  if (suite.files !== undefined && totals.failed === 0) {
    add(totals, runFiles(root, suite, settings));
  }
  return { suite, seconds: (performance.now() - start) / 1000, ...totals };
}

function runFiles(root: string, suite: Suite, env: NodeJS.ProcessEnv): Totals {
  const patterns = suite.files ?? [];
  const without = new Set(patterns.filter((at) => at.startsWith("!")).map((at) => at.slice(1)));
  const files = globSync(
    patterns.filter((at) => !at.startsWith("!")),
    { cwd: root },
  )
    .filter((file) => !without.has(file))
    .sort();
  if (files.length === 0) {
    console.log(`  FAILED: ${suite.name} has no test file`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const folder = join(root, "build", "test");
  mkdirSync(folder, { recursive: true });
  const totalsFile = join(folder, `${suite.name}.json`);
  rmSync(totalsFile, { force: true });
  const child = spawnSync(
    process.execPath,
    [
      "--test",
      `--test-concurrency=${suite.concurrency ?? availableParallelism()}`,
      `--test-timeout=${FILE_TIMEOUT_MS}`,
      `--test-reporter=${join(import.meta.dirname, "reporter.ts")}`,
      "--test-reporter-destination=stdout",
      ...files,
    ],
    { cwd: root, stdio: "inherit", env: { ...env, TEST_TOTALS: totalsFile } },
  );
  const totals: Totals = JSON.parse(readFileSync(totalsFile, "utf8"));
  if (totals.passed + totals.failed === 0) {
    console.log(`  FAILED: ${suite.name} ran no test`);
    totals.failed++;
  }
  // node:test may fail for a reason that no test event tells, such as a file that can't be parsed.
  if (child.status !== 0 && totals.failed === 0) {
    console.log(`  FAILED: node --test ended with ${child.status ?? child.signal}`);
    totals.failed++;
  }
  return totals;
}

function add(to: Totals, more: Totals): void {
  to.passed += more.passed;
  to.failed += more.failed;
  to.skipped += more.skipped;
}
