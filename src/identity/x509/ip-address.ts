/**
 * IP addresses as the octets that stand in a certificate's `iPAddress` SAN: 4 or 16 of them
 * (RFC 5280 section 4.2.1.6). Pure.
 */
import { isIPv4, isIPv6 } from "node:net";

/** The octets of a textual address; `undefined` if it is none. A zone (`%eth0`) makes it none. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return ipv6Octets(text);
}

/** The usual text of 4 or 16 octets; `undefined` for any other number of them. */
export function formatIpAddress(octets: Uint8Array): string | undefined {
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) return undefined;
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push((((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0)).toString(16));
  }
  // The URL parser writes the shortest form (RFC 5952): one home for that rule is enough.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function ipv6Octets(text: string): Uint8Array {
  const [head = "", tail] = withHexTail(text).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  const octets = new Uint8Array(16);
  for (const [index, group] of [...left, ...zeros, ...right].entries()) {
    const value = Number.parseInt(group, 16);
    octets[index * 2] = value >> 8;
    octets[index * 2 + 1] = value & 0xff;
  }
  return octets;
}

/** `::ffff:10.0.0.1` with its last part in hexadecimal. */
function withHexTail(text: string): string {
  const dotted = text.slice(text.lastIndexOf(":") + 1);
  if (!isIPv4(dotted)) return text;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number);
  const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  return text.slice(0, text.length - dotted.length) + hex;
}
