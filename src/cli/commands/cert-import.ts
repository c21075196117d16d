/**
 * `microedge cert import`: gives the device a certificate, with the agent running or not.
 */
import type { InstallView } from "../../sidecar/certificate-operations.ts";
import { openDesk } from "../certificates/desk.ts";
import { IMPORT_OPTIONS, readImport } from "../certificates/files.ts";
import { endWords, stateWords } from "../certificates/format.ts";
import { command } from "../command.ts";
import { columns } from "../format/table.ts";

const HELP = "microedge help cert import";

export const certImportCommand = command({
  name: "cert import",
  summary: "put a certificate, its key and trust bundle into the certificate store, and in force",
  detail:
    "Checks everything first and lists all that is wrong, each with what to do about it; then nothing has changed. Returns when the new generation is on the disk and in force: a running agent swaps to it without dropping a connection. The key is sealed in the store; delete the file afterwards.",
  options: {
    ...IMPORT_OPTIONS,
    "dry-run": { type: "boolean", doc: "only say what would come of it" },
    force: {
      type: "boolean",
      doc: "take also what fell back before, what is older than the one in force, and another name",
    },
  },
  examples: [
    "microedge cert import --cert device.crt --key device.key --ca roots.pem",
    "microedge cert import --pkcs12 device.p12 --passphrase-file secret.txt --ca roots.pem",
    "microedge cert import --cert renewed.crt",
  ],
  async run({ terminal, report, configFile, options }) {
    const { notes, ...files } = await readImport(terminal, options, HELP);
    await using desk = await openDesk(terminal, configFile);
    const view = await desk.certificates.install({
      ...files,
      dryRun: options["dry-run"],
      force: options.force,
    });
    const all = { ...view, notes: [...notes, ...view.notes], running: desk.running };
    return report.result(all, () => formatInstall(all, terminal.clock.now()));
  },
});

const OUTCOME = {
  installed: "in force",
  unchanged: "in force already; nothing was written",
  checked: "good; nothing was changed (--dry-run)",
} as const;

function formatInstall(view: InstallView & { readonly running: boolean }, nowMs: number): string {
  const { outcome, identity, leaf, warnings, notes, running } = view;
  const rows: [string, string][] = [
    ["certificate", OUTCOME[outcome]],
    ["subject", leaf.subject],
    ["serial", leaf.serial],
    ["ends", endWords(leaf.notAfter, nowMs)],
  ];
  if (outcome !== "checked") rows.push(["state", stateWords(identity)]);
  if (outcome === "installed") {
    const who = running ? "the running agent uses it" : "the agent will use it when it starts";
    rows.push(["agent", who]);
  }
  for (const { words } of warnings) rows.push(["warning", words]);
  for (const note of notes) rows.push(["note", note]);
  return columns(rows);
}
