import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type LoadedConfig, parseConfig } from "#src/agent/config.ts";
import { changeConfig } from "#src/agent/config-change.ts";
import { ConfigError } from "#src/agent/config-problem.ts";

const TLS = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n';
const READER =
  '[[acl.role]]\nname = "reader"\nallow = ["microedge/Agent.Echo", "microedge/Debug.*"]\n';
const PRINT = `${"AB:".repeat(31)}AB`;

function load(toml: string, environment: Readonly<Record<string, string>> = {}): LoadedConfig {
  return parseConfig(`${TLS}${toml}`, "/srv/microedge.toml", {
    environment,
    root: false,
    nowMs: () => Date.UTC(2026, 5, 1),
  });
}

/** Every problem as `line key message`. */
function problems(toml: string): readonly string[] {
  try {
    load(toml);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ key, message, line }) => `${line ?? "-"} ${key} ${message}`);
  }
  return [];
}

suite("[acl]: what is right", () => {
  test("without a section there are no rules; an empty one has none and denies all", () => {
    assert.equal(load("").config.acl, undefined);
    const empty = {
      ownTrustDomain: undefined,
      trustDomains: [],
      roles: [],
      peers: [],
      bundles: [],
    };
    assert.deepEqual(load("[acl]\n").config.acl, empty);
    const named = load("", { MICROEDGE_ACL_OWN_TRUST_DOMAIN: "site.org" }).config.acl;
    assert.deepEqual(named, { ...empty, ownTrustDomain: "site.org" });
  });

  test("rules of every form, names in one spelling, bundles by absolute path", () => {
    const { config } = load(`[acl]
own_trust_domain = "site.org"
[[acl.trust_domain]]
name = "partner.org"
ca = "partner.pem"
${READER}[[acl.role]]
name = "unverified"
allow = ["*/*"]
kinds = ["read"]
[[acl.peer]]
cn = "backend"
roles = ["reader"]
[[acl.peer]]
cn = "backend"
trust_domain = "partner.org"
roles = ["reader"]
[[acl.peer]]
spiffe = "spiffe://site.org/ns/*"
roles = ["reader"]
[[acl.peer]]
dns = "Pump.Site.Org"
trust_domain = "site.org"
roles = ["reader"]
[[acl.peer]]
sha256 = "${PRINT}"
roles = ["reader"]
`);
    const acl = config.acl;
    assert.ok(acl);
    assert.deepEqual(acl.bundles, [{ name: "partner.org", caPath: "/srv/partner.pem" }]);
    assert.deepEqual(acl.trustDomains, ["partner.org"]);
    assert.deepEqual(
      acl.peers.map(({ roles, ...who }) => Object.values(who).filter((value) => value)),
      [
        ["backend"],
        ["backend", "partner.org"],
        ["spiffe://site.org/ns/*"],
        ["pump.site.org", "site.org"],
        ["ab".repeat(32)],
      ],
    );
    assert.deepEqual(acl.roles[1], { name: "unverified", allow: ["*/*"], kinds: ["read"] });
  });
});

