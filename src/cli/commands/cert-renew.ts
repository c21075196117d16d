/**
 * `microedge cert renew`: renews the certificate now, or says when it will be.
 */
import type { RenewalView } from "../../rotation/renewal-ports.ts";
import type { RenewedView } from "../../sidecar/renewal-operations.ts";
import { usage } from "../arguments.ts";
import { endWords } from "../certificates/format.ts";
import { openRenewalDesk } from "../certificates/renewal-desk.ts";
import { command } from "../command.ts";
import { columns } from "../format/table.ts";

export const certRenewCommand = command({
  name: "cert renew",
  summary: "renew the certificate now, or say when it will be renewed",
  detail:
    "The agent renews by itself; this is for when you can't wait. Returns when the new certificate is on the disk and in force. When the authority can't be reached the wish stays in the queue and is tried again by itself.",
  options: {
    now: { type: "boolean", doc: "renew now, due or not" },
    "dry-run": { type: "boolean", doc: "only say when and why it would be renewed" },
  },
  examples: ["microedge cert renew --now", "microedge cert renew --dry-run --json"],
  async run({ terminal, report, configFile, options }) {
    if (options.now === options["dry-run"]) {
      throw usage("give --now or --dry-run, one of them", "microedge help cert renew");
    }
    await using desk = await openRenewalDesk(terminal, configFile);
    const nowMs = terminal.clock.now();
    if (options["dry-run"]) {
      const view = await desk.renewal.view();
      return report.result({ ...view, running: desk.running }, () => formatPlan(view));
    }
    const renewed = await desk.renewal.renew();
    const all = { ...renewed, running: desk.running };
    return report.result(all, () => formatRenewed(renewed, desk.running, nowMs));
  },
});

function formatPlan({ issuer, words, lastError, attempts, remarks }: RenewalView): string {
  const rows: [string, string][] = [
    ["authority", issuer],
    ["renewal", words],
    ["attempts", String(attempts)],
  ];
  if (lastError !== undefined) rows.push(["last error", lastError]);
  for (const remark of remarks) rows.push(["remark", remark]);
  return columns(rows);
}

function formatRenewed(
  { generation, leaf, remarks, renewal }: RenewedView,
  running: boolean,
  nowMs: number,
): string {
  const rows: [string, string][] = [
    ["certificate", `renewed: generation ${generation} is in force`],
    ["subject", leaf.subject],
    ["serial", leaf.serial],
    ["ends", endWords(leaf.notAfter, nowMs)],
    ["agent", running ? "the running agent uses it" : "the agent will use it when it starts"],
    ["next", renewal.words],
  ];
  for (const remark of remarks) rows.push(["remark", remark]);
  return columns(rows);
}
