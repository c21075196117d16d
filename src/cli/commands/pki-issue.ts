/**
 * `microedge pki issue`: a certificate and its key, from the development authority.
 */
import { join, resolve } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { readTextFile } from "../../host/text-file.ts";
import { formatMoment } from "../../identity/span-words.ts";
import { command } from "../command.ts";
import { writeFileSet } from "../pki/file-set.ts";
import { parseDays, parseFileName } from "../pki/options.ts";
import { parseSubjectNames } from "../pki/subject-names.ts";

const DEFAULT_DAYS = 365;
const MAX_DAYS = 3_650;
const DAY_MS = 86_400_000;

export const pkiIssueCommand = command({
  name: "pki issue",
  summary: "issue a certificate from the development authority",
  detail:
    "Writes NAME.crt and NAME.key (ECDSA P-256, mode 0600) and refuses to replace them (exit code 73). The common name is NAME; without --san the one SAN is dns:NAME. Without --client or --server the certificate is good for both, which go-micro needs: its services call and are called.",
  positionals: [{ name: "NAME", doc: "common name, and beginning of the file names" }],
  options: {
    dir: {
      type: "string",
      value: "DIR",
      doc: "where the authority is and the files go; default pki",
    },
    san: {
      type: "string",
      multiple: true,
      value: "SANS",
      doc: "names, separated by commas: dns:HOST, ip:ADDRESS, uri:spiffe://DOMAIN/PATH",
    },
    days: { type: "string", value: "N", doc: `lifetime; default ${DEFAULT_DAYS}` },
    client: { type: "boolean", doc: "only for calling" },
    server: { type: "boolean", doc: "only for being called" },
    both: { type: "boolean", doc: "for calling and being called; the default" },
  },
  examples: [
    "microedge pki issue gateway --san dns:gateway.local,ip:127.0.0.1,uri:spiffe://lab/gateway",
    "microedge pki issue operator --client",
  ],
  async run({ terminal, report, options, positionals: [typed = ""] }) {
    const name = parseFileName(typed);
    const days = parseDays(options.days, DEFAULT_DAYS, MAX_DAYS);
    const both = options.both || options.client === options.server;
    const usages = (["client", "server"] as const).filter((usage) => both || options[usage]);
    const sans =
      options.san.length === 0 ? { dns: [name], ip: [], uri: [] } : parseSubjectNames(options.san);
    const dir = options.dir ?? "pki";
    const at = (file: string): string => resolve(terminal.cwd, dir, file);
    const authority = {
      certificatePem: await readAuthorityFile(at("ca.crt"), dir),
      keyPem: await readAuthorityFile(at("ca.key"), dir),
    };
    const { issueCertificate } = await import("../../identity/x509/issue.ts");
    const nowMs = terminal.clock.now();
    const { certificatePem, keyPem } = await issueCertificate({
      authority,
      cn: name,
      sans,
      usages,
      days,
      nowMs,
      random: terminal.random,
    });
    await writeFileSet(at(""), [
      { name: `${name}.key`, content: keyPem, mode: 0o600 },
      { name: `${name}.crt`, content: certificatePem, mode: 0o644 },
    ]);
    const notAfter = nowMs + days * DAY_MS;
    const fields = {
      certificate: at(`${name}.crt`),
      key: at(`${name}.key`),
      usages,
      sans,
      notAfter,
    };
    return report.result(fields, () =>
      [
        `${join(dir, `${name}.crt`)}  certificate for ${usages.join(" and ")}, until ${formatMoment(notAfter)}`,
        `${join(dir, `${name}.key`)}  its key`,
        ...(options.san.length === 0
          ? [`the one name in it is dns:${name}; --san gives others`]
          : []),
      ].join("\n"),
    );
  },
});

async function readAuthorityFile(path: string, dir: string): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `cannot read the authority: ${errorText(cause)}`, {
      cause,
      fields: { path, fix: `create an authority with \`microedge pki init --dir ${dir}\`` },
    });
  }
}
