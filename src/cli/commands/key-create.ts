/**
 * `microedge key create`: a private key made on the device, which it never leaves.
 */
import { CREATABLE } from "../../sidecar/certificate-api.ts";
import { usage } from "../arguments.ts";
import { openDesk } from "../certificates/desk.ts";
import { formatKeys } from "../certificates/format.ts";
import { command } from "../command.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const HELP = "microedge help key create";

export const keyCreateCommand = command({
  name: "key create",
  summary: "make a private key in the certificate store, for a certificate to come",
  detail:
    "The key is sealed in the store and never leaves it in the open. `microedge cert import --cert FILE` without --key takes the key that fits the certificate.",
  positionals: [
    { name: "NAME", doc: "what to call it: letters, digits, dots, hyphens, underscores" },
  ],
  options: {
    algorithm: {
      type: "string",
      value: "NAME",
      doc: `${CREATABLE.join(", ")}; default ecdsa-p256`,
    },
  },
  examples: ["microedge key create next", "microedge key create next --algorithm ed25519"],
  async run({ terminal, report, configFile, options, positionals: [name = ""] }) {
    if (!NAME.test(name)) throw usage(`NAME must be 1 to 64 of A-Z a-z 0-9 . _ -`, HELP);
    const wanted = options.algorithm ?? "ecdsa-p256";
    const algorithm = CREATABLE.find((each) => each === wanted);
    if (algorithm === undefined) {
      throw usage(`--algorithm must be one of ${CREATABLE.join(", ")}`, HELP);
    }
    await using desk = await openDesk(terminal, configFile);
    const key = await desk.certificates.createKey(name, algorithm);
    return report.result({ ...key }, () => formatKeys([key]));
  },
});
