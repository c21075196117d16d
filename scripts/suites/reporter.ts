/**
 * Reporter for node:test (Node.js documentation, "Custom reporters"): prints only what failed or
 * was left out, and writes the totals as JSON to the file that TEST_TOTALS names.
 */
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Failures of a parent that only say that a child failed. */
const ECHO = "subtestsFailed";

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  for await (const { type, data } of source) {
    if (type === "test:stderr" || type === "test:stdout") {
      if (!data.message.startsWith("(node:")) yield data.message;
    }
    if (type === "test:pass" && data.details.type !== "suite") {
      const left = data.skip ?? data.todo;
      if (left === undefined || left === false) {
        totals.passed++;
      } else {
        totals.skipped++;
        yield `  left out: ${data.name}${typeof left === "string" ? `: ${left}` : ""}\n`;
      }
    }
    if (type === "test:fail") {
      const { error } = data.details;
      if ("failureType" in error && error.failureType === ECHO) continue;
      totals.failed++;
      const where =
        data.file === undefined ? "" : `${relative(process.cwd(), data.file)}:${data.line}`;
      const cause = error.cause ?? error;
      yield `  FAILED: ${data.name} (${where})\n${inspect(cause).replace(/^/gm, "    ")}\n`;
    }
  }
  const { TEST_TOTALS } = process.env;
  if (TEST_TOTALS !== undefined) writeFileSync(TEST_TOTALS, JSON.stringify(totals));
}
