/**
 * One command line, from words to exit code. Nothing that a command throws gets past this function.
 */
import { asksForJson, parseLine } from "./arguments.ts";
import type { Command } from "./command.ts";
import { EXIT } from "./exit-codes.ts";
import { formatCommandHelp, formatOverview } from "./help.ts";
import { Report } from "./report.ts";
import type { Terminal } from "./terminal.ts";

/** Runs what `words` ask for and resolves to the exit code. */
export async function runCommandLine(
  words: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
): Promise<number> {
  let report = new Report(terminal, asksForJson(words), "");
  try {
    if (words.length === 1 && words[0] === "--version")
      return await runCommandLine(["version"], commands, terminal);
    const line = parseLine(words, commands);
    if (line.command === undefined) {
      // Help that was asked for is a result; help in place of a command is an error.
      const output = line.help ? terminal.stdout : terminal.stderr;
      output.write(`${formatOverview(commands)}\n`);
      return line.help ? EXIT.ok : EXIT.usage;
    }
    if (line.help) {
      terminal.stdout.write(`${formatCommandHelp(line.command)}\n`);
      return EXIT.ok;
    }
    report = new Report(terminal, line.json, line.command.name);
    return await line.command.run({
      terminal,
      report,
      configFile: line.configFile,
      json: line.json,
      options: line.options as never,
      positionals: line.positionals,
    });
  } catch (thrown) {
    return report.failure(thrown);
  }
}
