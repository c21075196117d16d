/**
 * Opens the fleet's signing key for a command. It lies in a file on the operator's machine; the passphrase in
 * another, since on a command line every user of the machine could read it.
 */
import { resolve } from "node:path";
import { systemFiles } from "../../host/files.ts";
import type { FleetSigningKey } from "../../identity/fleet-signing-key.ts";
import { usage } from "../arguments.ts";
import { readPassphrase, readTextInput } from "../certificates/files.ts";
import type { OptionSpecs } from "../command.ts";
import type { Report } from "../report.ts";
import type { Terminal } from "../terminal.ts";

export const SIGNING_KEY_OPTIONS = {
  key: { type: "string", value: "FILE", doc: "the fleet's signing key, PKCS#8 PEM" },
  "passphrase-file": {
    type: "string",
    value: "FILE",
    doc: "first line: the passphrase of the key",
  },
} as const satisfies OptionSpecs;

/**
 * Warns of a key that others may read and that nothing protects. One with a passphrase may lie on a stick,
 * whose file system often knows no modes.
 *
 * @throws AgentError `ERR_USAGE`, `ERR_FILE_IO`, `ERR_KEY_INVALID`, `ERR_KEY_PASSPHRASE`.
 */
export async function openSigningKey(
  terminal: Terminal,
  report: Pick<Report, "warning">,
  options: { readonly key: string | undefined; readonly "passphrase-file": string | undefined },
  help: string,
): Promise<FleetSigningKey> {
  if (options.key === undefined) throw usage("say who signs: --key FILE", help);
  const pem = await readTextInput(terminal, options.key, "--key");
  const passphrase = await readPassphrase(terminal, options["passphrase-file"]);
  if (!pem.includes("ENCRYPTED")) {
    const { mode } = await systemFiles.state(resolve(terminal.cwd, options.key));
    if ((mode & 0o077) !== 0) {
      const others = `others on this machine may read or write ${options.key}`;
      report.warning(`${others}, and it has no passphrase: chmod 0600 ${options.key}`);
    }
  }
  const { openFleetKey } = await import("../../identity/fleet-signing-key.ts");
  return openFleetKey(pem, passphrase);
}
