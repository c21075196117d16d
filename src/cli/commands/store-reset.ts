/**
 * `microedge store reset`: factory reset, and the end of a device.
 */
import { usage } from "../arguments.ts";
import { openStoreOf } from "../certificates/desk.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";

export const storeResetCommand = command({
  name: "store reset",
  summary: "destroy the device's keys and certificates, and begin afresh",
  detail:
    "Removes every key, certificate and trust bundle and begins a new epoch: what was signed for the old one is worth nothing in the new. The agent must be stopped first; started again, it waits for a certificate. With --decommission also what seals the keys is destroyed, so that copies of the old store are worth nothing either. Neither revokes the certificate: tell the authority, with the serial that `microedge cert show` prints.",
  options: {
    yes: { type: "boolean", doc: "required: there is no way back" },
    decommission: {
      type: "boolean",
      doc: "the device is retired: destroy the sealing key as well",
    },
  },
  examples: ["microedge store reset --yes", "microedge store reset --yes --decommission"],
  async run({ terminal, report, configFile, options }) {
    if (!options.yes) {
      throw usage(
        "there is no way back: keys and certificates of this device are destroyed; add --yes",
        "microedge help store reset",
      );
    }
    await using store = await openStoreOf(terminal, configFile);
    const { epoch, sealing } = await store.reset(options.decommission);
    const fields = { epoch, decommissioned: options.decommission, sealing };
    return report.result(
      fields,
      () => {
        const emptied = `the store is empty; its new epoch is ${epoch}`;
        if (sealing === undefined) return emptied;
        if (sealing.complete) return `${emptied}\nthe sealing key is destroyed`;
        return `${emptied}\nleft to do: ${sealing.remains ?? "destroy the sealing key"}`;
      },
      sealing === undefined || sealing.complete ? EXIT.ok : EXIT.no,
    );
  },
});
