/**
 * Does a certificate name the host that was dialled? RFC 9525 section 6, strictly: only SANs count
 * (never the common name), an IP address matches only an IP SAN, and a wildcard is the whole leftmost
 * label and stands for exactly one label. Pure.
 */
import type { AlternativeNames } from "./x509/alternative-names.ts";
import { formatIpAddress, parseIpAddress } from "./x509/ip-address.ts";

/** Fewest labels of a name with a wildcard, itself included: `*.com` would cover too much. */
const MIN_WILDCARD_LABELS = 3;

export function namesHost(names: AlternativeNames, host: string): boolean {
  const octets = parseIpAddress(host);
  if (octets !== undefined) return names.ipAddresses.includes(formatIpAddress(octets) ?? "");
  const wanted = host.toLowerCase().replace(/\.$/, "");
  return names.dnsNames.some((pattern) => matchesDnsName(pattern.replace(/\.$/, ""), wanted));
}

function matchesDnsName(pattern: string, wanted: string): boolean {
  if (!pattern.includes("*")) return pattern === wanted;
  const [first, ...rest] = pattern.split(".");
  const [label = "", ...wantedRest] = wanted.split(".");
  return (
    first === "*" &&
    rest.length + 1 >= MIN_WILDCARD_LABELS &&
    !rest.some((part) => part.includes("*")) &&
    label !== "" &&
    rest.join(".") === wantedRest.join(".")
  );
}
