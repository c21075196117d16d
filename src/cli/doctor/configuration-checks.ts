/**
 * Checks of `doctor` on the configuration, the clock and the handler modules.
 */
import { formatMoment, formatSpan } from "../../identity/span-words.ts";
import { type Check, fail, ok, skipped, warn } from "./check.ts";
import { type Facts, isMissing } from "./facts.ts";

const DAY_MS = 86_400_000;
/** A clock this far after the end of our certificate is more likely wrong than the certificate old. */
const FAR_MS = 5 * 365 * DAY_MS;

export const CONFIGURATION_CHECKS: readonly Check[] = [
  {
    id: "config.valid",
    title: "the configuration can be read and is right",
    needs: [],
    judge({ config }) {
      if (isMissing(config)) {
        return fail(config.missing, "correct it; `microedge config check` lists every problem");
      }
      const [first, ...more] = config.warnings;
      if (first === undefined) return ok(config.config.file);
      const rest = more.length === 0 ? "" : ` (and ${more.length} more)`;
      return warn(`${first.key} ${first.message}${rest}`, "see `microedge config check`");
    },
  },
  {
    id: "clock.sane",
    title: "the clock shows a time that can be",
    needs: [],
    judge(facts) {
      const shown = formatMoment(facts.nowMs);
      if (facts.nowMs < facts.builtAt - DAY_MS) {
        return fail(
          `the clock says ${shown}, but this program is from ${formatMoment(facts.builtAt)}`,
          "set the clock, and let NTP keep it; certificates can't be judged before that",
        );
      }
      const leaf = leafOf(facts);
      if (leaf !== undefined && facts.nowMs > leaf.summary.notAfter + FAR_MS) {
        const after = formatSpan(facts.nowMs - leaf.summary.notAfter);
        return warn(
          `the clock says ${shown}, ${after} after the end of this device's certificate`,
          "check the clock before you replace the certificate",
        );
      }
      return ok(shown);
    },
  },
  {
    id: "insecure.flags",
    title: "nothing weakens security",
    needs: ["config.valid"],
    judge({ config }) {
      if (isMissing(config)) return skipped("no configuration");
      const { verification, tls } = config.config;
      const weak = verification.insecurities.map(({ key }) => key);
      if (verification.inbound === "observe") weak.push('tls.verify = "observe"');
      if (tls.minVersion === "1.2") weak.push('tls.minVersion = "1.2"');
      if (weak.length === 0) return ok("peers are enforced, TLS 1.3");
      return warn(`weakened by ${weak.join(", ")}`, "remove these as soon as the peers allow it");
    },
  },
  {
    id: "handlers.modules",
    title: "the handler modules are there",
    needs: ["config.valid"],
    judge({ handlers, uid }) {
      if (handlers.length === 0) return skipped("no [[handlers]] in the configuration");
      const faults = handlers.flatMap(({ module, file }) => {
        if (isMissing(file)) return [`${module}: ${file.missing}`];
        if (file.kind !== "file") return [`${module} is not a file`];
        // Whoever can write the module runs code as the agent.
        if ((file.mode & 0o022) !== 0) return [`${module} can be written by others`];
        if (file.uid !== 0 && file.uid !== uid) return [`${module} belongs to another user`];
        return [];
      });
      if (faults.length === 0) return ok(handlers.map(({ module }) => module).join(", "));
      return fail(faults.join("; "), "put the module there, owned by root or the agent, mode 0644");
    },
  },
];

function leafOf({ chain }: Facts) {
  return isMissing(chain) ? undefined : chain[0];
}
