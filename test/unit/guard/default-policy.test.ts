import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { Principal } from "#src/base/principal.ts";
import { defaultPolicy } from "#src/guard/default-policy.ts";
import { ENDPOINT_KINDS, type EndpointKind } from "#src/guard/endpoint-kind.ts";

const principals: fc.Arbitrary<Principal> = fc.record({
  verified: fc.boolean(),
  cn: fc.string(),
  spiffeId: fc.option(fc.constant("spiffe://site/admin"), { nil: undefined }),
  dnsNames: fc.array(fc.domain(), { maxLength: 2 }),
  ipAddresses: fc.array(fc.ipV4(), { maxLength: 2 }),
  certificate: fc.constant(undefined),
  trustDomains: fc.subarray(["", "partner.org"]),
  // also roles that a bug elsewhere might give
  roles: fc.subarray(["unverified", "admin", "writer", "*"]),
  remote: fc.constant("127.0.0.1:1"),
  refusal: fc.option(fc.constant("expired"), { nil: undefined }),
});

suite("defaultPolicy", () => {
  test("read is allowed, write and admin never, whoever asks", () => {
    const seen = new Set<EndpointKind>();
    fc.assert(
      fc.property(
        principals,
        fc.constantFrom(...ENDPOINT_KINDS),
        fc.string(),
        (who, kind, name) => {
          seen.add(kind);
          const decision = defaultPolicy.decide(who, { service: "s", kind, endpoint: name });
          assert.equal(decision.allowed, kind === "read");
        },
      ),
    );
    assert.equal(seen.size, 3);
  });

  test("a refusal says what kind of endpoint it was and names no peer", () => {
    fc.assert(
      fc.property(principals, fc.constantFrom("write", "admin"), (who, kind) => {
        const target = { service: "s", kind, endpoint: "A.B" } as const;
        const decision = defaultPolicy.decide({ ...who, cn: "SECRET-CN" }, target);
        assert.ok(!decision.allowed);
        const what = kind === "admin" ? "an admin" : "a write";
        const whose = who.verified
          ? "this peer has no role"
          : "an unverified peer never gets a role";
        assert.equal(decision.reason, `A.B is ${what} endpoint and ${whose} that may call it`);
        assert.doesNotMatch(decision.reason, /SECRET-CN|spiffe/);
        assert.equal(decision.reason.includes("unverified"), !who.verified);
      }),
    );
  });
});
