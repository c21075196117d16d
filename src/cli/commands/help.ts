/**
 * `microedge help`: the overview, one family of commands, or one command.
 */
import { usage } from "../arguments.ts";
import type { Command } from "../command.ts";
import { command } from "../command.ts";
import { formatCommandHelp, formatOverview } from "../help.ts";
import { suggestion } from "../suggestion.ts";

/** @param all Asked when the command runs, since the table holds this command too. */
export function helpCommand(all: () => readonly Command[]): Command {
  return command({
    name: "help",
    summary: "explain the commands, or one of them",
    positionals: [
      { name: "COMMAND", doc: "command, or first word of several", optional: true },
      { name: "VERB", doc: "second word of the command", optional: true },
    ],
    options: {},
    examples: ["microedge help", "microedge help pki issue"],
    async run({ report, positionals }) {
      const commands = all();
      const asked = positionals.join(" ");
      const text = helpText(asked, commands);
      return report.result({ help: text }, () => text);
    },
  });
}

function helpText(asked: string, commands: readonly Command[]): string {
  if (asked === "") return formatOverview(commands);
  const one = commands.find(({ name }) => name === asked);
  if (one !== undefined) return formatCommandHelp(one);
  if (commands.some(({ name }) => name.startsWith(`${asked} `))) {
    return formatOverview(commands, asked);
  }
  const names = commands.map(({ name }) => name);
  throw usage(`there is no command "${asked}"${suggestion(asked, names)}`, "microedge help");
}
