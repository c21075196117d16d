/** The table in docs/test-suites.md: what each suite asks, and how long it took when last recorded. */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { SuiteResult } from "./run-suite.ts";

const START = "<!-- recorded by ./scripts/test --record -->";
const END = "<!-- end of the recorded table -->";

export function record(root: string, results: readonly SuiteResult[]): void {
  const page = join(root, "docs", "test-suites.md");
  const text = readFileSync(page, "utf8");
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${page} has lost the marks of its table`);
  writeFileSync(page, `${text.slice(0, start)}${START}\n${table(results)}${text.slice(end)}`);
}

function table(results: readonly SuiteResult[]): string {
  const minutes = (seconds: number): string => (seconds / 60).toFixed(1);
  const rows = results.map(
    ({ suite, passed, seconds }) =>
      `| ${suite.name} | ${suite.asks} | ${passed} | ${minutes(seconds)} |`,
  );
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  return [
    "| suite | what it asks | tests | minutes |",
    "|---|---|---:|---:|",
    ...rows,
    `| **all** | ${availableParallelism()} cores | ${passed} | **${minutes(seconds)}** |`,
    "",
  ].join("\n");
}
