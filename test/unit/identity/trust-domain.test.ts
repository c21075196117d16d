import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import { placeLeaf, type TrustDomain } from "#src/identity/trust-domain.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { testPki } from "../../fakes/certificates.ts";

const DAY = 86_400_000;
const now = Date.now();
const own = await testPki("Own CA", now);
const partner = await testPki("Partner CA", now);
const namesake = await testPki("Own CA", now);
const middle = await own.intermediate("Middle");
const otherMiddle = await own.intermediate("Other Middle");
const leafOf = async (pki: typeof own, authority = pki.authority) =>
  parseCertificate((await pki.issue("leaf", { authority })).certificatePem);
const ownLeaf = await leafOf(own);
const partnerLeaf = await leafOf(partner);
const middleLeaf = await leafOf(own, middle);

function domain(name: string, ...pems: readonly string[]): TrustDomain {
  return { name, bundle: parseTrustBundle(pems.join("")) };
}

suite("placing a leaf", () => {
  const ca = own.caPem;
  const rows = [
    {
      leaf: middleLeaf,
      domains: [domain("", ca)],
      placed: [""],
      why: "one bundle is all there is",
    },
    {
      leaf: ownLeaf,
      domains: [domain("", ca), domain("p", partner.caPem)],
      placed: [""],
      why: "its own",
    },
    {
      leaf: partnerLeaf,
      domains: [domain("", ca), domain("p", partner.caPem)],
      placed: ["p"],
      why: "the other one",
    },
    {
      leaf: ownLeaf,
      domains: [domain("", namesake.caPem), domain("p", ca)],
      placed: ["p"],
      why: "a name alone proves nothing",
    },
    {
      leaf: middleLeaf,
      domains: [domain("", ca), domain("p", partner.caPem)],
      placed: [],
      why: "the intermediate is in no bundle",
    },
    {
      leaf: middleLeaf,
      domains: [domain("", ca, middle.certificatePem), domain("p", partner.caPem)],
      placed: [""],
      why: "with the intermediate",
    },
    {
      leaf: middleLeaf,
      domains: [domain("", middle.certificatePem), domain("p", ca)],
      placed: [],
      why: "each bundle stands alone",
    },
    {
      leaf: middleLeaf,
      domains: [
        domain("a", ca, middle.certificatePem),
        domain("b", ca, otherMiddle.certificatePem),
      ],
      placed: ["a"],
      why: "two domains below one root",
    },
    {
      leaf: ownLeaf,
      domains: [
        domain("a", ca, middle.certificatePem),
        domain("b", ca, otherMiddle.certificatePem),
      ],
      placed: ["a", "b"],
      why: "both own the root that issued it",
    },
    {
      leaf: ownLeaf,
      domains: [domain("", ca), domain("p", partner.caPem)],
      at: now + 4000 * DAY,
      placed: [],
      why: "an expired authority vouches for nobody",
    },
  ];
  for (const { leaf, domains, placed, why, at = now } of rows) {
    test(`${JSON.stringify(placed)}: ${why}`, () =>
      assert.deepEqual(placeLeaf(leaf, domains, at), placed));
  }

  test("authorities that claim to be the issuer cost a bounded number of signatures", async () => {
    const many = await Promise.all(Array.from({ length: 60 }, () => testPki("Own CA", now)));
    const domains = [domain("", ...many.map(({ caPem }) => caPem)), domain("p", own.caPem)];
    let checks = 0;
    // key identifiers tell real namesakes apart; these claim to fit
    const x509 = {
      checkIssued: () => true,
      verify: () => {
        checks += 1;
        return false;
      },
    };
    const leaf = { ...ownLeaf, x509: x509 as unknown as typeof ownLeaf.x509 };
    assert.deepEqual(placeLeaf(leaf, domains, now), []);
    assert.equal(checks, 32 + 1);
  });
});
