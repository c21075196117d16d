/**
 * The files that an import is made of, read and taken apart here: the agent never opens a path that a
 * command was given, and a passphrase never leaves this process.
 */
import { resolve } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { systemFiles } from "../../host/files.ts";
import type { ImportFile } from "../../identity/exchange/import-text.ts";
import { usage } from "../arguments.ts";
import type { OptionSpecs } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export const IMPORT_OPTIONS = {
  cert: {
    type: "string",
    multiple: true,
    value: "FILE",
    doc: "certificates, PEM or DER, in any order, with or without the root; several files are possible",
  },
  key: {
    type: "string",
    value: "FILE",
    doc: "private key, PEM; default: the key of the store that belongs to the certificate",
  },
  ca: {
    type: "string",
    value: "FILE",
    doc: "trust bundle, PEM; default: that in force",
  },
  pkcs12: {
    type: "string",
    value: "FILE",
    doc: "key and chain in one, instead of --cert and --key",
  },
  "passphrase-file": {
    type: "string",
    value: "FILE",
    doc: "first line: the passphrase of an encrypted key or PKCS#12",
  },
} as const satisfies OptionSpecs;

interface ImportChoice {
  readonly cert: readonly string[];
  readonly key: string | undefined;
  readonly ca: string | undefined;
  readonly pkcs12: string | undefined;
  readonly "passphrase-file": string | undefined;
}

export interface ImportFiles {
  readonly certificatesPem: string;
  readonly keyPem: string | undefined;
  readonly trustPem: string | undefined;
  /** What was superfluous, in words. */
  readonly notes: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PASSPHRASE_FILE_BYTES = 8 * 1024;

/**
 * @throws AgentError `ERR_USAGE`; `ERR_FILE_IO` naming the file; `ERR_IMPORT_*`, `ERR_KEY_*` and
 *   `ERR_CERT_INVALID` for what is in them.
 */
export async function readImport(
  terminal: Terminal,
  choice: ImportChoice,
  help: string,
): Promise<ImportFiles> {
  const { cert, key, ca, pkcs12 } = choice;
  if (pkcs12 !== undefined && (cert.length > 0 || key !== undefined)) {
    throw usage("--pkcs12 goes without --cert and --key", help);
  }
  if (pkcs12 === undefined && cert.length === 0) {
    throw usage("say what to import: --cert FILE, or --pkcs12 FILE", help);
  }
  const passphrase = await readPassphrase(terminal, choice["passphrase-file"]);
  const trustPem = ca === undefined ? undefined : await readTextInput(terminal, ca, "--ca");
  const sources =
    pkcs12 === undefined
      ? [
          ...cert.map((path) => ["--cert", path] as const),
          ...(key === undefined ? [] : [["--key", key] as const]),
        ]
      : [["--pkcs12", pkcs12] as const];
  const files: ImportFile[] = [];
  for (const [option, path] of sources) {
    files.push({ name: path, bytes: await readNamed(terminal, path, option) });
  }
  if (pkcs12 === undefined && key === undefined && !files.some(holdsKey)) {
    const { certificatesIn } = await import("../../identity/exchange/identity-import.ts");
    return { certificatesPem: certificatesIn(files), keyPem: undefined, trustPem, notes: [] };
  }
  const { importIdentity } = await import("../../identity/exchange/identity-import.ts");
  const { chainPem, privateKeyPem, remarks } = await importIdentity(files, {
    // what is wrong with them is told together, by those who also write it to the log
    foreign: "pass-on",
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  return { certificatesPem: chainPem, keyPem: privateKeyPem, trustPem, notes: remarks };
}

/** The first line of a file; a passphrase on the command line would be seen by every user of the machine. */
export async function readPassphrase(
  terminal: Terminal,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readNamed(terminal, path, "--passphrase-file", MAX_PASSPHRASE_FILE_BYTES);
  const [line = ""] = textOf(bytes, path).split(/\r?\n/, 1);
  bytes.fill(0);
  return line;
}

/** A file that must not be empty, of 1 MiB at most. @throws AgentError naming the file: `ERR_FILE_IO`, `ERR_IMPORT_INVALID` when it is empty. */
export async function readTextInput(
  terminal: Terminal,
  path: string,
  option: string,
): Promise<string> {
  const text = textOf(await readNamed(terminal, path, option), path);
  if (text.trim() === "") throw new AgentError("ERR_IMPORT_INVALID", `${option}: ${path} is empty`);
  return text;
}

async function readNamed(
  terminal: Terminal,
  path: string,
  option: string,
  maxBytes = MAX_FILE_BYTES,
): Promise<Uint8Array> {
  try {
    return await systemFiles.read(resolve(terminal.cwd, path), maxBytes);
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `${option}: can't read ${path}: ${errorText(cause)}`, {
      cause,
      fields: { path },
    });
  }
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `${path} is not text`, { cause, fields: { path } });
  }
}

function holdsKey({ bytes }: ImportFile): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes("PRIVATE KEY-----");
}
