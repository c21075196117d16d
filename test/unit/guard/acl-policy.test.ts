import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { Principal } from "#src/base/principal.ts";
import { AclPolicy } from "#src/guard/acl-policy.ts";
import type { AclRules, PeerRule, RoleRule } from "#src/guard/acl-rules.ts";
import { defaultPolicy } from "#src/guard/default-policy.ts";
import type { EndpointKind } from "#src/guard/endpoint-kind.ts";
import type { Decision, Target } from "#src/guard/policy.ts";
import { PolicyInForce } from "#src/guard/policy-in-force.ts";
import { principal } from "../../fakes/memory-server.ts";
import * as some from "./acl-arbitrary.ts";

const READER: RoleRule = { name: "reader", allow: ["microedge/Agent.Echo", "microedge/Debug.*"] };
const NONE: AclRules = { ownTrustDomain: undefined, trustDomains: [], peers: [], roles: [] };

function policyOf(peers: readonly PeerRule[], more: Partial<AclRules> = {}): AclPolicy {
  return new AclPolicy({ ...NONE, peers, roles: [READER], ...more });
}

function ask(
  policy: AclPolicy,
  who: Principal,
  name: string,
  kind: EndpointKind = "read",
): Decision {
  const [service = "", endpoint = ""] = name.split("/");
  return policy.decide(who, { service, endpoint, kind });
}

const ECHO = "microedge/Agent.Echo";

