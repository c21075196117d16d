/**
 * What is wrong with a configuration: every problem, each with its key and, where known, its line.
 */
import { AgentError } from "../base/errors.ts";

export interface ConfigProblem {
  /** Dotted key (`rpc.listen`, `handlers[0].module`), or the name of an environment variable. */
  readonly key: string;
  /** What is wrong and what would be right, as the rest of a sentence that begins with the key. */
  readonly message: string;
  /** Line in the file, from 1. */
  readonly line?: number;
}

/** `ERR_CONFIG_INVALID` with all problems at once, in the order of the file. */
export class ConfigError extends AgentError {
  /** Path of the file; `undefined` when the text came from elsewhere. */
  readonly file: string | undefined;
  readonly problems: readonly ConfigProblem[];
  /**
   * Where the agent is to be asked that still runs with what the file said before; `undefined` when the
   * file does not say it either.
   */
  readonly controlSocketPath: string | undefined;

  constructor(
    file: string | undefined,
    problems: readonly ConfigProblem[],
    controlSocketPath?: string,
  ) {
    const sorted = sortProblems(problems);
    const where = file ?? "configuration";
    const lines = sorted.map((problem) => formatProblem(problem)).join("; ");
    const count = sorted.length === 1 ? "1 problem" : `${sorted.length} problems`;
    super("ERR_CONFIG_INVALID", `${count} in ${where}: ${lines}`, {
      fields: { problems: sorted.length, ...(file === undefined ? {} : { file }) },
    });
    this.name = "ConfigError";
    this.file = file;
    this.problems = sorted;
    this.controlSocketPath = controlSocketPath;
  }
}

/** `line 4: rpc.listen must be ...` */
export function formatProblem(problem: ConfigProblem): string {
  const where = problem.line === undefined ? "" : `line ${problem.line}: `;
  return `${where}${problem.key} ${problem.message}`;
}

/** By line, those without a line last by key. */
export function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const lineOf = (problem: ConfigProblem): number => problem.line ?? Number.MAX_SAFE_INTEGER;
  return problems.toSorted(
    (a, b) => lineOf(a) - lineOf(b) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  );
}
