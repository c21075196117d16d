/**
 * `microedge completion`: a completion script for a shell.
 */
import { usage } from "../arguments.ts";
import type { Command } from "../command.ts";
import { command } from "../command.ts";
import { bashCompletion, zshCompletion } from "../completion.ts";

/** @param all Asked when the command runs, since the table holds this command too. */
export function completionCommand(all: () => readonly Command[]): Command {
  return command({
    name: "completion",
    summary: "print a completion script for bash or zsh",
    positionals: [{ name: "SHELL", doc: "bash or zsh" }],
    options: {},
    examples: ["source <(microedge completion bash)"],
    async run({ report, positionals: [shell] }) {
      if (shell !== "bash" && shell !== "zsh") {
        throw usage(`SHELL must be bash or zsh, not "${shell}"`, "microedge help completion");
      }
      const script = shell === "bash" ? bashCompletion(all()) : zshCompletion(all());
      return report.result({ script }, () => script);
    },
  });
}