suite("AclPolicy: who a rule means", () => {
  const partner = { trustDomains: ["partner.org"] };
  const rows: readonly {
    readonly rule: Omit<PeerRule, "roles">;
    readonly who: Partial<Principal>;
    readonly more?: Partial<AclRules>;
    readonly yes: boolean;
    readonly why: string;
  }[] = [
    { rule: { cn: "backend" }, who: { cn: "backend" }, yes: true, why: "its name" },
    { rule: { cn: "backend" }, who: { cn: "Backend" }, yes: false, why: "case counts in a CN" },
    { rule: { cn: "backend" }, who: { cn: "backend2" }, yes: false, why: "the whole name" },
    {
      rule: { cn: "backend" },
      who: { cn: "", dnsNames: ["backend"] },
      yes: false,
      why: "a DNS name is no CN",
    },
    {
      rule: { dns: "backend" },
      who: { cn: "backend", dnsNames: [] },
      yes: false,
      why: "a CN is no DNS name",
    },
    {
      rule: { cn: "backend" },
      who: { cn: "backend", verified: false },
      yes: false,
      why: "unverified names are not believed",
    },
    {
      rule: { cn: "backend" },
      who: { cn: "backend", trustDomains: [] },
      yes: false,
      why: "placed nowhere",
    },
    {
      rule: { cn: "backend" },
      who: { cn: "backend", ...partner },
      more: { trustDomains: ["partner.org"] },
      yes: false,
      why: "another domain's namesake",
    },
    {
      rule: { cn: "backend", trustDomain: "partner.org" },
      who: { cn: "backend", ...partner },
      more: { trustDomains: ["partner.org"] },
      yes: true,
      why: "the domain that the rule names",
    },
    {
      rule: { cn: "backend", trustDomain: "partner.org" },
      who: { cn: "backend" },
      more: { trustDomains: ["partner.org"] },
      yes: false,
      why: "our own namesake",
    },
    {
      rule: { cn: "backend", trustDomain: "partner.org" },
      who: { cn: "backend", ...partner },
      yes: false,
      why: "a domain that is gone from the policy",
    },
    {
      rule: { cn: "backend", trustDomain: "own.org" },
      who: { cn: "backend" },
      more: { ownTrustDomain: "own.org" },
      yes: true,
      why: "our own domain by its name",
    },
    {
      rule: { dns: "b.site" },
      who: { dnsNames: ["a.site", "b.site"] },
      yes: true,
      why: "any of its DNS names",
    },
    {
      rule: { dns: "b.site" },
      who: { dnsNames: ["*.site"] },
      yes: false,
      why: "a wildcard certificate names nobody",
    },
    {
      rule: { sha256: "ab".repeat(32) },
      who: { certificate: withPrint("ab".repeat(32)) },
      yes: true,
      why: "this very certificate",
    },
    {
      rule: { sha256: "ab".repeat(32) },
      who: { certificate: withPrint("ab".repeat(32)), trustDomains: [] },
      yes: false,
      why: "placed nowhere",
    },
    {
      rule: { spiffe: "spiffe://d/x" },
      who: { spiffeId: "spiffe://d/x" },
      yes: true,
      why: "this ID",
    },
    {
      rule: { spiffe: "spiffe://d/x" },
      who: { spiffeId: "spiffe://d/x/y" },
      yes: false,
      why: "not what is below it",
    },
    {
      rule: { spiffe: "spiffe://d/x/*" },
      who: { spiffeId: "spiffe://d/x/y" },
      yes: true,
      why: "one segment",
    },
    {
      rule: { spiffe: "spiffe://d/x/*" },
      who: { spiffeId: "spiffe://d/x/y/z" },
      yes: true,
      why: "more segments",
    },
    {
      rule: { spiffe: "spiffe://d/x/*" },
      who: { spiffeId: "spiffe://d/x" },
      yes: false,
      why: "at least one segment",
    },
    {
      rule: { spiffe: "spiffe://d/x/*" },
      who: { spiffeId: "spiffe://d/xy/z" },
      yes: false,
      why: "whole segments",
    },
    {
      rule: { spiffe: "spiffe://d/*" },
      who: { spiffeId: "spiffe://d/x" },
      yes: true,
      why: "all of a trust domain",
    },
    {
      rule: { spiffe: "spiffe://d/*" },
      who: { spiffeId: "spiffe://d" },
      yes: false,
      why: "not the domain itself",
    },
    {
      rule: { spiffe: "spiffe://d/*" },
      who: { spiffeId: "spiffe://d.evil/x" },
      yes: false,
      why: "the whole domain name",
    },
    {
      rule: { spiffe: "spiffe://partner.org/x" },
      who: { spiffeId: "spiffe://partner.org/x" },
      more: { trustDomains: ["partner.org"] },
      yes: false,
      why: "our CA may not speak for a domain with a bundle of its own",
    },
    {
      rule: { spiffe: "spiffe://partner.org/x" },
      who: { spiffeId: "spiffe://partner.org/x", ...partner },
      more: { trustDomains: ["partner.org"] },
      yes: true,
      why: "the owner may",
    },
    {
      rule: { spiffe: "spiffe://own.org/x" },
      who: { spiffeId: "spiffe://own.org/x", ...partner },
      more: { trustDomains: ["partner.org"] },
      yes: false,
      why: "a partner may not speak for us",
    },
    {
      rule: { spiffe: "spiffe://third.org/x" },
      who: { spiffeId: "spiffe://third.org/x" },
      more: { ownTrustDomain: "own.org" },
      yes: false,
      why: "once ours has a name, it owns no other",
    },
  ];
  for (const { rule, who, more = {}, yes, why } of rows) {
    test(`${JSON.stringify(rule).slice(0, 60)} ${yes ? "means" : "does not mean"} the peer: ${why}`, () => {
      const policy = policyOf([{ ...rule, roles: ["reader"] }], more);
      const given = ask(policy, principal({ cn: "", ...who }), ECHO);
      assert.equal(given.allowed, yes);
    });
  }
});

