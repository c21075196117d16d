/**
 * Where to reach an agent that listens on all addresses. Pure.
 */

export function wildcardHost(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "";
}

/** The loopback address for a wildcard, else the host itself. */
export function reachableHost(host: string): string {
  if (host === "::") return "::1";
  return wildcardHost(host) ? "127.0.0.1" : host;
}
