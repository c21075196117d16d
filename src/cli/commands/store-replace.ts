/**
 * `microedge store replace`: another device takes this one's name.
 */

import { usage } from "../arguments.ts";
import { openStoreOf } from "../certificates/desk.ts";
import { IMPORT_OPTIONS, readImport } from "../certificates/files.ts";
import { endWords } from "../certificates/format.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { columns } from "../format/table.ts";

const HELP = "microedge help store replace";

export const storeReplaceCommand = command({
  name: "store replace",
  summary: "give the device a new key under its old name, and destroy what it had",
  detail:
    "For a device that was exchanged, or whose key may have been copied: the new certificate must carry the name of the one in force and another key. It is checked first; then the store is emptied, a new epoch begins, and the new certificate is generation 1. The agent must be stopped first. Afterwards have the authority revoke the serial that is printed, and add it to revocation.deny of the peers.",
  options: {
    ...IMPORT_OPTIONS,
    yes: { type: "boolean", doc: "required: the old keys are destroyed" },
  },
  examples: ["microedge store replace --yes --cert new.crt --key new.key --ca roots.pem"],
  async run({ terminal, report, configFile, options }) {
    if (!options.yes) throw usage("the old keys are destroyed; add --yes", HELP);
    const { notes, ...files } = await readImport(terminal, options, HELP);
    await using store = await openStoreOf(terminal, configFile);
    const { replaced, installed } = await store.replace(files);
    const { epoch } = installed.identity;
    const fields = { epoch, replaced, ...installed, notes: [...notes, ...installed.notes] };
    return report.result(
      fields,
      () =>
        columns([
          ["certificate", "in force; the agent will use it when it starts"],
          ["subject", installed.leaf.subject],
          ["serial", installed.leaf.serial],
          ["ends", endWords(installed.leaf.notAfter, terminal.clock.now())],
          ["epoch", epoch ?? ""],
          [
            "left to do",
            `have the authority revoke serial ${replaced.serial} of ${replaced.issuer}`,
          ],
        ]),
      EXIT.ok,
    );
  },
});
