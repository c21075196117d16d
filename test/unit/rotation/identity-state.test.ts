import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Generation, GenerationMark } from "#src/identity/store/generation.ts";
import { hasFailed, identityState, takenBack } from "#src/rotation/identity-state.ts";
import { resumeSteps } from "#src/rotation/resume.ts";

function generation(number: number, mark: GenerationMark, ...codes: string[]): Generation {
  return {
    ...{ number, mark, epoch: "e", createdAt: 0, digest: `digest ${number}`, origin: "import" },
    ...{ chainPem: "", trustBundlePem: "" },
    key: { provider: "p", algorithm: "ecdsa-p256", spkiSha256: `key ${number}`, locator: "" },
    reasons: codes.map((code) => ({ code, words: code })),
  };
}

suite("whether a generation, and so its key, is tried again", () => {
  const rows: readonly { readonly of: Generation; readonly is: boolean; readonly why: string }[] = [
    { of: generation(2, "bad", "peer-refuses-it"), is: true, why: "peers refused it" },
    { of: generation(2, "bad", "key-unusable"), is: true, why: "its key can't be opened" },
    { of: generation(2, "bad", "self-handshake-failed"), is: true, why: "it can't be used" },
    { of: generation(2, "bad", "not-yet-valid"), is: false, why: "a lost clock" },
    { of: generation(2, "bad", "commit-failed"), is: false, why: "a full disk" },
    { of: generation(2, "bad", "superseded"), is: false, why: "it is in force" },
    { of: generation(2, "trialled"), is: false, why: "nothing is wrong with it" },
  ];
  for (const { of, is, why } of rows) test(why, () => assert.equal(hasFailed(of), is));
});

suite("the state of what is in force", () => {
  const now = (mark: GenerationMark): Generation => generation(3, mark);
  const rows = [
    { current: now("staged"), others: [], on: true, is: "UNPROVEN", why: "just committed" },
    { current: now("unproven"), others: [], on: false, is: "UNPROVEN", why: "nobody to ask" },
    { current: now("trialled"), others: [], on: true, is: "TRIALLED", why: "one peer of two" },
    { current: now("trialled"), others: [], on: false, is: "ACTIVE", why: "probation is over" },
    {
      current: now("trialled"),
      others: [generation(4, "bad", "peer-refuses-it")],
      on: false,
      is: "ROLLED_BACK",
      why: "the newer one fell back",
    },
    {
      current: now("staged"),
      others: [generation(4, "bad", "publish-failed")],
      on: true,
      is: "ROLLED_BACK",
      why: "a local failure counts as well",
    },
    {
      current: now("trialled"),
      others: [generation(4, "bad", "self-handshake-failed")],
      on: false,
      is: "ACTIVE",
      why: "the newer one never was in force",
    },
    {
      current: now("trialled"),
      others: [generation(2, "bad", "peer-refuses-it")],
      on: false,
      is: "ACTIVE",
      why: "what fell back is older: it was replaced since",
    },
  ] as const;
  for (const { current, others, on, is, why } of rows) {
    test(`${is}: ${why}`, () => assert.equal(identityState(current, [current, ...others], on), is));
  }

  test("of several that fell back the newest is named", () => {
    const current = generation(1, "trialled");
    const others = [generation(2, "bad", "peer-refuses-it"), generation(5, "bad", "key-unusable")];
    assert.equal(takenBack(current, [...others, current])?.number, 5);
  });
});

suite("what a start has left to do", () => {
  const same = { ...generation(4, "staged"), digest: "digest 3" };
  const rows = [
    { why: "an empty store", store: {}, steps: [] },
    {
      why: "a first import that died before its commit",
      store: { next: generation(1, "staged") },
      steps: ["adopt-next"],
    },
    {
      why: "staged over a proven one",
      store: { current: generation(3, "trialled"), next: generation(4, "staged") },
      steps: ["adopt-next"],
    },
    {
      why: "staged is what is in force already",
      store: {
        current: generation(3, "trialled"),
        next: { ...same, key: generation(3, "staged").key },
      },
      steps: ["give-up-next"],
    },
    {
      why: "the same certificates with another key are another identity",
      store: { current: generation(3, "trialled"), next: same },
      steps: ["adopt-next"],
    },
    {
      why: "committed, not proven",
      store: { current: generation(3, "staged"), previous: generation(2, "trialled") },
      steps: ["probation"],
    },
    {
      why: "committed, not proven, and another one staged",
      store: { current: generation(3, "unproven"), next: generation(4, "staged") },
      steps: ["adopt-next", "probation"],
    },
    { why: "proven", store: { current: generation(3, "trialled") }, steps: [] },
    {
      why: "a healed store has a bad one in force",
      store: { current: generation(3, "bad", "x"), previous: generation(2, "trialled") },
      steps: ["leave-bad"],
    },
  ] as const;
  for (const { why, store, steps } of rows) {
    test(`${why}: ${steps.join(", ") || "nothing"}`, () => {
      const whole = { current: undefined, next: undefined, previous: undefined, ...store };
      assert.deepEqual(resumeSteps(whole), steps);
    });
  }
});
