/**
 * Runs the suites in order; `scripts/test` sets up and calls this.
 *
 *   --only SUITE  that suite alone (may be given again)
 *   --quick       the suites that need no build and no Go
 *   --full        the whole of the long tests instead of a sample of each
 *   --strict      nothing may be left out; the default where CI=true
 *   --record      writes the minutes into docs/test-suites.md
 *
 * The last line is the total over all suites. Exits 1 when anything failed.
 */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { record } from "./suites/record.ts";
import { runSuite, type SuiteResult } from "./suites/run-suite.ts";
import { SUITES, type Suite } from "./suites/suite.ts";

const root = resolve(import.meta.dirname, "..");
const { CI } = process.env;
const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    strict: { type: "boolean", default: CI === "true" },
    record: { type: "boolean", default: false },
  },
});

function chosen(): readonly Suite[] {
  const { only } = options;
  if (only === undefined) return options.quick ? SUITES.filter((suite) => suite.quick) : SUITES;
  const unknown = only.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    console.error(
      `no suite "${unknown}"; there are: ${SUITES.map((suite) => suite.name).join(", ")}`,
    );
    process.exit(2);
  }
  return SUITES.filter((suite) => only.includes(suite.name));
}

const hasGo = (): boolean =>
  spawnSync("bash", ["-c", 'source "$0/scripts/lib.sh"; has_go', root]).status === 0;

/** They are there, or root may install them. */
const mayScan = (): boolean =>
  process.getuid?.() === 0 || spawnSync(resolve(root, "scripts/scanners")).status === 0;

const results: SuiteResult[] = [];
for (const suite of chosen()) {
  console.log(`\n==> ${suite.name}: ${suite.asks}`);
  if (suite.needsGo === true && !options.strict && !hasGo()) {
    console.log("  left out: Go 1.25 or later is not installed");
    results.push({ suite, seconds: 0, passed: 0, failed: 0, skipped: 1 });
    continue;
  }
  if (suite.needsScanners === true && !options.strict && !mayScan()) {
    console.log(
      "  left out: the scanners are not installed (scripts/scanners says what is missing)",
    );
    results.push({ suite, seconds: 0, passed: 0, failed: 0, skipped: 1 });
    continue;
  }
  const result = runSuite(root, suite, options);
  console.log(`    ${result.failed === 0 ? "ok" : "FAILED"} in ${result.seconds.toFixed(1)} s`);
  results.push(result);
}

if (options.record) record(root, results);

const sum = (key: "passed" | "failed" | "skipped" | "seconds"): number =>
  results.reduce((total, result) => total + result[key], 0);
console.log("\nsuite          passed  failed  left out  minutes");
for (const { suite, passed, failed, skipped, seconds } of results) {
  const cells = [passed, failed, skipped].map((count) => String(count).padStart(7)).join(" ");
  console.log(`${suite.name.padEnd(13)} ${cells}  ${(seconds / 60).toFixed(1).padStart(8)}`);
}
const leftOut = results.filter((result) => result.skipped > 0).map((result) => result.suite.name);
if (leftOut.length > 0) {
  console.log(
    `\nNOT EVERYTHING WAS TESTED: something was left out of ${leftOut.join(", ")} (see above)`,
  );
}
const failed = sum("failed") > 0 || (options.strict && leftOut.length > 0);
if (failed) console.log("\nFAILED");
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exitCode = failed ? 1 : 0;
