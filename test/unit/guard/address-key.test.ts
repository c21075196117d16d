import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { addressKey } from "#src/guard/address-key.ts";

suite("addressKey", () => {
  const rows = [
    { address: "192.0.2.7", key: "192.0.2.7", why: "IPv4 is itself" },
    { address: "::ffff:192.0.2.7", key: "192.0.2.7", why: "IPv4 on a socket for both" },
    { address: "::ffff:c000:207", key: "192.0.2.7", why: "the same in hexadecimal" },
    { address: "0:0:0:0:0:FFFF:192.0.2.7", key: "192.0.2.7", why: "and without ::" },
    { address: "2001:db8:1:2::7", key: "2001:db8:1:2::/64", why: "IPv6 by its network" },
    { address: "2001:db8:1:2:3:4:5:6", key: "2001:db8:1:2::/64", why: "whatever the interface" },
    { address: "2001:DB8:1:2::7", key: "2001:db8:1:2::/64", why: "however it is spelled" },
    { address: "2001:db8::1:2:3:4:5", key: "2001:db8:0:1::/64", why: ":: inside the network" },
    { address: "2001:db8::1", key: "2001:db8:0:0::/64", why: ":: across the boundary" },
    { address: "::1", key: "0:0:0:0::/64", why: "loopback" },
    { address: "::", key: "0:0:0:0::/64", why: "nothing but zeros" },
    { address: "::192.0.2.7", key: "0:0:0:0::/64", why: "compatible, not mapped" },
    {
      address: "fe80::1%eth0",
      key: "fe80:0:0:0::/64%eth0",
      why: "link-local: each link is a network",
    },
    { address: "1:2:3", key: "1:2:3", why: "too short to be an address" },
    { address: "1::2::3", key: "1::2::3", why: "ambiguous" },
    { address: "1:2:3:4:5:6:7::8", key: "1:2:3:4:5:6:7::8", why: ":: for nothing" },
    { address: "::1.2.3.400", key: "::1.2.3.400", why: "no octet" },
    { address: "g::1", key: "g::1", why: "no digit" },
    { address: "", key: "", why: "a socket that has gone" },
  ];
  for (const { address, key, why } of rows) {
    test(`${address}: ${why}`, () => assert.equal(addressKey(address), key));
  }
});
