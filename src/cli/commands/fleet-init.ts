/**
 * `microedge fleet init`: the key that decides what devices trust.
 */
import { basename, dirname, resolve } from "node:path";
import { usage } from "../arguments.ts";
import { readPassphrase } from "../certificates/files.ts";
import { command } from "../command.ts";
import { columns } from "../format/table.ts";
import { writeFileSet } from "../pki/file-set.ts";

const HELP = "microedge help fleet init";

export const fleetInitCommand = command({
  name: "fleet init",
  summary: "create the key that signs trust updates and time statements",
  detail:
    "For a machine without network, not for a device: needs no agent, no store and no configuration. Writes an Ed25519 key (PKCS#8 PEM, mode 0600), encrypted under a passphrase of 12 characters at least (PBES2 with scrypt; OpenSSL reads it), and refuses to replace a file (exit code 73). The public half that it prints goes into the configuration of every device. A copy belongs in a safe: without it no device that was away learns new roots.",
  positionals: [{ name: "FILE", doc: "where the key goes" }],
  options: {
    "passphrase-file": {
      type: "string",
      value: "FILE",
      doc: "first line: the passphrase to encrypt the key with",
    },
    "no-passphrase": {
      type: "boolean",
      doc: "leaves the key unprotected: for a disk that is encrypted as a whole, or for tests",
    },
  },
  examples: [
    "microedge fleet init fleet.key --passphrase-file passphrase.txt",
    "microedge fleet init lab.key --no-passphrase",
  ],
  async run({ terminal, report, options, positionals: [file = ""] }) {
    const passphrase = await readPassphrase(terminal, options["passphrase-file"]);
    if ((passphrase === undefined) !== options["no-passphrase"]) {
      const words =
        passphrase === undefined
          ? "the key is encrypted: give --passphrase-file FILE (or say --no-passphrase)"
          : "--passphrase-file and --no-passphrase exclude each other";
      throw usage(words, HELP);
    }
    const { createFleetKey } = await import("../../identity/fleet-signing-key.ts");
    const { pem, key } = await createFleetKey(terminal.random, passphrase);
    const path = resolve(terminal.cwd, file);
    const name = basename(path);
    await writeFileSet(dirname(path), [{ name, content: pem, mode: 0o600 }]);
    const encrypted = passphrase !== undefined;
    const fields = { file: path, encrypted, publicKey: key.text, id: key.key.id };
    return report.result(fields, () =>
      [
        columns([
          ["key", `${file}${encrypted ? ", encrypted" : ", NOT encrypted"}`],
          ["id", key.key.id],
          ["public", key.text],
        ]),
        "into the configuration of every device:",
        `  [trust]\n  update_keys = ["${key.text}"]`,
        `  [time]\n  fleet_keys = ["${key.text}"]`,
      ].join("\n"),
    );
  },
});
