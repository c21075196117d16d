/**
 * The machine's clock can't be set from here, so the certificates are put where a wrong clock would see
 * them: what begins next month is not yet valid by this clock, as everything is in 1970.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemRandom } from "#src/host/random.ts";
import type { CandidateContext, HandshakeTrial } from "#src/identity/validator/candidate-report.ts";
import { createAuthority } from "#src/identity/x509/issue.ts";
import { testPki } from "../../../fakes/certificates.ts";
import { candidateOf, codes, DAY, judge, timeView, trial, warnings } from "./candidate-rig.ts";

const now = Date.now();
const pki = await testPki("Test CA", now - 400 * DAY);
const other = await testPki("Other CA");
const SOON = { notBefore: now + 30 * DAY, notAfter: now + 60 * DAY };
const GONE = { notBefore: now - 60 * DAY, notAfter: now - 30 * DAY };
const soon = await pki.issue("gw", SOON);
const gone = await pki.issue("gw", GONE);
const good = await pki.issue("gw", { notBefore: now - DAY, notAfter: now + 30 * DAY });
const current = { chainPem: good.certificatePem, trustBundlePem: pki.caPem };

const AUTHENTICATED = { state: "authenticated", clockWrong: true } as const;
const FLOOR = { state: "floor", clockWrong: true } as const;
const tolerate = { policy: { tolerateNotYetValid: true }, current };

suite("not yet valid by this machine's clock", () => {
  const rows: readonly {
    why: string;
    context: Partial<CandidateContext>;
    codes: readonly string[];
    warnings?: readonly string[];
  }[] = [
    { why: "and the clock is not known to be wrong", context: {}, codes: ["not-yet-valid"] },
    {
      why: "and the clock is not known to be wrong: the policy does not help",
      context: tolerate,
      codes: ["not-yet-valid"],
    },
    {
      why: "the authenticated time says that it is valid",
      context: { time: timeView(now + 31 * DAY, AUTHENTICATED), current },
      codes: [],
    },
    {
      why: "the authenticated time says that it is not",
      context: { time: timeView(now + 29 * DAY, AUTHENTICATED), current },
      codes: ["not-yet-valid"],
    },
    {
      why: "the authenticated time says that it is over",
      context: { time: timeView(now + 61 * DAY, AUTHENTICATED), current },
      codes: ["expired"],
    },
    {
      why: "the floor says that it is valid, but no policy trusts that",
      context: { time: timeView(now + 31 * DAY, FLOOR), current },
      codes: ["not-yet-valid"],
    },
    {
      why: "the floor says that it is valid, and it was made in answer to us",
      context: { time: timeView(now + 31 * DAY, FLOOR), current, policy: { answered: true } },
      codes: [],
    },
    {
      why: "the floor says that it is not, though it was made in answer to us",
      context: { time: timeView(now + 29 * DAY, FLOOR), current, policy: { answered: true } },
      codes: ["not-yet-valid"],
    },
    {
      why: "it was made in answer to us, and the clock is not known to be wrong",
      context: { current, policy: { answered: true } },
      codes: ["not-yet-valid"],
    },
    {
      why: "an authority that answered us since the start says that it is valid",
      context: { time: timeView(now + 31 * DAY, { ...FLOOR, vouched: true }), current },
      codes: [],
    },
    {
      why: "an authority that answered us since the start says that it is not",
      context: { time: timeView(now + 29 * DAY, { ...FLOOR, vouched: true }), current },
      codes: ["not-yet-valid"],
    },
    {
      why: "the floor says that it is valid, and the policy trusts our own bundle",
      context: { time: timeView(now + 31 * DAY, FLOOR), ...tolerate },
      codes: [],
    },
    {
      why: "the floor is earlier: the true time may be later",
      context: { time: timeView(now, FLOOR), ...tolerate },
      codes: [],
      warnings: ["not-yet-valid"],
    },
    {
      why: "the floor is later: expired is never tolerated",
      context: { time: timeView(now + 61 * DAY, FLOOR), ...tolerate },
      codes: ["expired", "not-yet-valid"],
    },
    {
      why: "nothing in force vouches for the bundle",
      context: { time: timeView(now, FLOOR), ...tolerate, current: undefined },
      codes: ["not-yet-valid"],
    },
    {
      why: "the bundle in force does not know its authority",
      context: {
        time: timeView(now, FLOOR),
        ...tolerate,
        current: { chainPem: good.certificatePem, trustBundlePem: other.caPem },
      },
      codes: ["not-yet-valid"],
      warnings: ["authority-dropped"],
    },
  ];
  for (const { why, context, codes: expected, warnings: warned = [] } of rows) {
    test(why, async () => {
      const report = await judge(candidateOf(soon, pki.caPem), context);
      assert.deepEqual(codes(report), expected);
      assert.deepEqual(warnings(report), warned);
    });
  }

  test("its intermediate came along, so our own bundle does not vouch for it alone", async () => {
    const authority = await createAuthority({
      cn: "Middle",
      parent: pki.authority,
      days: 90,
      nowMs: now,
      random: systemRandom,
    });
    const leaf = await pki.issue("gw", { ...SOON, authority });
    const context = { time: timeView(now, FLOOR), ...tolerate };
    const sent = candidateOf(leaf, pki.caPem, [authority.certificatePem]);
    assert.deepEqual(codes(await judge(sent, context)), ["not-yet-valid"]);
    const known = { ...current, trustBundlePem: pki.caPem + authority.certificatePem };
    assert.deepEqual(codes(await judge(sent, { ...context, current: known })), []);
  });
  test("its authority is over by the time that it begins", async () => {
    const authority = await createAuthority({
      cn: "Short",
      days: 20,
      nowMs: now,
      random: systemRandom,
    });
    const leaf = await pki.issue("gw", { ...SOON, authority });
    const report = await judge(candidateOf(leaf, authority.certificatePem), {
      time: timeView(now, FLOOR),
      policy: { tolerateNotYetValid: true },
      current: { chainPem: good.certificatePem, trustBundlePem: authority.certificatePem },
    });
    assert.deepEqual(codes(report), ["not-yet-valid"]);
  });
  test("and of an authority that nobody knows: OpenSSL says the date only, twins say both", async () => {
    const leaf = await other.issue("gw", SOON);
    for (const time of [timeView(now), timeView(now + 31 * DAY, AUTHENTICATED)]) {
      const report = await judge(candidateOf(leaf, pki.caPem), { time, ...tolerate });
      assert.ok(codes(report).includes("unknown-authority"), codes(report).join());
    }
  });
});

suite("expired", () => {
  const rows: readonly {
    why: string;
    context: Partial<CandidateContext>;
    codes: readonly string[];
  }[] = [
    { why: "by a good clock", context: {}, codes: ["expired"] },
    {
      why: "no policy for the early helps the late",
      context: { policy: tolerate.policy },
      codes: ["expired"],
    },
    {
      why: "within the grace",
      context: { policy: { expiryGraceMs: 31 * DAY } },
      codes: [],
    },
    {
      why: "beyond the grace",
      context: { policy: { expiryGraceMs: 29 * DAY } },
      codes: ["expired"],
    },
    {
      why: "only by a clock that runs ahead, as the authenticated time says",
      context: { time: timeView(now - 31 * DAY, AUTHENTICATED) },
      codes: [],
    },
    {
      why: "by a clock that is known to be wrong, without a better one",
      context: { time: timeView(now - 31 * DAY, FLOOR) },
      codes: ["expired"],
    },
  ];
  for (const { why, context, codes: expected } of rows) {
    test(why, async () =>
      assert.deepEqual(codes(await judge(candidateOf(gone, pki.caPem), context)), expected),
    );
  }
  test("within the grace, but of an unknown authority: grace hides nothing", async () => {
    const leaf = await other.issue("gw", GONE);
    const report = await judge(candidateOf(leaf, pki.caPem), {
      policy: { expiryGraceMs: 31 * DAY },
    });
    assert.deepEqual(codes(report), ["unknown-authority"]);
  });
});

test("the last second of a certificate is its own", async () => {
  const end = Math.floor(now / 1000) * 1000 + 10_000;
  const leaf = await pki.issue("gw", { notBefore: now - DAY, notAfter: end });
  const at = (nowMs: number) =>
    judge(candidateOf(leaf, pki.caPem), { time: timeView(nowMs, AUTHENTICATED) });
  assert.deepEqual(codes(await at(end + 999)), []);
  assert.deepEqual(codes(await at(end + 1000)), ["expired"]);
});

test("with revocation lists, a clock in the way is a reason: the date hides what they say", async () => {
  const byDates: HandshakeTrial = {
    run: async ({ crlsPem = [] }) =>
      crlsPem.length > 0
        ? { kind: "done", server: "CERT_NOT_YET_VALID", client: "CERT_NOT_YET_VALID" }
        : trial.run({ ...candidateOf(good, pki.caPem) }),
  };
  const context = { time: timeView(now + 31 * DAY, AUTHENTICATED), crlsPem: ["a list"] };
  const report = await judge(candidateOf(soon, pki.caPem), context, byDates);
  assert.deepEqual(codes(report), ["revocation-unknown"]);
});
