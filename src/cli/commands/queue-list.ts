/**
 * `microedge queue list`: what the device still has to do.
 */
import { command } from "../command.ts";
import { formatQueue } from "../queue/format.ts";
import { openQueueDesk } from "../queue/queue-desk.ts";

export const queueListCommand = command({
  name: "queue list",
  summary: "list what the device still has to do: renewals, installations, reports",
  detail:
    "Everything that waits or runs, and of each kind the last that has ended. Works with the agent running and stopped.",
  options: {},
  examples: ["microedge queue list", "microedge queue list --json"],
  async run({ terminal, report, configFile }) {
    await using desk = await openQueueDesk(terminal, configFile);
    const list = await desk.queue.list();
    return report.result({ ...list }, (out) => formatQueue(list, out, terminal.clock.now()));
  },
});
