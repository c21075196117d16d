import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Generation, GenerationMark, MarkReason } from "#src/identity/store/generation.ts";
import { reportReasons } from "#src/rotation/report-document.ts";
import {
  formatReports,
  MAX_REPORT_BYTES,
  NO_REPORTS,
  parseReports,
} from "#src/rotation/report-note.ts";
import {
  compare,
  NOTHING_TOLD,
  type Standing,
  type Told,
} from "#src/rotation/report-transitions.ts";
import { testPki } from "../../fakes/certificates.ts";
import { keyReference } from "../../fakes/store.ts";

const PKI = await testPki();
const LEAF = await PKI.issue("roof-7");
const FELL = [{ code: "peer-refuses-it", words: "broker refuses it" }];

interface Made {
  readonly number: number;
  readonly mark?: GenerationMark;
  readonly reasons?: readonly MarkReason[];
  readonly origin?: Generation["origin"];
}

function generation({
  number,
  mark = "staged",
  reasons = [],
  origin = "import",
}: Made): Generation {
  return {
    ...{ number, mark, reasons, origin, epoch: "e", createdAt: 0, digest: `${number}` },
    ...{ key: keyReference(), chainPem: LEAF.certificatePem, trustBundlePem: PKI.caPem },
  };
}

function standing(current: number, made: readonly Made[], more: Partial<Standing> = {}): Standing {
  const history = made.map(generation);
  const found = history.find(({ number }) => number === current);
  assert.ok(found !== undefined);
  const rest = { confirmed: false, leaf: `leaf ${current}`, stuck: undefined, failed: [] };
  return { current: found, history, ...rest, ...more };
}

/** What has been told when all of `now` has. */
const after = (now: Standing, told: Told = NOTHING_TOLD): Told => compare(told, now).told;
const seven = standing(7, [{ number: 7 }]);

const CASES: readonly {
  readonly name: string;
  readonly told: Told;
  readonly now: Standing;
  readonly says: readonly string[];
}[] = [
  { name: "nothing new", told: after(seven), now: seven, says: [] },
  {
    name: "two came while no agent ran",
    told: after(seven),
    now: standing(9, [{ number: 9 }, { number: 8 }]),
    says: ["generation in-force 8", "generation in-force 9"],
  },
  {
    name: "one is staged",
    told: after(seven),
    now: standing(7, [{ number: 8 }, { number: 7 }]),
    says: [],
  },
  {
    name: "one came and fell back before anybody looked",
    told: after(seven),
    now: standing(7, [{ number: 8, mark: "bad", reasons: FELL }, { number: 7 }]),
    says: ["generation bad 8", "generation fallen-back 7"],
  },
  {
    name: "one fell back whose way back was closed first",
    told: after(
      standing(8, [{ number: 8, mark: "bad", reasons: FELL }, { number: 7 }]),
      after(seven),
    ),
    now: standing(7, [{ number: 8, mark: "bad", reasons: FELL }, { number: 7 }]),
    says: ["generation fallen-back 7"],
  },
  {
    name: "bad without a reason",
    told: after(seven),
    now: standing(7, [{ number: 8, mark: "bad" }, { number: 7 }]),
    says: ["generation bad 8"],
  },
  {
    name: "the bad one leaves the history, and the next comes",
    told: after(
      standing(7, [{ number: 8, mark: "bad", reasons: FELL }, { number: 7 }]),
      after(seven),
    ),
    now: standing(9, [{ number: 9 }, { number: 7 }]),
    says: ["generation in-force 9"],
  },
  {
    name: "confirmed, and still so",
    told: after({ ...seven, confirmed: true }),
    now: { ...seven, confirmed: true },
    says: [],
  },
  {
    name: "on probation again after a restart",
    told: after({ ...seven, confirmed: true }),
    now: seven,
    says: [],
  },
  {
    name: "confirmed",
    told: after(seven),
    now: { ...seven, confirmed: true },
    says: ["generation confirmed 7"],
  },
];

suite("what is reported", () => {
  for (const { name, told, now, says } of CASES) {
    test(`${name}: ${says.join(", ") || "nothing"}`, () => {
      const { transitions, told: then } = compare(told, now);
      assert.deepEqual(
        transitions.map(({ kind, outcome, of }) => `${kind} ${outcome} ${of.number}`),
        says,
      );
      assert.deepEqual(compare(then, now).transitions, [], "and not again");
    });
  }

  test("stuck, well with the next certificate, stuck again in the same moment", () => {
    const stuck = { code: "ERR_ISSUER_REFUSED", words: "403" };
    const told = after({ ...seven, stuck });
    const now = { ...standing(8, [{ number: 8 }]), stuck };
    const { transitions, told: then } = compare(told, now);
    assert.deepEqual(
      transitions.map(({ kind, outcome }) => `${kind} ${outcome}`),
      ["generation in-force", "renewal recovered", "renewal stuck"],
    );
    assert.deepEqual(compare(then, now).transitions, []);
  });
});

test("reasons are few and short, and hold nothing that could be a key or a certificate", () => {
  const secret = "k3J9".repeat(12);
  const words = `token ${secret}\n-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----`;
  const [reason, ...rest] = reportReasons(Array.from({ length: 9 }, () => ({ code: "c", words })));
  assert.equal(rest.length, 2);
  assert.doesNotMatch(reason?.words ?? "", /k3J9|MIIB|BEGIN|\n/);
  const long = reportReasons([{ code: "c", words: "word ".repeat(100) }]);
  assert.ok((long[0]?.words.length ?? 999) <= 160);
});

suite("the note of reports", () => {
  const report = {
    ...({
      device: "roof-7",
      report: 1,
      kind: "generation",
      outcome: "bad",
      generation: 8,
    } as const),
    ...{ at: 1, vouched: false, serial: "01", fingerprint: "ab", notAfter: 2 },
    ...{ origin: "push" as const, reasons: FELL },
  };

  test("comes back as it was written", () => {
    const told = after({ ...seven, stuck: { code: "c", words: "w" } });
    const state = { last: 4, lost: 2, told, waiting: [report] };
    assert.deepEqual(parseReports(formatReports(state)), state);
    assert.deepEqual(parseReports(formatReports(NO_REPORTS)), NO_REPORTS);
  });

  test("anything else is none", () => {
    for (const text of ["", "{", "null", "[]", '{"version":2}', '{"version":1,"last":-1}']) {
      assert.equal(parseReports(Buffer.from(text)), undefined, text);
    }
  });

  test("too long: the oldest lose their words, never their number or code", () => {
    const words = "ш".repeat(160);
    const waiting = Array.from({ length: 64 }, (_, index) => ({
      ...{ ...report, report: index + 1, device: "d".repeat(300) },
      reasons: Array.from({ length: 3 }, () => ({ code: "ERR_ISSUER_REFUSED", words })),
    }));
    const bytes = formatReports({ ...NO_REPORTS, last: 64, waiting });
    assert.ok(bytes.length <= MAX_REPORT_BYTES, `${bytes.length}`);
    const kept = parseReports(bytes)?.waiting ?? [];
    assert.equal(kept.length, 64);
    assert.deepEqual(kept[0]?.reasons[0], { code: "ERR_ISSUER_REFUSED", words: "" });
    assert.deepEqual(kept.at(-1)?.reasons[0]?.words, words);
  });
});
