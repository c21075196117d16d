import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { certificateFacts } from "#src/identity/revocation/certificate-facts.ts";
import { CrlShelf } from "#src/identity/revocation/crl-shelf.ts";
import { DenyList, parseDenyEntry } from "#src/identity/revocation/deny-list.ts";
import { IssuerPool } from "#src/identity/revocation/issuer-pool.ts";
import { OcspAnswers } from "#src/identity/revocation/ocsp-answers.ts";
import { readOcspAnswer } from "#src/identity/revocation/ocsp-response.ts";
import {
  RevocationJudge,
  type RevocationSettings,
} from "#src/identity/revocation/revocation-judge.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { testPki } from "../../../fakes/certificates.ts";
import {
  type AnswerParts,
  answerFrame,
  issuingPoint,
  makeAnswer,
  makeCrl,
} from "../../../fakes/crl-parts.ts";

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const pki = await testPki("Site CA", NOW);
const middle = await pki.intermediate("Site Middle");
const stranger = await testPki("Other CA", NOW);
const SPIFFE = "spiffe://site.org/backend";
const issued = await pki.issue("backend", { sans: { uri: [SPIFFE] } });
const leaf = parseCertificate(issued.certificatePem);
const below = parseCertificate((await pki.issue("deep", { authority: middle })).certificatePem);
const TIME: TimeView = {
  state: "network",
  nowMs: NOW,
  floorMs: 0,
  clockWrong: false,
  words: undefined,
};

interface Bench {
  readonly pool: IssuerPool;
  readonly shelf: CrlShelf;
  readonly answers: OcspAnswers;
  readonly denyList: DenyList;
  readonly judge: RevocationJudge;
  readonly spared: string[];
  readonly state: { time: TimeView; settings: RevocationSettings; steadyMs: number };
}

function bench(settings: RevocationSettings): Bench {
  const pool = new IssuerPool();
  pool.trust([parseCertificate(pki.caPem)]);
  const state = { time: TIME, settings, steadyMs: 0 };
  const shelf = new CrlShelf({ pool, time: () => state.time, breathe: async () => undefined });
  const answers = new OcspAnswers();
  const denyList = new DenyList();
  const spared: string[] = [];
  const judge = new RevocationJudge({
    pool,
    shelf,
    answers,
    denyList,
    time: () => state.time,
    steadyMs: () => state.steadyMs,
    settings: () => state.settings,
    onSpared: (_, entry) => spared.push(entry),
  });
  return { pool, shelf, answers, denyList, judge, spared, state };
}

const listing = (serials: readonly string[], more: object = {}): Uint8Array =>
  makeCrl(pki.authority, {
    thisUpdate: NOW - HOUR,
    nextUpdate: NOW + HOUR,
    number: 1,
    revoked: serials.map((serial) => ({ serial })),
    ...more,
  });

