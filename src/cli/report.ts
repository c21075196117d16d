/**
 * How a command speaks: text for people, or one JSON document for programs; never both.
 *
 * People get results on stdout and errors on stderr. With `--json` exactly one document goes to
 * stdout, also for an error, so that a script reads one stream (`docs/json-output.md`).
 */
import { ConfigError } from "../agent/config-problem.ts";
import { errorText, isAgentError, stackText } from "../base/errors.ts";
import { escapeUnprintable } from "../host/log-value.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import { CandidateRefused } from "../rotation/candidate-refused.ts";
import { RemoteError } from "../rpc/client/remote-error.ts";
import type { MicroError } from "../wire/mucp/error.ts";
import type { ExitCode } from "./exit-codes.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import type { Output, Terminal } from "./terminal.ts";

/** Raised when a member of a JSON document changes its meaning or goes away; never for a new one. */
export const JSON_SCHEMA = 1;

export type JsonFields = Readonly<Record<string, unknown>>;

export class Report {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #command: string;

  constructor(terminal: Terminal, json: boolean, command: string) {
    this.#terminal = terminal;
    this.#json = json;
    this.#command = command;
  }

  /** A line on the way to the result; only for people. */
  progress(text: string): void {
    if (!this.#json) this.#terminal.stdout.write(`${harmless(text)}\n`);
  }

  /** Something a person should know beside the result; stderr, only for people. */
  warning(text: string): void {
    if (!this.#json) this.#terminal.stderr.write(`microedge: warning: ${harmless(text)}\n`);
  }

  /**
   * The result, once. `text` is asked only when a person reads; text gets a line end, bytes don't.
   *
   * @param code Exit code that goes with it; `ok` in JSON says whether it is 0.
   */
  result(
    fields: JsonFields,
    text: (out: Output) => string | Uint8Array,
    code: ExitCode = EXIT.ok,
  ): ExitCode {
    if (this.#json) this.#document({ ok: code === EXIT.ok, ...fields });
    else {
      const written = shown(this.#terminal.stdout, text);
      const whole = typeof written !== "string" || written.endsWith("\n") || written === "";
      this.#terminal.stdout.write(whole ? written : `${written}\n`);
    }
    return code;
  }

  /** One of many results that follow each other: JSON Lines, or text as it is. */
  item(fields: JsonFields, text: (out: Output) => string | Uint8Array): void {
    if (this.#json) this.#document({ ok: true, ...fields });
    else this.#terminal.stdout.write(shown(this.#terminal.stdout, text));
  }

  /** What went wrong, where, and what to do; returns the exit code. */
  failure(thrown: unknown): ExitCode {
    const exitCode = exitCodeOf(thrown);
    const failure = describe(thrown);
    if (this.#json) {
      this.#document({ ok: false, exitCode, error: failure });
      if (exitCode === EXIT.bug) this.#terminal.stderr.write(`${stackText(thrown)}\n`);
      return exitCode;
    }
    const name = this.#command === "" ? "microedge" : `microedge ${this.#command}`;
    // A remote's words among them: not even a line end of theirs, they could pose as our lines.
    const lines = [`${name}: ${escapeUnprintable(failure.message)}`];
    for (const { line, key, message } of failure.problems ?? []) {
      const where = line === undefined ? "" : `line ${line}: `;
      lines.push(`  ${where}${escapeUnprintable(`${key} ${message}`)}`);
    }
    for (const { code, words, fix } of failure.reasons ?? []) {
      lines.push(`  - ${escapeUnprintable(words)} (${code})`, `    fix: ${escapeUnprintable(fix)}`);
    }
    lines.push(`  fix: ${escapeUnprintable(failure.hint)}`, `  code: ${failure.code}`);
    if (exitCode === EXIT.bug) lines.push(harmless(stackText(thrown)));
    this.#terminal.stderr.write(`${lines.join("\n")}\n`);
    return exitCode;
  }

  #document(fields: JsonFields): void {
    const document = { schema: JSON_SCHEMA, command: this.#command, ...fields };
    // What is unprintable stands within strings only: escaped, it is the same document.
    this.#terminal.stdout.write(`${escapeUnprintable(JSON.stringify(document, writable))}\n`);
  }
}

/** Line ends, tabs and our own colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences that we write
const OURS = /(\n|\t|\u001b\[[0-9;]*m)/;

/** `text` without what could steer a terminal: titles, cursors, reports, writing direction. */
function harmless(text: string): string {
  return text
    .split(OURS)
    .map((part, index) => (index % 2 === 1 ? part : escapeUnprintable(part)))
    .join("");
}

/** A program gets a result as it is; a terminal gets what it can show. */
function shown(out: Output, text: (out: Output) => string | Uint8Array): string | Uint8Array {
  const written = text(out);
  return typeof written === "string" && out.isTerminal ? harmless(written) : written;
}

export interface FailureView {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Everything that is wrong with a configuration. */
  readonly problems?: ConfigError["problems"];
  /** Everything that is wrong with a certificate. */
  readonly reasons?: readonly Reason[];
  /** What the called service answered. */
  readonly remote?: MicroError;
}

/** What an error says to people and programs. The cause stays out: it is for the agent's log. */
export function describe(thrown: unknown): FailureView {
  if (!isAgentError(thrown)) {
    return {
      code: "ERR_INTERNAL",
      message: `this is a bug in microedge: ${errorText(thrown)}`,
      hint: "report it with the stack and `microedge version --build-info`",
    };
  }
  const { code, message, hint } = thrown;
  const fix = thrown.fields["fix"];
  const said = { code, message, hint: typeof fix === "string" ? fix : hint };
  if (thrown instanceof RemoteError) return { ...said, remote: thrown.remote };
  if (thrown instanceof CandidateRefused) {
    const { reasons } = thrown;
    const count = `${reasons.length} reason${reasons.length === 1 ? "" : "s"}`;
    return { ...said, message: `the certificate is refused for ${count}`, reasons };
  }
  if (!(thrown instanceof ConfigError)) return said;
  const count = thrown.problems.length;
  const where = thrown.file ?? "the configuration";
  return {
    ...said,
    message: `${count} problem${count === 1 ? "" : "s"} in ${where}`,
    problems: thrown.problems,
  };
}

/** Maps and exact integers, which JSON.stringify does not know. */
function writable(_member: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  return typeof value === "bigint" ? value.toString() : value;
}
