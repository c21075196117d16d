/**
 * Under which name an address is counted: an IPv4 address as it is, also where it comes mapped into
 * IPv6 (RFC 4291 section 2.5.5.2), an IPv6 address by its /64. A /64 is what one subscriber gets at
 * least, and whoever has one has 2^64 addresses. Pure.
 */

const MAPPED_GROUP = 5;

/** @param address As the kernel spells it; anything else is its own name. */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const [plain = "", zone] = address.split("%");
  const groups = groupsOf(plain);
  if (groups === undefined) return address;
  if (groups.slice(0, MAPPED_GROUP).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
  }
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(":")}::/64${zone === undefined ? "" : `%${zone}`}`;
}

/** The eight groups (RFC 4291 section 2.2), or `undefined` if it is no IPv6 address. */
function groupsOf(text: string): readonly number[] | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const before = parseGroups(head);
  const after = tail === undefined ? [] : parseGroups(tail);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...Array<number>(missing).fill(0), ...after];
}

function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  for (const part of text.split(":")) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(part)?.slice(1).map(Number);
    const [a = 256, b = 256, c = 256, d = 256] = octets ?? [];
    if (Math.max(a, b, c, d) > 255) return undefined;
    groups.push((a << 8) | b, (c << 8) | d);
  }
  return groups;
}