suite("RevocationJudge: CRLs", () => {
  test("nothing configured: good", () => {
    assert.deepEqual(bench({ crl: "off", ocsp: "off" }).judge.judge(leaf), { kind: "good" });
  });

  test("on the list: revoked, with date and authority in words; not on it: good", async () => {
    const { judge, shelf } = bench({ crl: "soft", ocsp: "off" });
    await shelf.put(listing([leaf.summary.serial]), "a");
    const verdict = judge.judge(leaf);
    assert.equal(verdict.kind, "revoked");
    assert.equal(
      "words" in verdict && verdict.words,
      "revoked on 2026-05-31T23:00:00Z (CRL of CN=Site CA)",
    );
    const other = parseCertificate((await pki.issue("other")).certificatePem);
    assert.deepEqual(judge.judge(other), { kind: "good" });
  });

  for (const [crl, hard] of [
    ["soft", false],
    ["hard", true],
  ] as const) {
    test(`no list at all with ${crl}`, () => {
      const verdict = bench({ crl, ocsp: "off" }).judge.judge(leaf);
      assert.deepEqual(verdict, {
        kind: "unknown",
        why: "there is no CRL of CN=Site CA",
        hard,
        askOcsp: false,
      });
    });
  }

  const times: readonly { why: string; time: Partial<TimeView>; kind: string; words: RegExp }[] = [
    { why: "in date", time: {}, kind: "good", words: /^$/ },
    {
      why: "two hours later",
      time: { nowMs: NOW + 3 * HOUR },
      kind: "unknown",
      words: /stale for 2 hours/,
    },
    {
      why: "the time is not known",
      time: { state: "unknown" },
      kind: "unknown",
      words: /unknown age/,
    },
    {
      why: "the clock is known to be wrong",
      time: { clockWrong: true, words: "the clock is wrong" },
      kind: "unknown",
      words: /the clock is wrong/,
    },
    {
      why: "time not known, but certainly past",
      time: { state: "floor", floorMs: NOW + 9 * HOUR },
      kind: "unknown",
      words: /stale for 8 hours/,
    },
    {
      why: "before it begins",
      time: { nowMs: NOW - 2 * HOUR },
      kind: "unknown",
      words: /not yet valid/,
    },
  ];
  for (const { why, time, kind, words } of times) {
    test(`${why}: ${kind} for who is not listed, still revoked for who is`, async () => {
      const { judge, shelf, state } = bench({ crl: "hard", ocsp: "off" });
      await shelf.put(listing(["0badc0de"]), "a");
      state.time = { ...TIME, ...time };
      const verdict = judge.judge(leaf);
      assert.equal(verdict.kind, kind);
      assert.match("why" in verdict ? verdict.why : "", words);
      state.time = TIME;
      await shelf.put(listing([leaf.summary.serial], { number: 2 }), "a");
      state.time = { ...TIME, ...time };
      assert.equal(judge.judge(leaf).kind, "revoked");
    });
  }

  test("a list of the root says nothing of what the intermediate issued", async () => {
    const { judge, shelf, pool } = bench({ crl: "soft", ocsp: "off" });
    await shelf.put(listing([below.summary.serial]), "a");
    assert.match(JSON.stringify(judge.judge(below)), /CN=Site Middle is not known/);
    assert.equal(pool.offer([parseCertificate(middle.certificatePem)]), true);
    assert.match(JSON.stringify(judge.judge(below)), /no CRL of CN=Site Middle/);
    const own = makeCrl(middle, {
      thisUpdate: NOW,
      nextUpdate: NOW + HOUR,
      revoked: [{ serial: below.summary.serial }],
    });
    await shelf.put(own, "b");
    assert.equal(judge.judge(below).kind, "revoked");
  });

  test("who was issued by an intermediate that the root has revoked is revoked with it", async () => {
    const { judge, shelf, pool } = bench({ crl: "soft", ocsp: "off" });
    const authority = parseCertificate(middle.certificatePem);
    pool.offer([authority]);
    await shelf.put(listing([authority.summary.serial]), "a");
    assert.match(
      JSON.stringify(judge.judge(below)),
      /was issued by CN=Site Middle, which was revoked on .* \(CRL of CN=Site CA\)/,
    );
  });

  test("an intermediate that does not chain to the bundle is not taken", () => {
    assert.equal(
      bench({ crl: "soft", ocsp: "off" }).pool.offer([parseCertificate(stranger.caPem)]),
      false,
    );
  });

  test("a list of a distribution point covers who names it or names none", async () => {
    const { judge, shelf } = bench({ crl: "soft", ocsp: "off" });
    await shelf.put(listing([], { extensions: [issuingPoint("http://ca/crl")] }), "a");
    assert.equal(judge.judge(leaf).kind, "good", "it names none");
  });
});

