import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AgentError } from "#src/base/errors.ts";
import { formatAddress, parseAddress } from "#src/registry/address.ts";

suite("parseAddress", () => {
  const good = [
    { text: "127.0.0.1:8443", host: "127.0.0.1", port: 8443, why: "IPv4" },
    { text: "[::1]:8443", host: "::1", port: 8443, why: "IPv6 in brackets" },
    { text: "greeter.example:1", host: "greeter.example", port: 1, why: "lowest port" },
    {
      text: "greeter_1:65535",
      host: "greeter_1",
      port: 65_535,
      why: "container name, highest port",
    },
    { text: "a.example.:80", host: "a.example.", port: 80, why: "rooted name" },
  ];
  for (const { text, host, port, why } of good) {
    test(`${text}: ${why}`, () => assert.deepEqual(parseAddress(text), { host, port }));
  }

  const bad = [
    { text: "", reason: /port is missing/, why: "nothing" },
    { text: "greeter", reason: /port is missing/, why: "no port" },
    { text: ":8443", reason: /host is missing/, why: "no host" },
    { text: "greeter:", reason: /number from 1 to 65535/, why: "empty port" },
    { text: "greeter:0", reason: /number from 1 to 65535/, why: "port 0 is only for listening" },
    { text: "greeter:65536", reason: /number from 1 to 65535/, why: "beyond 16 bits" },
    { text: "greeter:8o43", reason: /number from 1 to 65535/, why: "letter in the port" },
    { text: "greeter:+80", reason: /number from 1 to 65535/, why: "sign in the port" },
    { text: "::1:8443", reason: /\[address\]:port/, why: "IPv6 without brackets" },
    { text: "::1", reason: /\[address\]:port/, why: "IPv6 without brackets or port" },
    { text: "[::1]", reason: /port is missing/, why: "brackets without port" },
    { text: "[::1:8443", reason: /never closed/, why: "open bracket" },
    { text: "[::1]8443", reason: /must follow/, why: "no colon after the bracket" },
    { text: "[greeter]:1", reason: /not an IPv6 address/, why: "name in brackets" },
    { text: "https://greeter:1", reason: /leave the scheme out/, why: "a URL" },
    {
      text: "256.0.0.1:80",
      reason: /not a host name/,
      why: "not IPv4, though it ends in a number",
    },
    { text: "gree ter:80", reason: /not a host name/, why: "space" },
    { text: "greeter\r\nX: 1:80", reason: /IPv6|not a host name/, why: "header injection" },
    { text: `${"a".repeat(64)}:80`, reason: /not a host name/, why: "label over 63 characters" },
  ];
  for (const { text, reason, why } of bad) {
    test(`refuses ${JSON.stringify(text)}: ${why}`, () =>
      assert.throws(
        () => parseAddress(text, "registry.static[0].addresses[1]"),
        (thrown) => {
          assert.ok(thrown instanceof AgentError);
          assert.equal(thrown.code, "ERR_REGISTRY_ADDRESS");
          assert.match(thrown.message, reason);
          assert.match(thrown.message, /^registry\.static\[0\]\.addresses\[1\] "/);
          return true;
        },
      ));
  }

  test("any text gives an address that survives a round trip, or the typed error", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.domain(), fc.nat()).map((t) => t.join(":")),
        ),
        (text) => {
          let parsed: ReturnType<typeof parseAddress>;
          try {
            parsed = parseAddress(text);
          } catch (thrown) {
            return thrown instanceof AgentError && thrown.code === "ERR_REGISTRY_ADDRESS";
          }
          assert.deepEqual(parseAddress(formatAddress(parsed)), parsed);
          return true;
        },
      ),
    );
  });
});
