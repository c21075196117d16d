/**
 * What a command is: its name, its words for the help page, its options with types, and the function
 * that runs it. Help, completion, `docs/cli.md` and the parser all read this one description.
 */
import type { Report } from "./report.ts";
import type { Terminal } from "./terminal.ts";

export interface OptionSpec {
  readonly type: "boolean" | "string";
  /** May be given more than once. */
  readonly multiple?: true;
  /** What stands for the value in help: `FILE`, `HOST:PORT`. */
  readonly value?: string;
  readonly doc: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export type OptionValues<O extends OptionSpecs> = {
  readonly [Name in keyof O]: O[Name] extends { readonly type: "boolean" }
    ? boolean
    : O[Name] extends { readonly multiple: true }
      ? readonly string[]
      : string | undefined;
};

export interface PositionalSpec {
  /** In capitals, as help shows it. */
  readonly name: string;
  readonly doc: string;
  readonly optional?: true;
}

export interface Invocation<O extends OptionSpecs> {
  readonly terminal: Terminal;
  readonly report: Report;
  /** `--config`, as typed. */
  readonly configFile: string | undefined;
  readonly json: boolean;
  readonly options: OptionValues<O>;
  /** As many as are required, at least; never more than are named. */
  readonly positionals: readonly string[];
}

export interface CommandSpec<O extends OptionSpecs> {
  /** One word or two, as typed: `status`, `pki init`. */
  readonly name: string;
  /** One line, imperative, no full stop. */
  readonly summary: string;
  /** Paragraphs for the help page. */
  readonly detail?: string;
  readonly positionals?: readonly PositionalSpec[];
  readonly options: O;
  readonly examples: readonly string[];
  /** Resolves to the exit code. Throws `AgentError` for what it can't do. */
  run(invocation: Invocation<O>): Promise<number>;
}

/** A command whose option types are known only to itself. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly detail: string;
  readonly positionals: readonly PositionalSpec[];
  readonly options: OptionSpecs;
  readonly examples: readonly string[];
  run(invocation: Invocation<OptionSpecs>): Promise<number>;
}

/** Ties the options of a command to the values that its function gets. */
export function command<const O extends OptionSpecs>(spec: CommandSpec<O>): Command {
  return {
    name: spec.name,
    summary: spec.summary,
    detail: spec.detail ?? "",
    positionals: spec.positionals ?? [],
    options: spec.options,
    examples: spec.examples,
    // The parser fills `options` by the very specs that O is made of.
    run: (invocation) => spec.run(invocation as Invocation<O>),
  };
}

/** Options that every command takes. */
export const GLOBAL_OPTIONS = {
  config: {
    type: "string",
    value: "FILE",
    doc: "configuration file; default: /etc/microedge/microedge.toml, then ./microedge.toml",
  },
  json: { type: "boolean", doc: "one JSON document on stdout instead of text" },
  help: { type: "boolean", doc: "how to use the command" },
} as const satisfies OptionSpecs;
