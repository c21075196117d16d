/**
 * `microedge cert show`: the certificate that is in force.
 */
import { openDesk } from "../certificates/desk.ts";
import { formatOwnCertificate } from "../certificates/format.ts";
import { command } from "../command.ts";

export const certShowCommand = command({
  name: "cert show",
  summary: "show the device's own certificate, where its key is and who uses it",
  detail:
    "Asks the running agent, which tells what it really uses; without one, what the store holds. Never shows a private key.",
  options: {},
  examples: ["microedge cert show", "microedge cert show --json"],
  async run({ terminal, report, configFile }) {
    await using desk = await openDesk(terminal, configFile);
    const view = await desk.certificates.show();
    const nowMs = terminal.clock.now();
    const expiresInMs = view.leaf.notAfter - nowMs;
    return report.result({ running: desk.running, ...view, expiresInMs }, (out) =>
      formatOwnCertificate(view, out, nowMs),
    );
  },
});
