/**
 * Every x509-limbo case gets exactly the verdict that is committed, in both directions: a new false
 * accept fails, and so does a deviation that is gone. The figures in the documentation are these.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, suite, test } from "node:test";
import {
  hasKey,
  isWebPki,
  type LimboCase,
  type LimboRun,
  readCases,
  readVerdicts,
  runCase,
  tally,
} from "./x509-limbo.ts";

/** Handshakes for one case: four ways of issuers, each with its twin, and one more of each. */
const MAX_HANDSHAKES = 10;
/** Generous: a case takes some 20 ms; the bound on steps is the one that holds anywhere. */
const MAX_MS = 10_000;

const cases = readCases();
const verdicts = readVerdicts();
const wanted = ({ expected_result: expected }: LimboCase): boolean => expected === "SUCCESS";

test("each case has a committed verdict, and there is none for anything else", () =>
  assert.deepEqual(Object.keys(verdicts).sort(), cases.map(({ id }) => id).sort()));

for (const strict of [false, true]) {
  suite(strict ? "x509-limbo, strict profile" : "x509-limbo", () => {
    const runs = new Map<string, LimboRun>();
    before(async () => {
      for (const limbo of cases) runs.set(limbo.id, await runCase(limbo, strict));
    });
    for (const limbo of cases) {
      test(`${limbo.id}: as committed`, () => {
        const run = runs.get(limbo.id);
        const recorded = verdicts[limbo.id];
        assert.ok(run !== undefined && recorded !== undefined);
        const expected = [...recorded.codes, ...(strict ? recorded.strict : [])].sort();
        assert.deepEqual(run.codes, expected);
        const accepted = expected.length === 0;
        const deviation = strict ? recorded.strictDeviation : recorded.deviation;
        assert.equal(
          deviation !== undefined,
          accepted !== wanted(limbo),
          "a deviation has a reason",
        );
        if (deviation !== undefined) assert.ok(deviation.length > 20, "in words");
        assert.equal(run.report.material !== undefined, run.report.reasons.length === 0);
        assert.ok(run.handshakes <= MAX_HANDSHAKES, `${run.handshakes} handshakes`);
        assert.ok(run.ms < MAX_MS, `${run.ms} ms`);
        for (const { code, words, fix } of run.report.reasons) {
          assert.ok(code !== "" && words !== "" && fix !== "");
          assert.doesNotMatch(`${words}${fix}`, /PRIVATE KEY|undefined/);
        }
      });
    }
    test("what is falsely accepted is a warning, or a profile of the web PKI", () => {
      const silent = cases.filter(
        (limbo) =>
          !wanted(limbo) &&
          !isWebPki(limbo) &&
          runs.get(limbo.id)?.codes.length === 0 &&
          runs.get(limbo.id)?.report.warnings.length === 0,
      );
      assert.deepEqual(
        silent.map(({ id }) => id),
        ["crl::crlnumber-missing"],
      );
    });
  });
}

test("the page has these figures", () => {
  const page = readFileSync(
    new URL("../../docs/certificate-validation.md", import.meta.url),
    "utf8",
  );
  const keyed = cases.filter(hasKey);
  assert.equal(keyed.length, 189, "as many as the table of the others has");
  const rest = keyed.filter((limbo) => !isWebPki(limbo));
  for (const [name, strict] of [
    ["microedge", false],
    ["microedge, strict profile", true],
  ] as const) {
    const codesOf = ({ id }: LimboCase): readonly string[] => {
      const { codes = [], strict: more = [] } = verdicts[id] ?? {};
      return strict ? [...codes, ...more] : codes;
    };
    const all = tally(keyed, codesOf);
    const others = tally(rest, codesOf);
    const row = `| **${name}** | ${all.agree} | ${all.falseAccepts} | ${all.falseRefusals} | ${others.agree} | ${others.falseAccepts} |`;
    assert.ok(page.includes(row), row);
  }
  for (const [id, { deviation, strictDeviation }] of Object.entries(verdicts)) {
    if (deviation === undefined && strictDeviation === undefined) continue;
    const listed =
      page.includes(`\`${id}\``) || page.includes(`\`${id.replace(/::[^:]*$/, "::*")}\``);
    assert.ok(listed, `${id} is named on the page`);
  }
});
