/**
 * `microedge key list`: the keys of the store, by their public halves.
 */
import { openDesk } from "../certificates/desk.ts";
import { formatKeys } from "../certificates/format.ts";
import { command } from "../command.ts";

export const keyListCommand = command({
  name: "key list",
  summary: "list the keys in the certificate store, by their public halves",
  options: {},
  examples: ["microedge key list"],
  async run({ terminal, report, configFile }) {
    await using desk = await openDesk(terminal, configFile);
    const keys = await desk.certificates.keys();
    return report.result({ keys }, () => formatKeys(keys));
  },
});
