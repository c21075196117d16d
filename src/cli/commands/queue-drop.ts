/**
 * `microedge queue drop`: an intent is given up.
 */
import { command } from "../command.ts";
import { openQueueDesk } from "../queue/queue-desk.ts";

export const queueDropCommand = command({
  name: "queue drop",
  summary: "take an intent out of the queue",
  detail:
    "An attempt under way is told to stop. A renewal that is dropped is not renewed by anything else until the agent finds the certificate due again.",
  positionals: [{ name: "ID", doc: "as `microedge queue list` shows it: report-12" }],
  options: {},
  examples: ["microedge queue drop report-12"],
  async run({ terminal, report, configFile, positionals: [id = ""] }) {
    await using desk = await openQueueDesk(terminal, configFile);
    const entry = await desk.queue.drop(id);
    return report.result({ ...entry }, () => `${entry.id} is dropped; it was ${entry.state}`);
  },
});
