/** Rules, peers and targets for property tests, of few names, so that they often meet. */
import fc from "fast-check";
import type { Principal } from "#src/base/principal.ts";
import type { AclRules, PeerRule, RoleRule } from "#src/guard/acl-rules.ts";
import { ENDPOINT_KINDS } from "#src/guard/endpoint-kind.ts";
import type { Target } from "#src/guard/policy.ts";
import { principal } from "../../fakes/memory-server.ts";

const CNS = ["backend", "pump"];
const DNS = ["a.site", "b.site"];
const IDS = ["spiffe://site.org/ns/a", "spiffe://site.org/ns/a/b", "spiffe://partner.org/ns/a"];
const ID_PATTERNS = [
  "spiffe://site.org/*",
  "spiffe://site.org/ns/*",
  "spiffe://partner.org/ns/a/*",
];
const PRINTS = ["aa".repeat(32), "bb".repeat(32)];
const ROLES = ["reader", "writer", "unverified"];
const PARTNER = "partner.org";
const PATTERNS = ["s/A.Get", "s/A.Put", "s/A.*", "s/*", "*/*", "t/A.Get", "*/*.Get", "s/B.P*"];

const domain = fc.constantFrom(undefined, PARTNER, "site.org");
const roles = fc.subarray(ROLES, { minLength: 1 });

export const peerRule: fc.Arbitrary<PeerRule> = fc.oneof(
  fc.record({ cn: fc.constantFrom(...CNS), trustDomain: domain, roles }),
  fc.record({ dns: fc.constantFrom(...DNS), trustDomain: domain, roles }),
  fc.record({ spiffe: fc.constantFrom(...IDS, ...ID_PATTERNS), roles }),
  fc.record({ sha256: fc.constantFrom(...PRINTS), roles }),
);

export const roleRule: fc.Arbitrary<RoleRule> = fc.record({
  name: fc.constantFrom(...ROLES),
  allow: fc.subarray(PATTERNS, { minLength: 1 }),
  kinds: fc.option(fc.subarray([...ENDPOINT_KINDS], { minLength: 1 }), { nil: undefined }),
});

export const rules: fc.Arbitrary<AclRules> = fc.record({
  ownTrustDomain: fc.constantFrom(undefined, "site.org", "own.org"),
  trustDomains: fc.subarray([PARTNER]),
  peers: fc.array(peerRule, { maxLength: 5 }),
  roles: fc.uniqueArray(roleRule, { maxLength: 3, selector: ({ name }) => name }),
});

export const peer: fc.Arbitrary<Principal> = fc
  .record({
    verified: fc.constantFrom(true, true, true, false),
    cn: fc.constantFrom("", "nobody", ...CNS),
    spiffeId: fc.constantFrom(undefined, "spiffe://site.org", ...IDS),
    dnsNames: fc.subarray([...DNS, "A.SITE"]),
    trustDomains: fc.subarray(["", PARTNER]),
    fingerprint: fc.constantFrom("cc".repeat(32), ...PRINTS),
  })
  .map(({ fingerprint, ...names }) =>
    principal({
      ...names,
      certificate: {
        subject: "",
        issuer: "",
        notBefore: 0,
        notAfter: 0,
        serial: "01",
        fingerprint,
      },
    }),
  );

export const target: fc.Arbitrary<Target> = fc.record({
  service: fc.constantFrom("s", "t"),
  endpoint: fc.constantFrom("A.Get", "A.Put", "B.Put", "B.Get"),
  kind: fc.constantFrom(...ENDPOINT_KINDS),
});