suite("[acl]: what is wrong", () => {
  const peer = (rest: string): string => `${READER}[[acl.peer]]\n${rest}\n`;
  const rows = [
    {
      toml: peer('cn = "a"\nroles = ["readr"]'),
      says: /^10 acl\.peer\[0\]\.roles has "readr", and there is no such role: did you mean reader\?/,
      why: "unknown role",
    },
    {
      toml: peer('cn = "a"\nroles = ["unverified"]'),
      says: /roles has "unverified", which is for peers/,
      why: "the reserved role",
    },
    { toml: peer('cn = "a"'), says: /roles is missing/, why: "no roles" },
    {
      toml: peer('cn = "a"\nroles = []'),
      says: /roles must be an array with at least one item/,
      why: "empty roles",
    },
    {
      toml: peer('cn = "a"\ndns = "b"\nroles = ["reader"]'),
      says: /^9 acl\.peer\[0\] has cn and dns: a rule needs exactly one/,
      why: "two kinds of match",
    },
    { toml: peer('roles = ["reader"]'), says: /^9 acl\.peer\[0\] names no peer/, why: "no match" },
    {
      toml: `${peer('cn = "a"\nroles = ["reader"]')}[[acl.peer]]\ncn = "a"\nroles = ["reader"]\n`,
      says: /^12 acl\.peer\[1\] repeats cn "a" of acl\.peer\[0\] \(line 10\)/,
      why: "duplicate peer",
    },
    {
      toml: `[acl]\nown_trust_domain = "o"\n${peer('cn = "a"\nroles = ["reader"]')}[[acl.peer]]\ncn = "a"\ntrust_domain = "o"\nroles = ["reader"]\n`,
      says: /acl\.peer\[1\] repeats/,
      why: "the same peer by the name of our own domain",
    },
    {
      toml: `${READER}${READER}`,
      says: /acl\.role\[1\]\.name repeats reader of acl\.role\[0\] \(line 6\)/,
      why: "duplicate role",
    },
    {
      toml: '[[acl.role]]\nname = "r"\nallow = []\n',
      says: /allow must be an array with at least one item/,
      why: "empty allow",
    },
    {
      toml: '[[acl.role]]\nname = "r"\nallow = ["Agent.Echo"]\n',
      says: /^7 acl\.role\[0\]\.allow has "Agent\.Echo", which is not of the form/,
      why: "bad pattern",
    },
    {
      toml: '[[acl.role]]\nname = "r"\nallow = ["*/*"]\nkinds = ["wirte"]\n',
      says: /kinds must be .*"read", "write", "admin"/,
      why: "bad kind",
    },
    {
      toml: '[[acl.role]]\nname = "unverified"\nallow = ["*/*"]\nkinds = ["read", "admin"]\n',
      says: /kinds must be \["read"\]/,
      why: "admin for unverified",
    },
    {
      toml: peer('sha256 = "abc"\nroles = ["reader"]'),
      says: /sha256 must be 64 hex/,
      why: "short fingerprint",
    },
    {
      toml: peer('dns = "*.site"\nroles = ["reader"]'),
      says: /dns must be a DNS name; it has no wild/,
      why: "DNS wildcard",
    },
    {
      toml: peer('spiffe = "https://x"\nroles = ["reader"]'),
      says: /spiffe must be a SPIFFE ID/,
      why: "no SPIFFE ID",
    },
    {
      toml: peer('spiffe = "spiffe://d/*/x"\nroles = ["reader"]'),
      says: /only as its last segment/,
      why: "* in the middle",
    },
    {
      toml: peer('spiffe = "spiffe://*"\nroles = ["reader"]'),
      says: /spiffe (must|may)/,
      why: "every domain",
    },
    {
      toml: peer('spiffe = "spiffe://d/x"\ntrust_domain = "d"\nroles = ["reader"]'),
      says: /trust_domain has no meaning here/,
      why: "domain said twice",
    },
    {
      toml: `[acl]\nown_trust_domain = "o"\n${peer('spiffe = "spiffe://d/x"\nroles = ["reader"]')}`,
      says: /trust domain without a bundle/,
      why: "an ID that nobody may vouch for",
    },
    {
      toml: peer('cn = "a"\ntrust_domain = "d"\nroles = ["reader"]'),
      says: /trust_domain is no domain/,
      why: "unknown trust domain",
    },
    {
      toml: '[acl]\nown_trust_domain = "d"\n[[acl.trust_domain]]\nname = "d"\nca = "x"\n',
      says: /is also acl\.own_trust_domain/,
      why: "one domain, two bundles",
    },
    {
      toml: '[[acl.trust_domain]]\nname = "d"\nca = "x"\n[[acl.trust_domain]]\nname = "d"\nca = "y"\n',
      says: /acl\.trust_domain\[1\]\.name repeats d/,
      why: "duplicate trust domain",
    },
    {
      toml: "[acl]\npeers = []\n",
      says: /acl\.peers is not a key: did you mean peer/,
      why: "unknown key",
    },
  ];
  for (const { toml, says, why } of rows) {
    test(why, () => {
      const found = problems(toml);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", says);
    });
  }

  test("all problems at once", () => {
    const found = problems(
      '[[acl.role]]\nname = "r"\nallow = ["x", "y"]\n[[acl.peer]]\nroles = ["q"]\nsha256 = "0"\n',
    );
    assert.deepEqual(
      found.map((line) => line.split(" ")[1]),
      ["acl.role[0].allow", "acl.role[0].allow", "acl.peer[0].roles", "acl.peer[0].sha256"],
    );
  });
});

suite("[acl]: on reload", () => {
  for (const { old, fresh, applied, why } of [
    { old: "", fresh: "[acl]\n", applied: ["acl"], why: "a section that is empty denies all" },
    { old: "[acl]\n", fresh: "", applied: ["acl"], why: "and its absence does not" },
    { old: READER, fresh: `${READER}kinds = ["write"]\n`, applied: ["acl.role"], why: "a role" },
    {
      old: READER,
      fresh: `${READER}[[acl.peer]]\ncn = "a"\nroles = ["reader"]\n`,
      applied: ["acl.peer"],
      why: "a peer",
    },
    {
      old: "[acl]\n",
      fresh: '[acl]\nown_trust_domain = "d"\n',
      applied: ["acl.own_trust_domain"],
      why: "the name of our domain",
    },
    {
      old: "[acl]\n",
      fresh: '[[acl.trust_domain]]\nname = "d"\nca = "x"\n',
      applied: ["acl.trust_domain"],
      why: "a bundle",
    },
  ]) {
    test(`${applied}: ${why}`, () => {
      const after = load(fresh);
      const change = changeConfig(load(old), after);
      assert.deepEqual(change.applied, applied);
      assert.deepEqual(change.needRestart, []);
      assert.equal(change.inForce.config.acl, after.config.acl);
    });
  }
});
