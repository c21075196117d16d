/** Sizes of what was built, held to `firmware-bundle/size-budget.json` (bytes, per file). */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface SizeRow {
  readonly file: string;
  readonly bytes: number;
  readonly budget: number;
}

/** One row per built file that has a budget; files not built in this run are left out. */
export function sizesOf(root: string, out: string, files: readonly string[]): SizeRow[] {
  const budget = JSON.parse(
    readFileSync(join(root, "firmware-bundle", "size-budget.json"), "utf8"),
  ).bytes;
  return files.map((file) => {
    // Packages have the version in their name.
    const key = file.replace(/_.*_/, "_VERSION_");
    if (typeof budget[key] !== "number")
      throw new Error(`size-budget.json has no budget for ${file}`);
    return { file, bytes: statSync(join(out, file)).size, budget: budget[key] };
  });
}

export function formatSizes(rows: readonly SizeRow[]): string {
  const width = Math.max(...rows.map((row) => row.file.length));
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(3).padStart(8);
  return rows
    .map((row) => {
      const verdict = row.bytes <= row.budget ? "ok" : "OVER BUDGET";
      return `  ${row.file.padEnd(width)} ${mb(row.bytes)} MB of ${mb(row.budget)} MB  ${verdict}`;
    })
    .join("\n");
}