suite("RevocationJudge: the deny list", () => {
  const { serial, fingerprint, issuer, notAfter } = leaf.summary;
  const rows: readonly { entry: string; denied: boolean; why: string }[] = [
    { entry: `serial:${serial}`, denied: true, why: "its serial" },
    { entry: `serial:00${serial.toLowerCase()}`, denied: true, why: "lower case, leading zeros" },
    { entry: `serial:${serial}@${issuer}`, denied: true, why: "of this issuer" },
    { entry: `serial:${serial}@CN=Other CA`, denied: false, why: "of another issuer" },
    { entry: `serial:${serial}00`, denied: false, why: "another serial" },
    { entry: SPIFFE, denied: true, why: "its SPIFFE ID as it is" },
    { entry: `spiffe:${SPIFFE}`, denied: true, why: "with the form's name before it" },
    { entry: "spiffe:site.org/backend", denied: true, why: "without the scheme" },
    { entry: "spiffe://site.org/backend2", denied: false, why: "another ID" },
    { entry: `sha256:${fingerprint}`, denied: true, why: "its fingerprint" },
    {
      entry: `sha256:${fingerprint.toUpperCase().replace(/(..)(?!$)/g, "$1:")}`,
      denied: true,
      why: "with colons",
    },
  ];
  for (const { entry, denied, why } of rows) {
    test(`${entry.slice(0, 40)}: ${why}: ${denied ? "denied" : "not meant"}`, () => {
      const { judge, denyList } = bench({ crl: "off", ocsp: "off" });
      const parsed = parseDenyEntry(entry);
      assert.ok(parsed !== undefined);
      denyList.replace({ entries: [parsed], recovery: [], overrideRecovery: false });
      assert.equal(judge.judge(leaf).kind, denied ? "revoked" : "good");
    });
  }
  for (const text of [
    "",
    "serial:",
    "serial:xyz",
    `serial:${"1".repeat(42)}`,
    "spiffe:",
    "spiffe://A/b",
    "sha256:12",
    "cn:backend",
    "serial:1@",
  ]) {
    test(`${JSON.stringify(text)} is no entry`, () =>
      assert.equal(parseDenyEntry(text), undefined));
  }

  test("a recovery identity is spared, and told; the override counts", () => {
    const { judge, denyList, spared } = bench({ crl: "off", ocsp: "off" });
    const entries = [parseDenyEntry(`serial:${serial}`)].flatMap((each) => each ?? []);
    const recovery = [parseDenyEntry(SPIFFE)].flatMap((each) => each ?? []);
    denyList.replace({ entries, recovery, overrideRecovery: false });
    assert.equal(judge.judge(leaf).kind, "good");
    assert.deepEqual(spared, [`serial:${serial}`]);
    denyList.replace({ entries, recovery, overrideRecovery: true });
    assert.equal(judge.judge(leaf).kind, "revoked");
  });

  test("an entry ends with its certificate; too many are refused whole", () => {
    const { judge, denyList } = bench({ crl: "off", ocsp: "off" });
    const entry = parseDenyEntry(`serial:${serial}`);
    assert.ok(entry !== undefined);
    denyList.replace({ entries: [entry], recovery: [], overrideRecovery: false });
    judge.judge(leaf);
    assert.deepEqual(denyList.ended(notAfter), []);
    assert.deepEqual(denyList.ended(notAfter + 1), [`serial:${serial}`]);
    const entries = Array.from({ length: 1_025 }, () => entry);
    assert.throws(
      () => denyList.replace({ entries, recovery: [], overrideRecovery: false }),
      RangeError,
    );
    assert.equal(denyList.size, 1, "the old one stays");
  });
});

