/**
 * `microedge fleet verify`: what a chain of trust updates tells devices, line by line.
 */
import { resolve } from "node:path";
import { AgentError } from "../../base/errors.ts";
import { formatMoment } from "../../identity/span-words.ts";
import { usage } from "../arguments.ts";
import { readTextInput } from "../certificates/files.ts";
import { endWords } from "../certificates/format.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { readChain } from "../fleet/chain-file.ts";
import type { UpdateReview } from "../fleet/chain-review.ts";
import { columns } from "../format/table.ts";

const HELP = "microedge help fleet verify";

export const fleetVerifyCommand = command({
  name: "fleet verify",
  summary: "explain each line of a chain of trust updates, and check who signed it",
  detail:
    "Needs no agent, no store, no configuration and no private key. Exit code 1 when a device with these keys would refuse a line for its signature or its place, or when the last one has ended.",
  positionals: [{ name: "FILE", doc: "the chain, a line each" }],
  options: {
    key: {
      type: "string",
      multiple: true,
      value: "KEY",
      doc: "who may sign, ed25519:... as in trust.update_keys; may be given more than once",
    },
    from: {
      type: "string",
      value: "FILE",
      doc: "the trust bundle that devices have before the first update, PEM: checks that it follows",
    },
  },
  examples: [
    "microedge fleet verify trust-updates.jsonl --key ed25519:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw= --from old-root.pem",
  ],
  async run({ terminal, report, options, positionals: [file = ""] }) {
    if (options.key.length === 0) throw usage("say who may sign: --key ed25519:...", HELP);
    const [{ parseFleetKey }, { parseTrustUpdates }, { faultOf, reviewChain }] = await Promise.all([
      import("../../identity/time/time-statement.ts"),
      import("../../rotation/trust-update.ts"),
      import("../fleet/chain-review.ts"),
    ]);
    const keys = options.key.map((text) => {
      try {
        return parseFleetKey(text);
      } catch {
        throw usage(`--key must be ed25519: and 32 bytes in base64, not "${text}"`, HELP);
      }
    });
    const { from } = options;
    const fromPem = from === undefined ? undefined : await readTextInput(terminal, from, "--from");
    const text = await readChain(resolve(terminal.cwd, file));
    if (text === undefined) throw new AgentError("ERR_FILE_IO", `${file} does not exist`);
    const nowMs = terminal.clock.now();
    const reviews = reviewChain(parseTrustUpdates(text), keys, fromPem, nowMs);
    const updates = reviews.map((review) => ({ ...review, fault: faultOf(review) ?? null }));
    const ended = reviews.at(-1)?.dates === "ended";
    const faults = updates.filter(({ fault }) => fault !== null).length;
    const code = faults > 0 || ended ? EXIT.no : EXIT.ok;
    return report.result(
      { updates, faults, ended },
      () => {
        const end = ended
          ? "the last one has ended: devices refuse the chain; sign a newer one"
          : faults > 0
            ? `${faults} of ${updates.length} would be refused`
            : `good: ${updates.length} ${updates.length === 1 ? "update" : "updates"}`;
        return `${[...updates.map((each, at) => explain(each, at === 0, nowMs)), end].join("\n\n")}\n`;
      },
      code,
    );
  },
});

const LINKS: Readonly<Record<UpdateReview["link"], string>> = {
  follows: "the bundle of the one before it",
  any: "any: it stands on its own",
  first: "a bundle that is not known here (--from)",
  gap: "one that is missing",
  fork: "ANOTHER bundle than that of the one before it",
  twice: "the same number once more",
};
const SIGNATURES: Readonly<Record<UpdateReview["signature"], string>> = {
  good: "good",
  "bad-signature": "BAD",
  "unknown-key": "by a key that was not given",
};
const DATES: Readonly<Record<UpdateReview["dates"], string>> = {
  "in-date": "counts now",
  "not-yet": "does not count yet",
  ended: "has ended; devices take it only with a later one that has not",
};

/** Of the first line, which follows what was given. */
const FIRST_LINKS: Partial<typeof LINKS> = {
  follows: "the bundle of --from",
  fork: "ANOTHER bundle than that of --from",
};

function explain(
  { fault, ...review }: UpdateReview & { readonly fault: string | null },
  isFirst: boolean,
  nowMs: number,
): string {
  const { sequence, device, epoch, key, signature, link, notBefore, notAfter, dates } = review;
  const whose = device === "any" ? "any device" : `device ${device}`;
  return columns([
    [`update ${sequence}`, `for ${whose}${epoch === "any" ? "" : `, epoch ${epoch}`}`],
    ["  signature", `${SIGNATURES[signature]}, key ${key}`],
    ["  follows", (isFirst ? FIRST_LINKS[link] : undefined) ?? LINKS[link]],
    ["  dates", `${formatMoment(notBefore)} to ${formatMoment(notAfter)}: ${DATES[dates]}`],
    ...review.authorities.flatMap(({ subject, sha256, notAfter: end }) => [
      ["  trusts", `${subject}, ends ${endWords(end, nowMs)}`],
      ["", `SHA-256 ${sha256}`],
    ]),
    ...(fault === null ? [] : [["  FAULT", fault]]),
  ]);
}
