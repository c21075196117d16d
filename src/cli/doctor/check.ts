/**
 * What a check of `doctor` is: a stable id and a pure judgement over facts that were gathered before.
 * A check that can't be made because another failed is skipped and names that one, so that one cause
 * is shown once; nothing ever hides the rest.
 */
import { errorText } from "../../base/errors.ts";
import type { Facts } from "./facts.ts";

export type CheckResult = "ok" | "warn" | "fail" | "skipped";

export interface Outcome {
  readonly result: CheckResult;
  /** What was found, as a sentence without a full stop. */
  readonly reason: string;
  /** What to do; always there for `warn` and `fail`. */
  readonly fix?: string;
}

export interface Check {
  /** Never changes its meaning: scripts and `--skip` use it. */
  readonly id: string;
  /** What is asked. */
  readonly title: string;
  /** Ids of earlier checks without which this one can't be made. */
  readonly needs: readonly string[];
  judge(facts: Facts): Outcome;
}

export interface CheckedItem extends Outcome {
  readonly id: string;
  readonly title: string;
}

export const ok = (reason: string): Outcome => ({ result: "ok", reason });
export const warn = (reason: string, fix: string): Outcome => ({ result: "warn", reason, fix });
export const fail = (reason: string, fix: string): Outcome => ({ result: "fail", reason, fix });
export const skipped = (reason: string): Outcome => ({ result: "skipped", reason });

/** Runs all checks in order. @param skip Ids that the user does not want. */
export function runChecks(
  checks: readonly Check[],
  facts: Facts,
  skip: ReadonlySet<string>,
): CheckedItem[] {
  const results = new Map<string, CheckResult>();
  return checks.map((check) => {
    const outcome = outcomeOf(check, facts, skip, results);
    results.set(check.id, outcome.result);
    return { id: check.id, title: check.title, ...outcome };
  });
}

function outcomeOf(
  check: Check,
  facts: Facts,
  skip: ReadonlySet<string>,
  results: ReadonlyMap<string, CheckResult>,
): Outcome {
  if (skip.has(check.id)) return skipped("left out by --skip");
  const missing = check.needs.find((id) => {
    const result = results.get(id);
    // What the user left out is not known to be bad; the check finds out itself.
    return result === "fail" || (result === "skipped" && !skip.has(id));
  });
  if (missing !== undefined) return skipped(`needs ${missing}`);
  try {
    return check.judge(facts);
  } catch (thrown) {
    return fail(
      `the check itself failed: ${errorText(thrown)}`,
      "report this as a bug in microedge, and use --skip meanwhile",
    );
  }
}
