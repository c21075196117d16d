/**
 * The keys of `[report]`: where the device tells what becomes of its identity. `docs/reports.md` tells the
 * operator and the service developer what is told.
 */
import { integer, text } from "./config-kinds.ts";
import type { ConfigProblem } from "./config-problem.ts";
import type { Setting } from "./config-reader.ts";
import { optional, row } from "./config-row.ts";
import { isGiven, problemAt } from "./config-setting.ts";

export const REPORT_ROWS = {
  service: optional(
    text({
      allowed: "1 to 128 letters, digits, dots, hyphens or underscores",
      pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    }),
    "go-micro service that is told what becomes of this device's identity, also what happened while there was no network. Found as any service, by [[registry.static]] say. Needs store.dir.",
    { defaultDoc: "none: nothing is reported" },
  ),
  endpoint: row(
    text({
      allowed: "Handler.Method",
      pattern: /^[A-Za-z][A-Za-z0-9_]{0,63}\.[A-Za-z][A-Za-z0-9_]{0,63}$/,
    }),
    "Fleet.Report",
    "Its endpoint; called with one JSON document a report.",
  ),
  timeout_ms: row(
    integer(100, 120_000, "ms"),
    10_000,
    "How long a call may take, connecting included; then the report is sent again later.",
  ),
};

/** What the keys of `[report]` need of one another and of `store.dir`. */
export function reportProblems(
  setting: (key: string) => Setting | undefined,
): readonly ConfigProblem[] {
  const given = (key: string): boolean => isGiven(setting(key));
  const problem = (key: string, message: string): ConfigProblem =>
    problemAt(key, setting(key), message);
  if (!given("report.service")) {
    const lonely = ["report.endpoint", "report.timeout_ms"].find(given);
    return lonely === undefined
      ? []
      : [problem(lonely, "needs report.service: without it nothing is reported")];
  }
  if (given("store.dir")) return [];
  const words = "needs store.dir: reports wait in the rotation queue, which lies in the store";
  return [problem("report.service", words)];
}