suite("AclPolicy: what a role gives", () => {
  const rows: readonly {
    readonly role: Omit<RoleRule, "name">;
    readonly kind: EndpointKind;
    readonly yes: boolean;
    readonly why: string;
  }[] = [
    { role: { allow: [ECHO] }, kind: "read", yes: true, why: "named" },
    { role: { allow: [ECHO] }, kind: "write", yes: true, why: "who names an endpoint means it" },
    { role: { allow: [ECHO] }, kind: "admin", yes: true, why: "who names an endpoint means it" },
    { role: { allow: ["microedge/*"] }, kind: "read", yes: true, why: "a pattern gives reading" },
    { role: { allow: ["microedge/*"] }, kind: "write", yes: false, why: "and no more" },
    {
      role: { allow: ["microedge/*", ECHO] },
      kind: "admin",
      yes: true,
      why: "unless it is named too",
    },
    { role: { allow: ["*/*"], kinds: ["write"] }, kind: "write", yes: true, why: "kinds give it" },
    {
      role: { allow: ["*/*"], kinds: ["write"] },
      kind: "read",
      yes: false,
      why: "kinds are all there is",
    },
    {
      role: { allow: [ECHO], kinds: ["read"] },
      kind: "admin",
      yes: false,
      why: "kinds also bind names",
    },
    { role: { allow: ["other/*"] }, kind: "read", yes: false, why: "another service" },
  ];
  for (const { role, kind, yes, why } of rows) {
    test(`${JSON.stringify(role)} ${yes ? "gives" : "does not give"} ${kind}: ${why}`, () => {
      const policy = policyOf([{ cn: "a", roles: ["r"] }], { roles: [{ name: "r", ...role }] });
      assert.equal(ask(policy, principal({ cn: "a" }), ECHO, kind).allowed, yes);
    });
  }

  test("an unverified peer has the role of that name, and only for reading", () => {
    const open: RoleRule = {
      name: "unverified",
      allow: ["*/*", ECHO],
      kinds: ["read", "write", "admin"],
    };
    const policy = policyOf([], { roles: [open] });
    const stranger = principal({ verified: false, roles: ["unverified"], trustDomains: [] });
    assert.equal(ask(policy, stranger, ECHO, "read").allowed, true);
    assert.equal(ask(policy, stranger, ECHO, "write").allowed, false);
    assert.equal(ask(policy, stranger, ECHO, "admin").allowed, false);
    assert.equal(ask(policy, principal({ cn: "verified" }), ECHO).allowed, false);
  });

  test("roles that a principal brings along give nothing", () => {
    const who = principal({ cn: "x", roles: ["reader"] });
    assert.equal(ask(policyOf([]), who, ECHO).allowed, false);
  });

  test("an empty section denies everything", () => {
    assert.equal(ask(new AclPolicy(NONE), principal({ cn: "backend" }), ECHO).allowed, false);
  });
});

suite("AclPolicy: how it refuses", () => {
  const policy = policyOf([{ cn: "backend", roles: ["reader"] }]);
  for (const { who, name, code, says, why } of [
    {
      who: { verified: false },
      name: ECHO,
      code: "ERR_ACL_UNAUTHENTICATED",
      says: /client certificate/,
      why: "no certificate",
    },
    {
      who: { cn: "stranger" },
      name: ECHO,
      code: "ERR_ACL_DENIED",
      says: /this peer has none/,
      why: "unknown peer",
    },
    {
      who: { cn: "backend" },
      name: "microedge/Agent.Stop",
      code: "ERR_ACL_DENIED",
      says: /does not have/,
      why: "missing role",
    },
  ]) {
    test(`${why}: ${code}`, () => {
      const denied = ask(policy, principal(who), name);
      assert.ok(!denied.allowed);
      assert.equal(denied.code, code);
      assert.match(denied.reason, says);
      assert.match(denied.reason, /^Agent\.\w+ needs/);
    });
  }

  test("the reason tells nothing of the policy", () => {
    fc.assert(
      fc.property(some.rules, some.peer, some.target, (rules, who, target) => {
        const denied = new AclPolicy(rules).decide(who, target);
        fc.pre(!denied.allowed);
        assert.doesNotMatch(denied.reason, /reader|writer|backend|pump|site|partner|\*|spiffe/);
      }),
    );
  });
});

