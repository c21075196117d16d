/**
 * From words on the command line to a command and its options. Pure.
 *
 * A value may follow its option as the next word or after `=`; `--` ends the options; global options
 * may stand before the command. Everything that is not understood is an `ERR_USAGE` that names the
 * word and, where there is one, what was probably meant.
 */
import { parseArgs } from "node:util";
import { AgentError } from "../base/errors.ts";
import type { Command, OptionSpecs } from "./command.ts";
import { GLOBAL_OPTIONS } from "./command.ts";
import { suggestion } from "./suggestion.ts";

export interface ParsedLine {
  /** `undefined` when no command was named. */
  readonly command: Command | undefined;
  readonly json: boolean;
  readonly help: boolean;
  readonly configFile: string | undefined;
  readonly options: Readonly<Record<string, boolean | string | readonly string[] | undefined>>;
  readonly positionals: readonly string[];
}

/** @throws AgentError `ERR_USAGE`. */
export function parseLine(words: readonly string[], commands: readonly Command[]): ParsedLine {
  const { leading, rest } = splitGlobals(words);
  const command = findCommand(rest, commands);
  const tail = command === undefined ? rest : rest.slice(command.name.split(" ").length);
  const specs: OptionSpecs = { ...GLOBAL_OPTIONS, ...command?.options };
  const { values, positionals } = parseOptions([...leading, ...tail], specs, command?.name);
  const help = values.get("help") === true;
  if (command !== undefined && !help) checkPositionals(command, positionals);
  const configFile = values.get("config");
  return {
    command,
    json: values.get("json") === true,
    help,
    configFile: typeof configFile === "string" ? configFile : undefined,
    options: Object.fromEntries(
      Object.entries(command?.options ?? {}).map(([name, spec]) => {
        const absent = spec.type === "boolean" ? false : spec.multiple === true ? [] : undefined;
        return [name, values.get(name) ?? absent];
      }),
    ),
    positionals,
  };
}

/** Whether JSON was asked for, also of a line that can't be parsed: its error has to be JSON too. */
export function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end === -1 ? words : words.slice(0, end)).includes("--json");
}

/** Global options that stand before the command. */
function splitGlobals(words: readonly string[]): {
  leading: readonly string[];
  rest: readonly string[];
} {
  let at = 0;
  while (at < words.length) {
    const word = words[at] ?? "";
    if (word === "--config") at += 2;
    else if (word.startsWith("-") && word !== "--" && word !== "-") at += 1;
    else break;
  }
  return { leading: words.slice(0, at), rest: words.slice(at) };
}

function findCommand(rest: readonly string[], commands: readonly Command[]): Command | undefined {
  const [first, second] = rest;
  if (first === undefined) return undefined;
  const two = commands.find((command) => command.name === `${first} ${second ?? ""}`);
  const found = two ?? commands.find((command) => command.name === first);
  if (found !== undefined) return found;
  const family = commands.filter((command) => command.name.startsWith(`${first} `));
  if (family.length > 0) {
    const verbs = family.map((command) => command.name.slice(first.length + 1));
    const said =
      second === undefined || second.startsWith("-")
        ? `"${first}" needs one of: ${verbs.join(", ")}`
        : `"${first}" has no "${second}"; it has: ${verbs.join(", ")}`;
    throw usage(said, `microedge help ${first}`);
  }
  const firstWords = commands.map((command) => command.name.split(" ")[0] ?? "");
  throw usage(
    `there is no command "${first}"${suggestion(first, new Set(firstWords))}`,
    "microedge help",
  );
}

function parseOptions(
  words: readonly string[],
  specs: OptionSpecs,
  commandName: string | undefined,
): {
  values: ReadonlyMap<string, boolean | string | readonly string[]>;
  positionals: readonly string[];
} {
  const { tokens } = parseArgs({
    args: joinValues(words, specs),
    options: Object.fromEntries(
      Object.entries(specs).map(([name, spec]) => [
        name,
        { type: spec.type, ...(name === "help" ? { short: "h" } : {}) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const help = commandName === undefined ? "microedge help" : `microedge help ${commandName}`;
  const values = new Map<string, boolean | string | readonly string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) throw unknownOption(token.rawName, specs, commandName, help);
    if (spec.type === "boolean") {
      if (token.value !== undefined) throw usage(`${token.rawName} takes no value`, help);
      values.set(token.name, true);
      continue;
    }
    if (token.value === undefined || token.value === "") {
      throw usage(
        `${token.rawName} needs a value: ${token.rawName} ${spec.value ?? "VALUE"}`,
        help,
      );
    }
    const before = values.get(token.name);
    if (spec.multiple === true) {
      values.set(token.name, [...(Array.isArray(before) ? before : []), token.value]);
    } else if (before === undefined) {
      values.set(token.name, token.value);
    } else {
      throw usage(`${token.rawName} was given twice`, help);
    }
  }
  return { values, positionals };
}

/**
 * Joins an option that takes a value with the word after it, so that a value beginning with `-` is a
 * value and one that is missing stays missing when another option follows.
 */
function joinValues(words: readonly string[], specs: OptionSpecs): string[] {
  const joined: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "--") return [...joined, ...words.slice(at)];
    const name = word.startsWith("--") ? word.slice(2) : "";
    if (!Object.hasOwn(specs, name) || specs[name]?.type !== "string") {
      joined.push(word);
      continue;
    }
    const next = words[at + 1];
    const missing = next === undefined || next.startsWith("--");
    joined.push(`${word}=${missing ? "" : next}`);
    if (!missing) at += 1;
  }
  return joined;
}

function unknownOption(
  rawName: string,
  specs: OptionSpecs,
  commandName: string | undefined,
  help: string,
): AgentError {
  const whose = commandName === undefined ? "" : ` of "${commandName}"`;
  const guess = suggestion(rawName.replace(/^-+/, ""), Object.keys(specs), "--");
  return usage(`${rawName} is not an option${whose}${guess}`, help);
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const help = `microedge help ${command.name}`;
  const missing = command.positionals.find(
    (spec, at) => spec.optional !== true && positionals[at] === undefined,
  );
  if (missing !== undefined) {
    throw usage(`"${command.name}" needs ${missing.name}: ${missing.doc}`, help);
  }
  const extra = positionals[command.positionals.length];
  if (extra !== undefined) throw usage(`"${command.name}" has no use for "${extra}"`, help);
}

/** A mistake on the command line, with the command that explains how to do it right. */
export function usage(message: string, help: string): AgentError {
  return new AgentError("ERR_USAGE", message, { fields: { fix: `see \`${help}\`` } });
}
