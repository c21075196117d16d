/**
 * `microedge cert history`: the generations that the store still holds.
 */
import { openDesk } from "../certificates/desk.ts";
import { formatHistory } from "../certificates/format.ts";
import { command } from "../command.ts";

export const certHistoryCommand = command({
  name: "cert history",
  summary: "list the generations in the certificate store, and why bad ones are bad",
  options: {},
  examples: ["microedge cert history", "microedge cert history --json"],
  async run({ terminal, report, configFile }) {
    await using desk = await openDesk(terminal, configFile);
    const generations = await desk.certificates.history();
    return report.result({ generations }, () => formatHistory(generations, terminal.clock.now()));
  },
});
