/**
 * `microedge tls probe`: a TLS port, explained.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { errorText } from "../../base/errors.ts";
import type { TlsMaterial } from "../../identity/tls-material.ts";
import { parseAddress } from "../../registry/address.ts";
import type { ProbeRequest } from "../../sidecar/admin-operations.ts";
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
    "Connects as this device would, with the certificate and trust bundle of the configuration (of a certificate store: the running agent does it, which alone holds the key; a stopped one is not needed), and says what the server sent, whether we accept it and whether it accepts us. It knows go-micro's three classic failures and their fixes: unknown authority, expired certificate, and mixed authorities or a wrong name. Without a configuration the server is described, not judged. Exit code 1 when anything failed.",
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
    const wanted = { host, port, serverName: options["server-name"], timeoutMs };
    const loaded = await configurationOf(terminal, report, configFile);
    const result = await probeAsDevice(terminal, report, loaded, wanted);
    const { ok, ...fields } = result;
    return report.result(fields, (out) => formatProbe(result, out), ok ? EXIT.ok : EXIT.no);
  },
});

/**
 * A broken configuration of our own is no reason not to look at somebody else's port, unless it was
 * named on the command line.
 */
async function configurationOf(
  terminal: Terminal,
  report: Report,
  configFile: string | undefined,
): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfiguration(terminal, configFile);
  } catch (thrown) {
    if (configFile !== undefined) throw thrown;
    withoutOwn(report, thrown);
    return undefined;
  }
}

async function probeAsDevice(
  terminal: Terminal,
  report: Report,
  loaded: LoadedConfig | undefined,
  wanted: ProbeRequest,
): Promise<ProbeResult> {
  const [{ probe }, { systemNetwork }, { withOwnSide }] = await Promise.all([
    import("../../transport/tls-probe.ts"),
    import("../../host/network.ts"),
    import("../certificates/own-side.ts"),
  ]);
  const { clock, stdout } = terminal;
  const minVersion = loaded?.config.tls.minVersion ?? "1.3";
  const probeWith = (material: TlsMaterial | undefined): Promise<ProbeResult> =>
    probe({ ...wanted, material, minVersion, network: systemNetwork, clock }, stdout.closed);
  if (loaded === undefined) return probeWith(undefined);
  let begun = false;
  try {
    return await withOwnSide(terminal, loaded, (own) => {
      begun = true;
      if (own.kind === "agent") return own.agent.probe(wanted, stdout.closed);
      if (own.kind === "none") return probeWith(undefined);
      const { source } = own;
      if (source.absent === undefined) return probeWith(source.current);
      withoutOwn(report, source.absent);
      return probeWith(undefined);
    });
  } catch (thrown) {
    if (begun) throw thrown;
    withoutOwn(report, thrown);
    return probeWith(undefined);
  }
}

function withoutOwn(report: Report, why: unknown): void {
  const words = typeof why === "string" ? why : errorText(why);
  report.warning(`probing without a certificate of our own: ${words}`);
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
