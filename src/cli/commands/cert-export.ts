/**
 * `microedge cert export`: the device's identity as files, the key under a passphrase.
 */
import { resolve } from "node:path";
import { usage } from "../arguments.ts";
import { openDesk } from "../certificates/desk.ts";
import { readPassphrase } from "../certificates/files.ts";
import { command } from "../command.ts";
import { writeFileSet } from "../pki/file-set.ts";

const HELP = "microedge help cert export";
const FORMATS = ["certificates", "pem", "pkcs12"] as const;

export const certExportCommand = command({
  name: "cert export",
  summary: "write the device's certificate to files, with its key only under a passphrase",
  detail:
    "certificates: chain and trust bundle, nothing secret. pem: the key, encrypted (PBES2 with scrypt), and the chain. pkcs12: both in one file for OpenSSL 3 and Java. The passphrase must have 12 characters at least. A key in hardware can't be exported. Files are never overwritten (exit code 73).",
  options: {
    format: { type: "string", value: "FORMAT", doc: `${FORMATS.join(", ")}; default certificates` },
    dir: { type: "string", value: "DIR", doc: "where the files go; default the working directory" },
    "passphrase-file": {
      type: "string",
      value: "FILE",
      doc: "first line: the passphrase to encrypt the key with",
    },
  },
  examples: [
    "microedge cert export --dir backup",
    "microedge cert export --format pkcs12 --passphrase-file secret.txt",
  ],
  async run({ terminal, report, configFile, options }) {
    const wanted = options.format ?? "certificates";
    const format = FORMATS.find((each) => each === wanted);
    if (format === undefined) throw usage(`--format must be one of ${FORMATS.join(", ")}`, HELP);
    const passphrase = await readPassphrase(terminal, options["passphrase-file"]);
    if (format !== "certificates" && passphrase === undefined) {
      throw usage(`--format ${format} holds the private key and needs --passphrase-file`, HELP);
    }
    await using desk = await openDesk(terminal, configFile);
    const { files } = await desk.certificates.export({ format, passphrase });
    const dir = options.dir ?? ".";
    await writeFileSet(
      resolve(terminal.cwd, dir),
      files.map(({ name, base64, secret }) => ({
        name,
        content: Buffer.from(base64, "base64"),
        mode: secret ? 0o600 : 0o644,
      })),
    );
    const written = files.map(({ name, secret }) => ({
      path: resolve(terminal.cwd, dir, name),
      secret,
    }));
    return report.result({ format, files: written }, () =>
      written.map(({ path, secret }) => (secret ? `${path}  (holds the key)` : path)).join("\n"),
    );
  },
});
