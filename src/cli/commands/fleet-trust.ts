/**
 * `microedge fleet trust`: new roots for devices, as the next line of the chain that is published.
 */
import { resolve } from "node:path";
import { AgentError } from "../../base/errors.ts";
import { formatMoment } from "../../identity/span-words.ts";
import { usage } from "../arguments.ts";
import { readTextInput } from "../certificates/files.ts";
import { command } from "../command.ts";
import { lockChain, readChain, replaceChain } from "../fleet/chain-file.ts";
import type { NextUpdate } from "../fleet/next-update.ts";
import { parseMoment } from "../fleet/options.ts";
import { openSigningKey, SIGNING_KEY_OPTIONS } from "../fleet/signing-key.ts";
import { columns } from "../format/table.ts";
import { parseDays } from "../pki/options.ts";

const HELP = "microedge help fleet trust";
const DEFAULT_DAYS = 365;
const MAX_DAYS = 36_500;
const DAY_MS = 86_400_000;

export const fleetTrustCommand = command({
  name: "fleet trust",
  summary: "sign new roots for devices, as the next line of the chain of trust updates",
  detail:
    "For a machine without network: needs no agent, no store and no configuration. --chain names the file with all updates, a line each; the new line gets the number after the last and names its bundle as the one before. The first needs --from, the trust bundle that devices have when they leave the house, or --any-previous. Publish the whole file: devices take what they have not yet. Look at it with `microedge fleet verify`. The chain so far is checked first, and an update that devices would not take is not signed. Described in docs/rotation.md.",
  options: {
    ...SIGNING_KEY_OPTIONS,
    bundle: {
      type: "string",
      value: "FILE",
      doc: "what devices are to trust from then on, PEM; the old roots stay with them for trust.overlap_days",
    },
    chain: { type: "string", value: "FILE", doc: "the chain; made when it is the first update" },
    from: {
      type: "string",
      value: "FILE",
      doc: "only for the first: the trust bundle that devices have now, PEM",
    },
    "any-previous": {
      type: "boolean",
      doc: "stands on its own: devices take it whatever they trust now, as from the pin of last resort",
    },
    cut: {
      type: "boolean",
      doc: "with --any-previous: leave out the lines before it, which no device needs any more",
    },
    device: { type: "string", value: "NAME", doc: "only for the device of this name; default any" },
    epoch: {
      type: "string",
      value: "HEX",
      doc: "only for this epoch of its store (`microedge status --json`); default any",
    },
    "not-before": {
      type: "string",
      value: "TIME",
      doc: "counts from then on: 2027-01-31, or 2027-01-31T12:00:00Z; default now",
    },
    "not-after": { type: "string", value: "TIME", doc: "counts until then; instead of --days" },
    days: { type: "string", value: "N", doc: `for how long it counts; default ${DEFAULT_DAYS}` },
  },
  examples: [
    "microedge fleet trust --key fleet.key --passphrase-file passphrase.txt --bundle new-root.pem --chain trust-updates.jsonl --from old-root.pem",
    "microedge fleet trust --key safe.key --passphrase-file passphrase.txt --bundle root.pem --chain trust-updates.jsonl --any-previous",
  ],
  async run({ terminal, report, options }) {
    const nowMs = terminal.clock.now();
    const notBefore = parseMoment(options["not-before"], "--not-before", HELP) ?? nowMs;
    const notAfter = endOf(options, notBefore);
    const { bundle, chain, from, cut, device = "any", epoch = "any" } = options;
    if (bundle === undefined) throw usage("say what devices are to trust: --bundle FILE", HELP);
    if (chain === undefined) throw usage("say which chain it continues: --chain FILE", HELP);
    if (!/^(?:[0-9a-f]{32}|any)$/.test(epoch)) {
      throw usage("--epoch must be 32 hexadecimal digits in small letters", HELP);
    }
    if (cut && !options["any-previous"]) throw usage("--cut goes with --any-previous", HELP);
    const path = resolve(terminal.cwd, chain);
    await using _lock = await lockChain(path);
    const before = await readChain(path);
    const previous = await previousOf(options, before !== undefined);
    const [{ nextUpdate }, { parseTrustUpdates }] = await Promise.all([
      import("../fleet/next-update.ts"),
      import("../../rotation/trust-update.ts"),
    ]);
    const next: NextUpdate = {
      ...{ device, epoch, notBefore, notAfter, previous },
      bundlePem: await readTextInput(terminal, bundle, "--bundle"),
      chain: before === undefined ? [] : parseTrustUpdates(before),
    };
    const signer = await openSigningKey(terminal, report, options, HELP);
    const { update, line, remarks } = nextUpdate(next, signer, nowMs);
    const kept = before === undefined || cut ? "" : before.replace(/\n*$/, "\n");
    const text = `${kept}${line}\n`;
    assertReadable(text, parseTrustUpdates);
    await replaceChain(path, text);
    const { sequence } = update;
    const fields = {
      ...{ file: path, sequence, previous: update.previous, device, epoch, notBefore, notAfter },
      ...{ key: signer.key.id, remarks },
    };
    return report.result(fields, () =>
      columns([
        ["chain", chain],
        ["update", `${sequence}, for ${device === "any" ? "any device" : device}`],
        ["counts", `${formatMoment(notBefore)} to ${formatMoment(notAfter)}`],
        ["signed by", signer.key.id],
        ...remarks.map((words) => ["note", words]),
      ]),
    );

    async function previousOf(
      { "any-previous": any }: typeof options,
      hasChain: boolean,
    ): Promise<NextUpdate["previous"]> {
      if (from !== undefined && (any || hasChain)) {
        const other = any ? "--any-previous" : `${chain}, which has updates already`;
        throw usage(`--from goes only with the first update, not with ${other}`, HELP);
      }
      if (any) return { kind: "any" };
      if (from !== undefined) {
        return { kind: "from", pem: await readTextInput(terminal, from, "--from") };
      }
      if (hasChain) return { kind: "chain" };
      const words = `${chain} does not exist: for the first update say what devices trust now, --from FILE, or --any-previous`;
      throw usage(words, HELP);
    }
  },
});

/** Unix ms. @throws AgentError `ERR_USAGE`. */
function endOf(
  options: { readonly "not-after": string | undefined; readonly days: string | undefined },
  notBefore: number,
): number {
  const end = parseMoment(options["not-after"], "--not-after", HELP);
  if (end !== undefined && options.days !== undefined) {
    throw usage("--not-after and --days exclude each other", HELP);
  }
  const days = parseDays(options.days, DEFAULT_DAYS, MAX_DAYS, HELP);
  const notAfter = end ?? notBefore + days * DAY_MS;
  if (notAfter > notBefore) return notAfter;
  throw usage("--not-after must be later than --not-before", HELP);
}

/** @throws AgentError `ERR_TRUST_UPDATE` for a chain that has grown too long for a device. */
function assertReadable(text: string, parse: (text: string) => unknown): void {
  try {
    parse(text);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    const fix = "sign it with --any-previous --cut: it stands on its own, and begins the file anew";
    throw new AgentError("ERR_TRUST_UPDATE", `${cause.message}; nothing was written`, {
      cause,
      fields: { fix },
    });
  }
}