/** Slow and plain: every rule against the peer, every pattern against the target. */
function reference(rules: AclRules, who: Principal, { service, endpoint, kind }: Target): boolean {
  const owns = (domain: string): string | undefined => {
    if (domain === rules.ownTrustDomain) return "";
    if (rules.trustDomains.includes(domain)) return domain;
    return undefined;
  };
  const placedIn = (domain: string | undefined): boolean => {
    const key = domain === undefined ? "" : owns(domain);
    return key !== undefined && who.trustDomains.includes(key);
  };
  const has = (rule: PeerRule): boolean => {
    if (!who.verified || who.trustDomains.length === 0) return false;
    if (rule.cn !== undefined) return rule.cn === who.cn && placedIn(rule.trustDomain);
    if (rule.dns !== undefined) {
      const names = who.dnsNames.map((name) => name.toLowerCase());
      return names.includes(rule.dns) && placedIn(rule.trustDomain);
    }
    if (rule.sha256 !== undefined) return rule.sha256 === who.certificate?.fingerprint;
    const [, domain = ""] = /^spiffe:\/\/([^/]+)/.exec(who.spiffeId ?? "") ?? [];
    const owner = owns(domain) ?? (rules.ownTrustDomain === undefined ? "" : undefined);
    if (owner === undefined || !who.trustDomains.includes(owner)) return false;
    const wanted = rule.spiffe ?? "";
    return wanted.endsWith("/*")
      ? who.spiffeId?.startsWith(wanted.slice(0, -1)) === true
      : who.spiffeId === wanted;
  };
  const mine = new Set(
    who.verified ? rules.peers.filter(has).flatMap(({ roles }) => roles) : ["unverified"],
  );
  return rules.roles.some(
    ({ name, allow, kinds }) =>
      mine.has(name) &&
      (name !== "unverified" || kind === "read") &&
      allow.some((pattern) => {
        const form = pattern.replaceAll(".", "\\.").replaceAll("*", "[^/]*");
        if (!new RegExp(`^${form}$`).test(`${service}/${endpoint}`)) return false;
        if (kinds !== undefined) return kinds.includes(kind);
        return !pattern.includes("*") || kind === "read";
      }),
  );
}

