/**
 * Help pages and `docs/cli.md`, both made from the command table. Pure.
 */
import type { Command, OptionSpec, OptionSpecs } from "./command.ts";
import { GLOBAL_OPTIONS } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { columns } from "./format/table.ts";

const INTRODUCTION =
  "microedge is an edge agent that speaks go-micro RPC over mutual TLS, and its own command line.";

/** The overview, or only the commands of one family (`pki`). */
export function formatOverview(commands: readonly Command[], family?: string): string {
  const shown = commands.filter(
    (command) => family === undefined || command.name.split(" ")[0] === family,
  );
  const rows = shown.map((command) => [`  ${usageOf(command)}`, command.summary]);
  const lines = [
    ...(family === undefined ? [INTRODUCTION, ""] : []),
    "Usage: microedge COMMAND [OPTIONS]",
    "",
    "Commands:",
    columns(rows),
    "",
    "Options of every command:",
    formatOptions(GLOBAL_OPTIONS),
    "",
    "`microedge help COMMAND` explains one. Try `microedge demo` first.",
  ];
  return lines.join("\n");
}

/** Everything about one command. */
export function formatCommandHelp(command: Command): string {
  const lines = [
    `Usage: microedge ${usageOf(command)} [OPTIONS]`,
    "",
    `${sentence(command.summary)}`,
  ];
  if (command.detail !== "") lines.push("", wrap(command.detail, 88));
  if (command.positionals.length > 0) {
    lines.push("", columns(command.positionals.map(({ name, doc }) => [`  ${name}`, doc])));
  }
  if (Object.keys(command.options).length > 0) {
    lines.push("", "Options:", formatOptions(command.options));
  }
  lines.push("", "Options of every command:", formatOptions(GLOBAL_OPTIONS));
  if (command.examples.length > 0) {
    lines.push("", "Examples:", ...command.examples.map((example) => `  ${example}`));
  }
  return lines.join("\n");
}

/** The whole of `docs/cli.md`. */
export function formatCliPage(commands: readonly Command[]): string {
  const parts = [
    "# Command line",
    "",
    "<!-- Made by `npm run docs` from src/cli/command-table.ts; do not edit. -->",
    "",
    INTRODUCTION,
    "What `--json` prints is in [json-output.md](json-output.md).",
    "",
    "Every command takes these options:",
    "",
    markdownOptions(GLOBAL_OPTIONS),
    "",
    "Commands that need the running agent find it through the control socket that the configuration",
    "names; they must run as the agent's own user, or as root. An agent that uses another configuration",
    "file is not asked.",
    "",
    "## Exit codes",
    "",
    "| code | name | meaning |",
    "|---|---|---|",
    ...EXIT_CODES.map(({ code, name, meaning }) => `| ${code} | ${name} | ${meaning} |`),
    "",
    "## Commands",
    "",
    "| command | what it does |",
    "|---|---|",
    ...commands.map((command) => `| [${command.name}](#${anchor(command)}) | ${command.summary} |`),
  ];
  for (const command of commands) parts.push("", ...commandSection(command));
  return `${parts.join("\n")}\n`;
}

function commandSection(command: Command): string[] {
  const lines = [
    `### microedge ${command.name}`,
    "",
    "```",
    `microedge ${usageOf(command)} [OPTIONS]`,
    "```",
    "",
    sentence(command.summary),
  ];
  if (command.detail !== "") lines.push("", wrap(command.detail, 100));
  const arguments_ = command.positionals.map(({ name, doc }) => `| \`${name}\` | ${cell(doc)} |`);
  if (arguments_.length > 0) lines.push("", "| argument | meaning |", "|---|---|", ...arguments_);
  if (Object.keys(command.options).length > 0) lines.push("", markdownOptions(command.options));
  if (command.examples.length > 0) lines.push("", "```", ...command.examples, "```");
  return lines;
}

function markdownOptions(options: OptionSpecs): string {
  const rows = Object.entries(options).map(
    ([name, spec]) => `| \`${optionUsage(name, spec)}\` | ${cell(spec.doc)} |`,
  );
  return ["| option | meaning |", "|---|---|", ...rows].join("\n");
}

function formatOptions(options: OptionSpecs): string {
  return columns(
    Object.entries(options).map(([name, spec]) => [`  ${optionUsage(name, spec)}`, spec.doc]),
  );
}

function optionUsage(name: string, spec: OptionSpec): string {
  return spec.type === "boolean" ? `--${name}` : `--${name} ${spec.value ?? "VALUE"}`;
}

function usageOf(command: Command): string {
  const places = command.positionals.map(({ name, optional }) =>
    optional === true ? `[${name}]` : name,
  );
  return [command.name, ...places].join(" ");
}

function anchor(command: Command): string {
  return `microedge-${command.name.replaceAll(" ", "-")}`;
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** Breaks paragraphs at `width`; a line that is empty or indented stays as it is. */
function wrap(text: string, width: number): string {
  return text
    .split("\n")
    .map((line) => (line.startsWith(" ") ? line : wrapLine(line, width)))
    .join("\n");
}

function wrapLine(line: string, width: number): string {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current].join("\n");
}
