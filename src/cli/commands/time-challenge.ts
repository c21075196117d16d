/**
 * `microedge time challenge`: what the fleet is to sign, with the time.
 */

import { command } from "../command.ts";
import { agentOf } from "../configuration.ts";
import { formatDuration } from "../format/duration.ts";
import { columns } from "../format/table.ts";

export const timeChallengeCommand = command({
  name: "time challenge",
  summary: "draw what a time statement of the fleet must answer",
  detail:
    "For a device whose clock is wrong and can't be set otherwise. Needs the running agent, a certificate store, and a key under time.fleet_keys. The answer counts once, within ten minutes, and not after a restart. `microedge fleet time` answers it, on the machine of whoever holds the key.",
  options: {},
  examples: ["microedge time challenge --json"],
  async run({ terminal, report, configFile }) {
    const agent = await agentOf(terminal, configFile);
    const { device, epoch, nonce, forMs } = await agent.time.challenge();
    return report.result({ device, epoch, nonce, forMs }, () =>
      columns([
        ["device", device],
        ["epoch", epoch],
        ["nonce", nonce],
        ["answer within", formatDuration(forMs)],
      ]),
    );
  },
});
