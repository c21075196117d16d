/**
 * `--san dns:gateway.local,ip:192.0.2.7,uri:spiffe://site/gateway`: names for a certificate. Pure.
 */
import { isIP } from "node:net";
import type { AgentError } from "../../base/errors.ts";
import { isSpiffeUri, spiffeIdFault } from "../../identity/x509/spiffe-id.ts";
import { usage } from "../arguments.ts";

export interface SubjectNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly uri: readonly string[];
}

const DNS_NAME =
  /^(?:\*\.)?(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;

/** @throws AgentError `ERR_USAGE` that names the entry. */
export function parseSubjectNames(values: readonly string[]): SubjectNames {
  const names = { dns: [] as string[], ip: [] as string[], uri: [] as string[] };
  for (const entry of values.flatMap((value) => value.split(","))) {
    const [kind = "", ...rest] = entry.trim().split(":");
    const name = rest.join(":");
    if (kind !== "dns" && kind !== "ip" && kind !== "uri") {
      throw wrong(entry, "must begin with dns:, ip: or uri:");
    }
    const fault = faultOf(kind, name);
    if (fault !== undefined) throw wrong(entry, fault);
    names[kind].push(name);
  }
  return names;
}

function faultOf(kind: keyof SubjectNames, name: string): string | undefined {
  if (kind === "ip") return isIP(name) === 0 ? "is not an IP address" : undefined;
  if (kind === "dns") {
    if (isIP(name) !== 0) return "is an IP address: write ip:";
    return DNS_NAME.test(name) ? undefined : "is not a host name";
  }
  if (!URL.canParse(name)) return "is not a URI";
  return isSpiffeUri(name) ? spiffeIdFault(name) : undefined;
}

function wrong(entry: string, fault: string): AgentError {
  return usage(`--san ${entry} ${fault}`, "microedge help pki issue");
}
