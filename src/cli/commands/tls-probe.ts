/**
 * `microedge tls probe`: a TLS port, explained.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { errorText } from "../../base/errors.ts";
import { SILENT } from "../../base/log.ts";
import type { TlsMaterial } from "../../identity/tls-material.ts";
import { parseAddress } from "../../registry/address.ts";
import type { Finding, ProbedCertificate, ProbeResult } from "../../transport/probe-result.ts";
import { usage } from "../arguments.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { EXIT } from "../exit-codes.ts";
import { parseDuration } from "../format/duration.ts";
import { paint } from "../format/style.ts";
import { columns } from "../format/table.ts";
import type { Report } from "../report.ts";
import type { Output, Terminal } from "../terminal.ts";

const HELP = "microedge help tls probe";
const DEFAULT_TIMEOUT_MS = 5_000;

export const tlsProbeCommand = command({
  name: "tls probe",
  summary: "take a TLS handshake apart and explain what is wrong with it",
  detail:
    "Needs no agent. Connects as this device would, with the certificate and trust bundle of the configuration, and says what the server sent, whether we accept it and whether it accepts us. It knows go-micro's three classic failures and their fixes: unknown authority, expired certificate, and mixed authorities or a wrong name. Without a configuration the server is described, not judged. Exit code 1 when anything failed.",
  positionals: [{ name: "HOST:PORT", doc: "where to connect; an IPv6 address in brackets" }],
  options: {
    "server-name": {
      type: "string",
      value: "NAME",
      doc: "name that the certificate must carry, when it is not the host",
    },
    timeout: { type: "string", value: "SPAN", doc: "for each step; default 5s" },
  },
  examples: ["microedge tls probe greeter.local:8443", "microedge tls probe [::1]:8443 --json"],
  async run({ terminal, report, configFile, options, positionals: [where = ""] }) {
    const { host, port } = parseTarget(where);
    const timeoutMs =
      options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(options.timeout);
    if (timeoutMs === undefined) throw usage("--timeout must be a span with its unit, as 5s", HELP);
    const own = await ownSide(terminal, report, configFile);
    const [{ probe }, { systemNetwork }] = await Promise.all([
      import("../../transport/tls-probe.ts"),
      import("../../host/network.ts"),
    ]);
    const result = await probe(
      {
        host,
        port,
        serverName: options["server-name"],
        material: own.material,
        minVersion: own.minVersion,
        network: systemNetwork,
        clock: terminal.clock,
        timeoutMs,
      },
      terminal.stdout.closed,
    );
    const { ok, ...fields } = result;
    return report.result(fields, (out) => formatProbe(result, out), ok ? EXIT.ok : EXIT.no);
  },
});

interface OwnSide {
  readonly material: TlsMaterial | undefined;
  readonly minVersion: "1.3" | "1.2";
}

/**
 * A broken configuration of our own is no reason not to look at somebody else's port, unless it was
 * named on the command line.
 */
async function ownSide(
  terminal: Terminal,
  report: Report,
  configFile: string | undefined,
): Promise<OwnSide> {
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfiguration(terminal, configFile);
  } catch (thrown) {
    if (configFile !== undefined) throw thrown;
    report.warning(`probing without a certificate of our own: ${errorText(thrown)}`);
    return { material: undefined, minVersion: "1.3" };
  }
  const { tlsFiles, tls } = loaded.config;
  if (tlsFiles === undefined) return { material: undefined, minVersion: tls.minVersion };
  const [{ openFileSource }, { systemFiles }] = await Promise.all([
    import("../../identity/file-source.ts"),
    import("../../host/files.ts"),
  ]);
  try {
    await using source = await openFileSource({
      paths: { cert: tlsFiles.certPath, key: tlsFiles.keyPath, ca: tlsFiles.caPath },
      reloadIntervalMs: tls.reloadIntervalMs,
      files: systemFiles,
      clock: terminal.clock,
      log: SILENT,
    });
    return { material: source.current, minVersion: tls.minVersion };
  } catch (thrown) {
    report.warning(`probing without a certificate of our own: ${errorText(thrown)}`);
    return { material: undefined, minVersion: tls.minVersion };
  }
}

function parseTarget(where: string): { readonly host: string; readonly port: number } {
  try {
    return parseAddress(where, "HOST:PORT");
  } catch (thrown) {
    throw usage(errorText(thrown), HELP);
  }
}

function formatProbe(result: ProbeResult, out: Output): string {
  const rows: [string, string][] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") rows.push([name, value]);
  };
  add("addresses", result.addresses.join(", "));
  add("connected to", result.connectedTo);
  add("protocol", [result.protocol, result.cipher, result.group].filter(Boolean).join(", "));
  add("ALPN", result.alpn);
  for (const [at, certificate] of result.chain.entries()) {
    add(at === 0 ? "server" : "issued by", formatCertificate(certificate));
  }
  const lines = rows.length === 0 ? [] : [columns(rows), ""];
  for (const finding of result.findings) lines.push(...formatFinding(finding, out));
  return lines.join("\n");
}

function formatCertificate(certificate: ProbedCertificate): string {
  const { subject, dnsNames, ipAddresses, uris, notBefore, notAfter } = certificate;
  const names = [...dnsNames, ...ipAddresses, ...uris];
  const sans = names.length === 0 ? "no SANs" : names.join(", ");
  return certificate.ca
    ? `${subject} (${notBefore} to ${notAfter})`
    : `${subject} (${sans}; ${notBefore} to ${notAfter})`;
}

function formatFinding({ level, id, words, fix }: Finding, out: Output): string[] {
  const colour = level === "ok" ? "green" : level === "warn" ? "yellow" : "red";
  const line = `${paint(out, colour, level.padEnd(4))}  ${words}  [${id}]`;
  return fix === "" ? [line] : [line, `      fix: ${fix}`];
}
