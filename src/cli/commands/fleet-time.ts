/**
 * `microedge fleet time`: the fleet's word on what time it is, for one device that asked.
 */
import { AgentError } from "../../base/errors.ts";
import { formatMoment } from "../../identity/span-words.ts";
import { command } from "../command.ts";
import { parseMoment } from "../fleet/options.ts";
import { openSigningKey, SIGNING_KEY_OPTIONS } from "../fleet/signing-key.ts";
import { readCarriedText } from "../time/carried-text.ts";

const HELP = "microedge help fleet time";

export const fleetTimeCommand = command({
  name: "fleet time",
  summary: "answer a device's time challenge with a signed time statement",
  detail:
    "For a machine without network whose own clock is right: needs no agent, no store and no configuration. Reads what `microedge time challenge --json` printed on the device and prints the statement for `microedge time apply`, which must come within ten minutes. It says this machine's time, unless --time.",
  positionals: [{ name: "FILE", doc: "the challenge, JSON; - for stdin" }],
  options: {
    ...SIGNING_KEY_OPTIONS,
    time: {
      type: "string",
      value: "TIME",
      doc: "2027-01-31T12:00:00Z; default what this machine's clock says",
    },
  },
  examples: [
    "microedge fleet time --key fleet.key --passphrase-file passphrase.txt challenge.json > statement.json",
  ],
  async run({ terminal, report, options, positionals: [name = ""] }) {
    const time = parseMoment(options.time, "--time", HELP) ?? terminal.clock.now();
    const challenge = readChallenge(await readCarriedText(terminal, name), name);
    const signer = await openSigningKey(terminal, report, options, HELP);
    const { formatStatement, parseStatement, signStatement } = await import(
      "../../identity/time/time-statement.ts"
    );
    const statement = formatStatement(signStatement({ ...challenge, time }, signer));
    // As the device reads it: a challenge that was changed on the way is told here.
    parseStatement(statement);
    report.warning(`signed: it is ${formatMoment(time)}, for ${challenge.device}`);
    return report.result({ statement, time, device: challenge.device }, () => statement);
  },
});

/** @throws AgentError `ERR_TIME_STATEMENT`. */
function readChallenge(
  text: string,
  name: string,
): { readonly device: string; readonly epoch: string; readonly nonce: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw noChallenge(`${name} is not JSON`);
  }
  const { device, epoch, nonce } = (value ?? {}) as Record<string, unknown>;
  if (typeof device === "string" && typeof epoch === "string" && typeof nonce === "string") {
    return { device, epoch, nonce };
  }
  throw noChallenge(`${name} has no device, epoch and nonce`);
}

function noChallenge(words: string): AgentError {
  const fix = "give what `microedge time challenge --json` prints on the device";
  return new AgentError("ERR_TIME_STATEMENT", words, { fields: { fix } });
}
