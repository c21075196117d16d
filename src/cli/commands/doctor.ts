/**
 * `microedge doctor`: what is wrong here, and what to do about it.
 */
import { usage } from "../arguments.ts";
import { command } from "../command.ts";
import type { CheckedItem, CheckResult } from "../doctor/check.ts";
import { EXIT } from "../exit-codes.ts";
import { paint } from "../format/style.ts";
import { columns } from "../format/table.ts";
import { suggestion } from "../suggestion.ts";
import type { Output } from "../terminal.ts";

const COLOURS = { ok: "green", warn: "yellow", fail: "red", skipped: "dim" } as const;

export const doctorCommand = command({
  name: "doctor",
  summary: "check configuration, certificates, clock, permissions and the running agent",
  detail:
    "Works with the agent dead. Every check has an id that stays; each says ok, warn, fail or skipped, why, and what to do. Exit code 1 when one fails; warnings are 0, unless --strict.",
  options: {
    list: { type: "boolean", doc: "only list the checks" },
    skip: {
      type: "string",
      multiple: true,
      value: "ID",
      doc: "leave a check out; may be repeated",
    },
    strict: { type: "boolean", doc: "exit code 1 also for warnings" },
  },
  examples: ["microedge doctor", "microedge doctor --skip agent.alive --json"],
  async run({ terminal, report, configFile, options }) {
    const [{ CHECKS }, { runChecks }, { gatherFacts }] = await Promise.all([
      import("../doctor/checks.ts"),
      import("../doctor/check.ts"),
      import("../doctor/gather.ts"),
    ]);
    const ids = CHECKS.map(({ id }) => id);
    const unknown = options.skip.find((id) => !ids.includes(id));
    if (unknown !== undefined) {
      throw usage(
        `there is no check "${unknown}"${suggestion(unknown, ids)}`,
        "microedge doctor --list",
      );
    }
    if (options.list) {
      const checks = CHECKS.map(({ id, title, needs }) => ({ id, title, needs }));
      return report.result({ checks }, () => columns(checks.map(({ id, title }) => [id, title])));
    }
    const facts = await gatherFacts(terminal, configFile);
    const checks = runChecks(CHECKS, facts, new Set(options.skip));
    const summary = countOf(checks);
    const bad = summary.fail > 0 || (options.strict && summary.warn > 0);
    return report.result(
      { summary, checks },
      (out) => formatChecks(checks, summary, out),
      bad ? EXIT.no : EXIT.ok,
    );
  },
});

function countOf(checks: readonly CheckedItem[]): Readonly<Record<CheckResult, number>> {
  const count = { ok: 0, warn: 0, fail: 0, skipped: 0 };
  for (const { result } of checks) count[result] += 1;
  return count;
}

function formatChecks(
  checks: readonly CheckedItem[],
  summary: Readonly<Record<CheckResult, number>>,
  out: Output,
): string {
  const width = Math.max(...checks.map(({ id }) => id.length));
  const lines = checks.flatMap(({ id, result, reason, fix }) => {
    const mark = paint(out, COLOURS[result], result.padEnd("skipped".length));
    const line = `${mark}  ${id.padEnd(width)}  ${reason}`;
    return fix === undefined ? [line] : [line, `${" ".repeat(width + 11)}fix: ${fix}`];
  });
  const counts = Object.entries(summary).map(([result, count]) => `${count} ${result}`);
  return [...lines, "", counts.join(", ")].join("\n");
}