suite("AclPolicy: properties", () => {
  const targets = fc.array(some.target, { minLength: 1, maxLength: 8 });

  test("decides as the plain reading of the rules, on first and on repeated asking", () => {
    const seen = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(some.rules, some.peer, targets, (rules, who, wanted) => {
        const policy = new AclPolicy(rules);
        for (const target of [...wanted, ...wanted]) {
          const { allowed } = policy.decide(who, target);
          assert.equal(allowed, reference(rules, who, target));
          seen[allowed ? "allowed" : "denied"] += 1;
        }
      }),
      { numRuns: 3_000 },
    );
    assert.ok(seen.allowed > 500 && seen.denied > 500, JSON.stringify(seen));
  });

  test("what no rule names is denied, whatever the rules and their order", () => {
    const elsewhere = fc.constantFrom("unnamed", "S", "s ", "*", "s/A.Get", "__proto__");
    fc.assert(
      fc.property(some.rules, some.peer, some.target, elsewhere, (rules, who, target, service) => {
        const named = rules.roles.map((role) => ({
          ...role,
          allow: role.allow.filter((pattern) => !pattern.startsWith("*/")),
        }));
        const policy = new AclPolicy({ ...rules, roles: named });
        assert.equal(policy.decide(who, { ...target, service }).allowed, false);
        const nobody = principal({ cn: "nobody", dnsNames: [], spiffeId: undefined });
        assert.equal(new AclPolicy(rules).decide(nobody, target).allowed, false);
      }),
      { numRuns: 1_000 },
    );
  });

  test("the order of rules never matters, nor does the rule that is named", () => {
    fc.assert(
      fc.property(
        some.rules,
        some.peer,
        targets,
        fc.infiniteStream(fc.nat()),
        (rules, who, wanted, draws) => {
          const shuffle = <T>(items: readonly T[]): T[] =>
            items
              .map((item) => [draws.next().value ?? 0, item] as const)
              .sort(([a], [b]) => a - b)
              .map(([, item]) => item);
          const one = new AclPolicy(rules);
          const other = new AclPolicy({
            ...rules,
            peers: shuffle(rules.peers).map((rule) => ({ ...rule, roles: shuffle(rule.roles) })),
            roles: shuffle(rules.roles).map((role) => ({ ...role, allow: shuffle(role.allow) })),
          });
          for (const target of shuffle(wanted)) {
            assert.deepEqual(other.decide(who, target), one.decide(who, target));
          }
          assert.deepEqual(other.standingOf(who), one.standingOf(who));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("a further rule never takes a right away", () => {
    fc.assert(
      fc.property(some.rules, some.peerRule, some.peer, some.target, (rules, rule, who, target) => {
        fc.pre(new AclPolicy(rules).decide(who, target).allowed);
        const more = new AclPolicy({ ...rules, peers: [...rules.peers, rule] });
        assert.equal(more.decide(who, target).allowed, true);
      }),
    );
  });

  test("never throws, whatever a peer calls itself or asks for", () => {
    fc.assert(
      fc.property(some.rules, fc.string(), fc.string(), fc.string(), (rules, a, b, c) => {
        const who = principal({ cn: a, spiffeId: b, dnsNames: [c], trustDomains: ["", c] });
        new AclPolicy(rules).decide(who, { service: b, endpoint: c, kind: "read" });
      }),
    );
  });

  test("full tables change no decision", () => {
    const rules = { ...NONE, peers: [{ cn: "a", roles: ["reader"] }], roles: [READER] };
    const policy = new AclPolicy(rules);
    const who = principal({ cn: "a" });
    for (let at = 0; at < 3_000; at += 1) {
      assert.equal(ask(policy, who, `microedge/Debug.N${at}`).allowed, true);
      assert.equal(ask(policy, who, `microedge/Other.N${at}`).allowed, false);
    }
    assert.equal(ask(policy, who, "microedge/Debug.N2999").allowed, true);
  });
});

suite("AclPolicy: looked up once", () => {
  test("the same question gets the same object, also for another peer of the same roles", () => {
    const policy = policyOf([
      { cn: "a", roles: ["reader"] },
      { cn: "b", roles: ["reader"] },
    ]);
    const first = ask(policy, principal({ cn: "a" }), ECHO);
    assert.equal(ask(policy, principal({ cn: "b" }), ECHO), first);
  });

  test("an endpoint whose kind is another now is decided afresh", () => {
    const policy = policyOf([{ cn: "a", roles: ["reader"] }]);
    const who = principal({ cn: "a" });
    assert.equal(ask(policy, who, "microedge/Debug.Health", "read").allowed, true);
    assert.equal(ask(policy, who, "microedge/Debug.Health", "write").allowed, false);
    assert.equal(ask(policy, who, "microedge/Debug.Health", "read").allowed, true);
  });
});

suite("PolicyInForce", () => {
  test("a new policy decides the next call of a peer that is connected already", () => {
    const who = principal({ cn: "a" });
    const target = { service: "microedge", endpoint: "Agent.Echo", kind: "read" } as const;
    const policy = new PolicyInForce(policyOf([{ cn: "a", roles: ["reader"] }]));
    assert.equal(policy.decide(who, target).allowed, true);
    policy.replace(policyOf([{ cn: "b", roles: ["reader"] }]));
    assert.equal(policy.decide(who, target).allowed, false);
    assert.deepEqual(policy.standingOf(who).roles, []);
    policy.replace(defaultPolicy);
    assert.equal(policy.decide(who, target).allowed, true);
  });
});

function withPrint(fingerprint: string) {
  return { subject: "", issuer: "", notBefore: 0, notAfter: 0, serial: "01", fingerprint };
}
