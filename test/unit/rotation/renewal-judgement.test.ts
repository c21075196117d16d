import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeRenewal } from "#src/rotation/renewal-judgement.ts";
import type { RenewalFault, RenewalView } from "#src/rotation/renewal-ports.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY_MS = 86_400_000;

const VIEW: RenewalView = {
  ...{ issuer: "step-ca", dueAt: NOW + DAY_MS, reason: "share", words: "due tomorrow" },
  ...{ intent: undefined, lastAttempt: undefined, lastError: undefined, fault: undefined },
  ...{ attempts: 0, remarks: [], longestOutageMs: 0 },
};
const FAULT: RenewalFault = {
  ...{
    code: "ERR_ISSUER_UNREACHABLE",
    reason: "unreachable",
    words: "no route",
    fix: "plug it in",
  },
  ...{ needsOperator: false, at: NOW, times: 1 },
};

const CASES: readonly {
  readonly why: string;
  readonly view: Partial<RenewalView>;
  readonly notAfter: number | undefined;
  readonly level: string;
  readonly fix: RegExp | undefined;
}[] = [
  { why: "all is well", view: {}, notAfter: NOW + 9 * DAY_MS, level: "ok", fix: undefined },
  { why: "no certificate", view: {}, notAfter: undefined, level: "warn", fix: /enroll/ },
  {
    why: "a few failures are no news",
    view: { fault: FAULT, attempts: 3 },
    ...{ notAfter: NOW + 9 * DAY_MS, level: "ok", fix: undefined },
  },
  {
    why: "a wrong authority does not mend itself",
    view: { fault: { ...FAULT, reason: "untrusted" }, attempts: 1 },
    ...{ notAfter: NOW + 9 * DAY_MS, level: "warn", fix: /plug it in/ },
  },
  {
    why: "many failures are",
    view: { fault: FAULT, attempts: 8 },
    ...{ notAfter: NOW + 9 * DAY_MS, level: "warn", fix: /plug it in/ },
  },
  {
    why: "only an operator can change it",
    view: { fault: { ...FAULT, needsOperator: true }, attempts: 1 },
    ...{ notAfter: NOW + 9 * DAY_MS, level: "error", fix: /plug it in/ },
  },
  {
    why: "it has ended",
    view: { fault: FAULT, attempts: 1 },
    ...{ notAfter: NOW, level: "error", fix: /plug it in/ },
  },
  { why: "it has ended untried", view: {}, notAfter: NOW, level: "error", fix: /cert renew --now/ },
];

for (const { why, view, notAfter, level, fix } of CASES) {
  test(`doctor on renewal: ${why}`, () => {
    const judged = judgeRenewal({ ...VIEW, ...view }, notAfter, NOW);
    assert.equal(judged.level, level);
    if (fix === undefined) assert.equal(judged.fix, undefined);
    else assert.match(judged.fix ?? "", fix);
  });
}

test("what to do stands beside the words, not in them as well", () => {
  const fault = { ...FAULT, needsOperator: true };
  const view = {
    ...VIEW,
    words: "due, and failed: no route; plug it in; next attempt soon",
    fault,
  };
  const { words, fix } = judgeRenewal(view, NOW + 9 * DAY_MS, NOW);
  assert.equal(fix, "plug it in");
  assert.match(words, /^due, and failed: no route; next attempt soon; the certificate ends in /);
});
