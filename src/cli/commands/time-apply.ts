/**
 * `microedge time apply`: hands a signed time statement to the agent.
 */
import { formatMoment } from "../../identity/span-words.ts";
import { command } from "../command.ts";
import { agentOf } from "../configuration.ts";
import { columns } from "../format/table.ts";
import { readCarriedText } from "../time/carried-text.ts";

export const timeApplyCommand = command({
  name: "time apply",
  summary: "give the agent a time statement that the fleet has signed",
  detail:
    "Answers `microedge time challenge`. It counts once; what is wrong with one that does not count is said with a code of docs/time.md. The machine's clock is not set by it.",
  positionals: [{ name: "FILE", doc: "the statement, JSON; - for stdin" }],
  options: {},
  examples: ["microedge time apply statement.json", "sign-time | microedge time apply -"],
  async run({ terminal, report, configFile, positionals: [name = ""] }) {
    const agent = await agentOf(terminal, configFile);
    const { floorMs, loweredFromMs } = await agent.time.apply(
      await readCarriedText(terminal, name),
    );
    return report.result({ floorMs, loweredFromMs }, () => {
      const lowered =
        loweredFromMs === undefined ? "" : `, lowered from ${formatMoment(loweredFromMs)}`;
      return columns([["floor", `${formatMoment(floorMs)}, by the fleet${lowered}`]]);
    });
  },
});
