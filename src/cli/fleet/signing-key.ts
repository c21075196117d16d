/**
 * Opens the fleet's signing key for a command. It lies in a file on the operator's machine; the passphrase in
 * another, since on a command line every user of the machine could read it.
 */
import type { FleetSigningKey } from "../../identity/fleet-signing-key.ts";
import { usage } from "../arguments.ts";
import { readPassphrase, readTextInput } from "../certificates/files.ts";
import type { OptionSpecs } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export const SIGNING_KEY_OPTIONS = {
  key: { type: "string", value: "FILE", doc: "the fleet's signing key, PKCS#8 PEM" },
  "passphrase-file": {
    type: "string",
    value: "FILE",
    doc: "first line: the passphrase of the key",
  },
} as const satisfies OptionSpecs;

/** @throws AgentError `ERR_USAGE`, `ERR_FILE_IO`, `ERR_KEY_INVALID`, `ERR_KEY_PASSPHRASE`. */
export async function openSigningKey(
  terminal: Terminal,
  options: { readonly key: string | undefined; readonly "passphrase-file": string | undefined },
  help: string,
): Promise<FleetSigningKey> {
  if (options.key === undefined) throw usage("say who signs: --key FILE", help);
  const pem = await readTextInput(terminal, options.key, "--key");
  const passphrase = await readPassphrase(terminal, options["passphrase-file"]);
  const { openFleetKey } = await import("../../identity/fleet-signing-key.ts");
  return openFleetKey(pem, passphrase);
}
