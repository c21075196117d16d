import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CandidateContext } from "#src/identity/validator/candidate-report.ts";
import { testPki } from "../../../fakes/certificates.ts";
import { candidateOf, codes, DAY, judge, warnings } from "./candidate-rig.ts";

const now = Date.now();
const pki = await testPki();
const other = await testPki("Other CA");
const sans = { dns: ["gw.example"], uri: ["spiffe://a.example/gw"] };
const span = (fromDays: number, toDays: number) => ({
  sans,
  notBefore: now + fromDays * DAY,
  notAfter: now + toDays * DAY,
});
const inForce = await pki.issue("gw", span(-10, 20));
const current = { chainPem: inForce.certificatePem, trustBundlePem: pki.caPem };

suite("a candidate against what is in force", () => {
  const rows: readonly {
    why: string;
    leaf: Parameters<typeof pki.issue>[1];
    cn?: string;
    codes: readonly string[];
    warnings?: readonly string[];
    context?: Partial<CandidateContext>;
  }[] = [
    { why: "newer and longer", leaf: span(-1, 40), codes: [] },
    {
      why: "newer and shorter: fleets shorten lifetimes on purpose",
      leaf: span(-1, 10),
      codes: [],
      warnings: ["shorter-life"],
    },
    { why: "begins earlier, ends later: another back-date", leaf: span(-11, 40), codes: [] },
    { why: "begins earlier, ends earlier: an old one", leaf: span(-20, 10), codes: ["older"] },
    { why: "begins earlier, ends at once with it", leaf: span(-20, 20), codes: ["older"] },
    {
      why: "an old one, on purpose",
      leaf: span(-20, 10),
      codes: [],
      warnings: ["older"],
      context: { policy: { allowOlder: true } },
    },
    {
      why: "another SPIFFE ID",
      leaf: { ...span(-1, 40), sans: { ...sans, uri: ["spiffe://a.example/other"] } },
      codes: ["other-identity"],
    },
    {
      why: "the SPIFFE ID lost",
      leaf: { ...span(-1, 40), sans: { dns: ["gw.example"] } },
      codes: ["other-identity"],
    },
    {
      why: "another common name: the SPIFFE ID is the name that counts",
      cn: "other",
      leaf: span(-1, 40),
      codes: [],
      warnings: ["other-common-name"],
    },
    {
      why: "both, allowed",
      cn: "other",
      leaf: { ...span(-1, 40), sans: { ...sans, uri: ["spiffe://a.example/other"] } },
      codes: [],
      context: { policy: { allowOtherIdentity: true } },
    },
    {
      why: "what is configured counts, also against what is in force",
      leaf: { ...span(-1, 40), sans: { ...sans, uri: ["spiffe://a.example/new"] } },
      codes: [],
      context: { expected: { spiffeId: "spiffe://a.example/new" } },
    },
    {
      why: "allowed to change, but not against the configuration",
      cn: "other",
      leaf: span(-1, 40),
      codes: ["other-identity"],
      context: { policy: { allowOtherIdentity: true }, expected: { commonName: "gw" } },
    },
    {
      why: "a DNS name lost",
      leaf: { ...span(-1, 40), sans: { dns: ["new.example"], uri: sans.uri } },
      codes: [],
      warnings: ["names-dropped"],
    },
  ];
  for (const { why, leaf, cn = "gw", codes: expected, warnings: warned = [], context } of rows) {
    test(why, async () => {
      const report = await judge(candidateOf(await pki.issue(cn, leaf), pki.caPem), {
        current,
        ...context,
      });
      assert.deepEqual(codes(report), expected);
      assert.deepEqual(warnings(report), warned);
    });
  }
  test("the same again is neither older nor another", async () => {
    const report = await judge(candidateOf(inForce, pki.caPem), { current });
    assert.deepEqual([codes(report), warnings(report)], [[], []]);
  });
  test("without a SPIFFE ID the common name is the device's name", async () => {
    const leaf = { sans: { dns: ["gw.example"] }, notBefore: now - 10 * DAY };
    const plain = await pki.issue("gw", leaf);
    const report = await judge(candidateOf(await pki.issue("other", leaf), pki.caPem), {
      current: { chainPem: plain.certificatePem, trustBundlePem: pki.caPem },
    });
    assert.deepEqual([codes(report), warnings(report)], [["other-identity"], []]);
  });
  test("a device without SPIFFE ID may get one", async () => {
    const plain = await pki.issue("gw", { notBefore: now - 10 * DAY });
    const report = await judge(candidateOf(await pki.issue("gw", span(-1, 40)), pki.caPem), {
      current: { chainPem: plain.certificatePem, trustBundlePem: pki.caPem },
    });
    assert.deepEqual(codes(report), []);
  });
  test("what is in force and damaged keeps nobody out", async () => {
    const damaged = { chainPem: "nothing", trustBundlePem: "" };
    const report = await judge(candidateOf(inForce, pki.caPem), { current: damaged });
    assert.deepEqual([codes(report), warnings(report)], [[], ["current-unreadable"]]);
  });
});

suite("a new trust bundle", () => {
  test("under which our own chain does not verify is refused", async () => {
    const report = await judge(candidateOf(inForce, other.caPem), { current });
    assert.deepEqual(codes(report), ["unknown-authority"]);
    assert.deepEqual(warnings(report), ["authority-dropped"]);
  });
  test("is taken together with a chain of its own", async () => {
    const report = await judge(candidateOf(await other.issue("gw", span(-1, 40)), other.caPem), {
      current,
    });
    assert.deepEqual([codes(report), warnings(report)], [[], ["authority-dropped"]]);
  });
  test("that overlaps is taken in silence", async () => {
    const report = await judge(candidateOf(inForce, pki.caPem + other.caPem), { current });
    assert.deepEqual([codes(report), warnings(report)], [[], []]);
  });
  test("with what is expired or no authority is taken, and told", async () => {
    const expired = await testPki("Old CA", now - 4000 * DAY);
    const leaf = await pki.issue("peer");
    const bundle = pki.caPem + expired.caPem + leaf.certificatePem;
    const report = await judge(candidateOf(inForce, bundle), { current });
    assert.deepEqual([codes(report), warnings(report)], [[], ["bundle", "bundle"]]);
  });
});
