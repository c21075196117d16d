/**
 * `microedge reload`: reads configuration and TLS files again, and says what that changed.
 */
import { command } from "../command.ts";
import { agentOf } from "../configuration.ts";

export const reloadCommand = command({
  name: "reload",
  summary: "let the running agent read its configuration and TLS files again",
  detail:
    "As SIGHUP does, but says what changed. A configuration that is wrong is refused, and the old one stays in force.",
  options: {},
  examples: ["microedge reload"],
  async run({ terminal, report, configFile }) {
    const agent = await agentOf(terminal, configFile);
    const { applied, needRestart } = await agent.reload();
    return report.result({ applied, needRestart }, () => {
      const lines = [
        applied.length === 0 ? "nothing changed at once" : `in force now: ${applied.join(", ")}`,
      ];
      if (needRestart.length > 0) lines.push(`at the next start: ${needRestart.join(", ")}`);
      return lines.join("\n");
    });
  },
});
