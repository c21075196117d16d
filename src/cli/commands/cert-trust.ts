/**
 * `microedge cert trust`: the authorities that peers must come from, and their replacement.
 */
import { usage } from "../arguments.ts";
import { openDesk } from "../certificates/desk.ts";
import { readTextInput } from "../certificates/files.ts";
import { formatTrust } from "../certificates/format.ts";
import { openPushDesk } from "../certificates/push-desk.ts";
import { command } from "../command.ts";
import { parseDuration } from "../format/duration.ts";

const HELP = "microedge help cert trust";
/** As src/rotation/trust-window.ts has it. */
const MAX_OVERLAP_DAYS = 366;
const DAY_MS = 86_400_000;

export const certTrustCommand = command({
  name: "cert trust",
  summary: "list the authorities of the trust bundle, or replace the bundle",
  detail:
    "With --replace the new bundle is refused unless this device's own certificate verifies under it. With --overlap the old authorities count as well for so long, so that peers which have not changed yet are still served; then they leave by themselves. With --update FILE the roots come from trust updates that the fleet has signed (trust.update_keys), one a line; the old ones stay for trust.overlap_days, and as long as this device's own certificate needs them. What can't be in force yet waits in the queue (`queue list`).",
  options: {
    replace: { type: "string", value: "FILE", doc: "the new trust bundle, PEM" },
    update: { type: "string", value: "FILE", doc: "signed trust updates, one a line" },
    overlap: {
      type: "string",
      value: "SPAN",
      doc: "how long the old authorities count as well: 12h, 30d, or a number of days; default 0",
    },
  },
  examples: [
    "microedge cert trust",
    "microedge cert trust --replace roots.pem --overlap 30d",
    "microedge cert trust --update /media/usb/trust-updates.jsonl",
  ],
  async run({ terminal, report, configFile, options }) {
    if (options.replace === undefined && options.overlap !== undefined) {
      throw usage("--overlap goes with --replace", HELP);
    }
    if (options.update !== undefined) {
      if (options.replace !== undefined)
        throw usage("--update and --replace exclude another", HELP);
      const text = await readTextInput(terminal, options.update, "--update");
      await using desk = await openPushDesk(terminal, configFile);
      const taken = await desk.pushes.takeTrust(text);
      return report.result({ ...taken }, () => taken.words);
    }
    await using desk = await openDesk(terminal, configFile);
    const trust =
      options.replace === undefined
        ? await desk.certificates.trust()
        : await desk.certificates.replaceTrust(
            await readTextInput(terminal, options.replace, "--replace"),
            parseOverlap(options.overlap),
          );
    return report.result({ ...trust }, () => formatTrust(trust, terminal.clock.now()));
  },
});

/** Milliseconds. @throws AgentError `ERR_USAGE`. */
function parseOverlap(text: string | undefined): number {
  if (text === undefined) return 0;
  const spanMs = /^\d+$/.test(text) ? Number(text) * DAY_MS : parseDuration(text);
  if (spanMs !== undefined && spanMs <= MAX_OVERLAP_DAYS * DAY_MS) return spanMs;
  throw usage(
    `--overlap must be a span like 12h or 30d, or a whole number of days, up to ${MAX_OVERLAP_DAYS} days; not "${text}"`,
    HELP,
  );
}
