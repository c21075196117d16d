/**
 * `microedge cert import`: gives the device a certificate, with the agent running or not.
 */
import type { InstallView } from "../../sidecar/certificate-operations.ts";
import { usage } from "../arguments.ts";
import { openDesk } from "../certificates/desk.ts";
import { IMPORT_OPTIONS, readImport } from "../certificates/files.ts";
import { endWords, stateWords } from "../certificates/format.ts";
import { openPushDesk } from "../certificates/push-desk.ts";
import { command } from "../command.ts";
import { columns } from "../format/table.ts";

const HELP = "microedge help cert import";

export const certImportCommand = command({
  name: "cert import",
  summary: "put a certificate, its key and trust bundle into the certificate store, and in force",
  detail:
    "Checks everything first and lists all that is wrong, each with what to do about it; then nothing has changed. Returns when the new generation is on the disk and in force: a running agent swaps to it without dropping a connection. The key is sealed in the store; delete the file afterwards. With --later it returns as soon as everything is on the disk, and prints the entry of the queue: the agent, or its next start, puts it in force as soon as it may, a certificate that begins in the future when its time has come; `microedge queue list` says what it waits for.",
  options: {
    ...IMPORT_OPTIONS,
    later: {
      type: "boolean",
      doc: "only make it durable; the agent puts it in force as soon as it may",
    },
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
    "microedge cert import --cert next-year.crt --key next-year.key --later",
  ],
  async run({ terminal, report, configFile, options }) {
    if (options.later && options["dry-run"]) {
      throw usage("--later and --dry-run exclude another", HELP);
    }
    const { notes, ...files } = await readImport(terminal, options, HELP);
    if (options.later) {
      await using desk = await openPushDesk(terminal, configFile);
      const accepted = await desk.pushes.installLater({ ...files, force: options.force });
      const all = { ...accepted, notes, running: desk.running };
      return report.result(all, () => formatAccepted(all));
    }
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

function formatAccepted(view: {
  readonly id: string;
  readonly notes: readonly string[];
  readonly running: boolean;
}): string {
  const who = view.running
    ? "the running agent puts it in force as soon as it may"
    : "the agent will put it in force when it starts";
  const rows: [string, string][] = [
    ["certificate", "on the disk"],
    ["queue", `${view.id}; \`microedge queue list\` says what it waits for`],
    ["agent", who],
  ];
  for (const note of view.notes) rows.push(["note", note]);
  return columns(rows);
}

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
