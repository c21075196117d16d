/**
 * `microedge enroll`: the device's first certificate from its authority, with the agent running or not.
 */
import { resolve } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { systemFiles } from "../../host/files.ts";
import { CREATABLE } from "../../sidecar/certificate-api.ts";
import type { EnrolView } from "../../sidecar/certificate-operations.ts";
import { usage } from "../arguments.ts";
import { openDesk } from "../certificates/desk.ts";
import { endWords, stateWords } from "../certificates/format.ts";
import { command } from "../command.ts";
import { columns } from "../format/table.ts";
import type { Terminal } from "../terminal.ts";

const HELP = "microedge help enroll";
/** Tokens are below 1 KiB; with certificates inside below 32 KiB. */
const MAX_TOKEN_BYTES = 64 * 1024;

export const enrollCommand = command({
  name: "enroll",
  summary: "have the device's first certificate made by its authority, and put it in force",
  detail:
    "Makes a private key in the certificate store, asks the authority that [issuer] names, checks the answer against the pinned root, and puts it in force; a running agent takes it at once. A one-time token is looked at first, and only spent when it can succeed. A device that has a certificate already says so and asks for nothing, unless --again.",
  options: {
    "token-file": {
      type: "string",
      value: "FILE",
      doc: "one-time token of step-ca; a token on the command line would be seen by every user of the machine",
    },
    again: {
      type: "boolean",
      doc: "although the device is enrolled: replaces its key, certificate and name",
    },
    algorithm: {
      type: "string",
      value: "NAME",
      doc: `of the private key: ${CREATABLE.join(", ")}; default ecdsa-p256`,
    },
  },
  examples: [
    "microedge enroll --token-file token.jwt",
    "microedge enroll",
    "microedge enroll --again --token-file token.jwt",
  ],
  async run({ terminal, report, configFile, json, options }) {
    const { again } = options;
    const wanted = options.algorithm;
    const algorithm = CREATABLE.find((each) => each === wanted);
    if (wanted !== undefined && algorithm === undefined) {
      throw usage(`--algorithm must be one of ${CREATABLE.join(", ")}`, HELP);
    }
    const file = options["token-file"];
    const token = file === undefined ? undefined : await readToken(terminal, file);
    await using desk = await openDesk(terminal, configFile);
    const onStep = (words: string): void => {
      if (!json) terminal.stderr.write(`${words} ...\n`);
    };
    const view = await desk.certificates.enroll({ token, again, algorithm }, onStep);
    const all = { ...view, running: desk.running };
    return report.result(all, () => formatEnrolled(all, terminal.clock.now()));
  },
});

async function readToken(terminal: Terminal, path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await systemFiles.read(resolve(terminal.cwd, path), MAX_TOKEN_BYTES);
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `--token-file: can't read ${path}: ${errorText(cause)}`, {
      cause,
      fields: { path },
    });
  }
  const token = Buffer.from(bytes).toString("latin1").trim();
  bytes.fill(0);
  if (token === "") throw new AgentError("ERR_FILE_IO", `--token-file: ${path} is empty`);
  return token;
}

function formatEnrolled(view: EnrolView & { readonly running: boolean }, nowMs: number): string {
  const { identity, issuer, leaf, key, warnings, remarks, requestId, running } = view;
  const rows: [string, string][] = [
    ["enrolled", `by ${issuer}: ${leaf.issuer}`],
    ["subject", leaf.subject],
    ["serial", leaf.serial],
    ["ends", endWords(leaf.notAfter, nowMs)],
    ["key", `${key.algorithm}, ${key.location}`],
    ["state", stateWords(identity)],
    ["agent", running ? "the running agent uses it" : "the agent will use it when it starts"],
  ];
  if (leaf.spiffeId !== undefined) rows.splice(2, 0, ["SPIFFE ID", leaf.spiffeId]);
  if (requestId !== undefined) rows.push(["request id", requestId]);
  for (const { words } of warnings) rows.push(["warning", words]);
  for (const words of remarks) rows.push(["note", words]);
  return columns(rows);
}
