import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { ConfigError } from "#src/agent/config-problem.ts";
import { formatDenyEntry } from "#src/identity/revocation/deny-list.ts";

const TLS = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n';

function load(toml: string, environment: Readonly<Record<string, string>> = {}) {
  return parseConfig(`${TLS}[revocation]\n${toml}`, "/srv/microedge.toml", {
    environment,
    root: false,
    nowMs: () => Date.UTC(2026, 5, 1),
  }).config.revocation;
}

suite("[revocation]", () => {
  test("is off by default, and soft where it is on", () => {
    const { crl, crlFail, crlFromCertificates, ocsp, deny, denyRecovery } = load("");
    assert.deepEqual(
      [crl, crlFail, crlFromCertificates, ocsp, deny, denyRecovery],
      [[], "soft", false, "off", [], false],
    );
  });

  test("takes files relative to the configuration, addresses, and entries of all three forms", () => {
    const { crl, deny } = load(
      `crl = ["site.crl", "/etc/x.crl", "http://ca.example/crl"]\ndeny = ["serial:0a", "spiffe://site.org/x", "sha256:${"ab".repeat(32)}"]`,
    );
    assert.deepEqual(crl, ["/srv/site.crl", "/etc/x.crl", "http://ca.example/crl"]);
    assert.deepEqual(deny.map(formatDenyEntry), [
      "serial:A",
      "spiffe://site.org/x",
      `sha256:${"ab".repeat(32)}`,
    ]);
  });

  test("takes empty arrays, and lists from the environment", () => {
    assert.deepEqual(load("crl = []\ndeny = []").crl, []);
    const { deny } = load("", { MICROEDGE_REVOCATION_DENY: "serial:01, serial:02" });
    assert.deepEqual(deny.map(formatDenyEntry), ["serial:1", "serial:2"]);
  });

  const bad: readonly { why: string; toml: string; words: RegExp }[] = [
    { why: "no form", toml: 'deny = ["backend"]', words: /deny must be .*serial:HEX/ },
    { why: "names which", toml: 'deny = ["serial:01", "serial:zz"]', words: /\[1\] is not/ },
    { why: "another protocol", toml: 'crl = ["ftp://ca/crl"]', words: /http:\/\// },
    { why: "ldap", toml: 'crl = ["ldap://ca/cn=crl"]', words: /http:\/\// },
    { why: "with a password", toml: 'crl = ["http://u:p@ca/crl"]', words: /without a password/ },
    { why: "an empty path", toml: 'crl = [""]', words: /crl must be/ },
    { why: "not an array", toml: 'crl = "site.crl"', words: /an array/ },
    { why: "no such mode", toml: 'ocsp = "strict"', words: /"off", "soft", "hard"/ },
    {
      why: "more than fit: refused whole",
      toml: `deny = [${Array.from({ length: 1_025 }, (_, index) => `"serial:${index}"`).join(",")}]`,
      words: /at most 1024 items.*it has 1025, and none was left out/,
    },
  ];
  for (const { why, toml, words } of bad) {
    test(`refuses ${toml.slice(0, 40)}: ${why}`, () => {
      assert.throws(
        () => load(toml),
        (error) => {
          assert.ok(error instanceof ConfigError);
          const [problem] = error.problems;
          assert.match(`${problem?.key} ${problem?.message}`, words);
          assert.ok(!problem?.message.includes("u:p@"), "does not repeat the value");
          return true;
        },
      );
    });
  }
});
