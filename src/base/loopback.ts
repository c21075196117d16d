/**
 * Whether an address is this machine's own, as sockets give it: RFC 1122 section 3.2.1.3 (127/8) and
 * RFC 4291 section 2.5.3, also inside an IPv6 address (section 2.5.5.2).
 */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address);
}
