/**
 * `microedge queue retry`: an intent is tried at once.
 */
import { command } from "../command.ts";
import { openQueueDesk } from "../queue/queue-desk.ts";

export const queueRetryCommand = command({
  name: "queue retry",
  summary: "try an intent of the queue at once, also one that failed for good",
  detail: "Without an agent it is tried when the agent starts.",
  positionals: [{ name: "ID", doc: "as `microedge queue list` shows it: renew-7" }],
  options: {},
  examples: ["microedge queue retry renew-7"],
  async run({ terminal, report, configFile, positionals: [id = ""] }) {
    await using desk = await openQueueDesk(terminal, configFile);
    const { running } = desk;
    const entry = await desk.queue.retry(id);
    const when = running ? "it is tried now" : "it is tried when the agent starts";
    return report.result({ ...entry }, () => `${entry.id}: ${when}`);
  },
});