suite("OCSP answers", async () => {
  const responder = await pki.odd("Responder", { extendedKeyUsages: ["1.3.6.1.5.5.7.3.9"] });
  const plain = await pki.odd("Plain", {});
  const expired = await pki.odd("Expired", {
    extendedKeyUsages: ["1.3.6.1.5.5.7.3.9"],
    notBefore: NOW - 2 * HOUR,
    notAfter: NOW - HOUR,
  });
  const foreign = await stranger.odd("Foreign", { extendedKeyUsages: ["1.3.6.1.5.5.7.3.9"] });
  const other = await pki.issue("other");
  const { pool } = bench({ crl: "off", ocsp: "soft" });
  const issuer = pool.of(leaf);
  assert.ok(issuer !== undefined);
  const facts = certificateFacts(leaf.x509.raw);
  const make = (parts: Partial<AnswerParts>): Uint8Array =>
    makeAnswer(pki.authority, issued.certificatePem, {
      status: "good",
      thisUpdate: NOW - HOUR,
      nextUpdate: NOW + HOUR,
      ...parts,
    });
  const read = (bytes: Uint8Array): string => {
    try {
      return readOcspAnswer(bytes, facts, issuer, NOW).status;
    } catch (error) {
      assert.ok(isAgentError(error, "ERR_REVOCATION_SOURCE"), String(error));
      return String(error.fields["cause"]);
    }
  };
  const forged = new Uint8Array(make({}));
  forged[forged.length - 3] = (forged[forged.length - 3] ?? 0) ^ 1;
  const rows: readonly { why: string; bytes: Uint8Array; is: string }[] = [
    { why: "signed by the issuer", bytes: make({}), is: "good" },
    { why: "revoked", bytes: make({ status: "revoked" }), is: "revoked" },
    { why: "unknown", bytes: make({ status: "unknown" }), is: "unknown" },
    {
      why: "signed by a responder that the issuer appointed",
      bytes: make({ signer: responder }),
      is: "good",
    },
    { why: "signed by a peer of the same issuer", bytes: make({ signer: plain }), is: "signature" },
    {
      why: "signed by a responder that has expired",
      bytes: make({ signer: expired }),
      is: "expired",
    },
    {
      why: "signed by another authority's responder",
      bytes: make({ signer: foreign }),
      is: "signature",
    },
    { why: "forged", bytes: forged, is: "signature" },
    {
      why: "about another certificate",
      bytes: make({ about: other.certificatePem }),
      is: "other-certificate",
    },
    { why: "tryLater", bytes: answerFrame(3), is: "responder" },
    { why: "HTML", bytes: Buffer.from("<html>no</html>"), is: "malformed" },
    { why: "cut off", bytes: make({}).subarray(0, 60), is: "malformed" },
    { why: "32 KiB and more", bytes: new Uint8Array(33_000), is: "too-large" },
  ];
  for (const { why, bytes, is } of rows) {
    test(`${why}: ${is}`, () => assert.equal(read(bytes), is));
  }

  test("an older answer does not replace a newer one; the words name the responder", () => {
    const { answers, judge } = bench({ crl: "off", ocsp: "hard" });
    const verdict = judge.judge(leaf);
    assert.deepEqual([verdict.kind, "askOcsp" in verdict && verdict.askOcsp], ["unknown", true]);
    const print = leaf.summary.fingerprint;
    const answer = readOcspAnswer(make({ status: "revoked" }), facts, issuer, NOW);
    answers.put(print, { ...answer, source: "http://ocsp" });
    const old = readOcspAnswer(make({ thisUpdate: NOW - 3 * HOUR }), facts, issuer, NOW);
    assert.throws(() => answers.put(print, { ...old, source: "http://ocsp" }), {
      code: "ERR_REVOCATION_SOURCE",
    });
    const words = JSON.stringify(judge.judge(leaf));
    assert.match(words, /revoked on 2026-05-31T23:00:00Z \(OCSP of http:\/\/ocsp, keyCompromise\)/);
  });

  test("an answer to our nonce is fresh for a while though nobody knows the time", () => {
    const { answers, judge, state } = bench({ crl: "off", ocsp: "hard" });
    state.time = { ...TIME, state: "unknown" };
    const answer = readOcspAnswer(make({}), facts, issuer, NOW);
    const kept = { ...answer, source: "http://ocsp" };
    answers.put(leaf.summary.fingerprint, kept);
    assert.equal(judge.judge(leaf).kind, "unknown");
    answers.put(leaf.summary.fingerprint, { ...kept, freshUntil: 1_000 });
    assert.equal(judge.judge(leaf).kind, "good");
    state.steadyMs = 1_000;
    assert.equal(judge.judge(leaf).kind, "unknown");
  });

  test("when there is no room, revoked answers stay", () => {
    const answers = new OcspAnswers();
    const kept = {
      status: "revoked",
      sinceMs: 1,
      reason: "",
      thisUpdate: 1,
      nextUpdate: 2,
      answersUs: false,
      source: "x",
    } as const;
    answers.put("first", kept);
    for (let index = 0; index < 1_100; index++)
      answers.put(`${index}`, { ...kept, status: "good" });
    assert.equal(answers.get("first")?.status, "revoked");
    assert.equal(answers.size, 1_024);
    assert.equal(answers.get("0"), undefined);
  });
});
