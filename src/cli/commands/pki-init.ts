/**
 * `microedge pki init`: a certificate authority for development.
 */
import { join, resolve } from "node:path";
import { formatMoment } from "../../identity/span-words.ts";
import { command } from "../command.ts";
import { writeFileSet } from "../pki/file-set.ts";
import { parseDays } from "../pki/options.ts";

const DEFAULT_DAYS = 3_650;
const MAX_DAYS = 36_500;
const DAY_MS = 86_400_000;

export const pkiInitCommand = command({
  name: "pki init",
  summary: "create a certificate authority for development",
  detail:
    "Writes ca.crt and ca.key (ECDSA P-256, mode 0600) and refuses to replace them (exit code 73). The key lies on the disk unprotected: not for production.",
  options: {
    dir: { type: "string", value: "DIR", doc: "where to; default pki" },
    cn: { type: "string", value: "NAME", doc: "common name; default microedge development CA" },
    days: { type: "string", value: "N", doc: `lifetime; default ${DEFAULT_DAYS}` },
  },
  examples: ["microedge pki init", "microedge pki init --dir lab --cn 'lab CA'"],
  async run({ terminal, report, options }) {
    const days = parseDays(options.days, DEFAULT_DAYS, MAX_DAYS);
    const dir = options.dir ?? "pki";
    const directory = resolve(terminal.cwd, dir);
    const { createAuthority } = await import("../../identity/x509/issue.ts");
    const nowMs = terminal.clock.now();
    const authority = await createAuthority({
      cn: options.cn ?? "microedge development CA",
      days,
      nowMs,
      random: terminal.random,
    });
    await writeFileSet(directory, [
      { name: "ca.key", content: authority.keyPem, mode: 0o600 },
      { name: "ca.crt", content: authority.certificatePem, mode: 0o644 },
    ]);
    const notAfter = nowMs + days * DAY_MS;
    const fields = {
      certificate: join(directory, "ca.crt"),
      key: join(directory, "ca.key"),
      notAfter,
    };
    return report.result(fields, () =>
      [
        `${join(dir, "ca.crt")}  the authority's certificate, until ${formatMoment(notAfter)}: the trust bundle of every peer`,
        `${join(dir, "ca.key")}  its key: keep it here, give it to nobody`,
        `next: microedge pki issue gateway --dir ${dir} --san dns:localhost,ip:127.0.0.1`,
      ].join("\n"),
    );
  },
});
