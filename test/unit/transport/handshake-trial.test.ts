import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { suite, test } from "node:test";
import { type Clock, systemClock } from "#src/host/clock.ts";
import type { TrialMaterial } from "#src/identity/validator/candidate-report.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { memoryHandshakeTrial } from "#src/transport/handshake-trial.ts";
import { testPki } from "../../fakes/certificates.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const pki = await testPki();
const good = await pki.issue("good");
const trial = memoryHandshakeTrial(systemClock);
const materialOf = ({ certificatePem, keyPem }: Issued): TrialMaterial => ({
  chainPem: certificatePem,
  tlsKey: keyPem,
  trustBundlePem: pki.caPem,
});

suite("a handshake of a candidate with itself", () => {
  test("is good in both roles", async () =>
    assert.deepEqual(await trial.run(materialOf(good)), {
      kind: "done",
      server: undefined,
      client: undefined,
    }));
  const roles = [
    { usages: ["server"], server: undefined, client: "INVALID_PURPOSE" },
    { usages: ["client"], server: "INVALID_PURPOSE", client: undefined },
  ] as const;
  for (const { usages, server, client } of roles) {
    test(`tells the roles apart: ${usages}`, async () => {
      const leaf = await pki.issue("half", { usages });
      assert.deepEqual(await trial.run(materialOf(leaf)), { kind: "done", server, client });
    });
  }
  test("shows a key that belongs to another certificate, before any byte is exchanged", async () => {
    const { keyPem } = await pki.issue("other");
    const outcome = await trial.run({ ...materialOf(good), tlsKey: keyPem });
    assert.deepEqual(outcome, { kind: "failed", step: "load", cause: "key values mismatch" });
  });
  test("shows a key that TLS 1.3 has no signature for", async () => {
    const key = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
    const outcome = await trial.run(materialOf(await pki.odd("koblitz", { key })));
    assert.equal(outcome.kind === "failed" && outcome.step, "handshake");
  });
  test("quotes nothing of a key that can't be read", async () => {
    const tlsKey = good.keyPem.replace(/[A-Za-z0-9+/]{30}/, "=".repeat(30));
    const outcome = await trial.run({ ...materialOf(good), tlsKey });
    assert.equal(outcome.kind === "failed" && outcome.step, "load");
    assert.doesNotMatch(JSON.stringify(outcome), /BEGIN|=|MI/);
  });
  test("ends when time is up, and leaves no timer behind", async () => {
    const hasty: Clock = {
      ...systemClock,
      setTimer: (_, run) => {
        queueMicrotask(run);
        return { cancel: () => undefined };
      },
    };
    assert.deepEqual(await memoryHandshakeTrial(hasty, 500).run(materialOf(good)), {
      kind: "failed",
      step: "handshake",
      cause: "no handshake within 500 ms",
    });
    const clock = new FakeClock();
    await memoryHandshakeTrial(clock).run(materialOf(good));
    assert.equal(clock.timers, 0);
  });
  test("a hundred at once do not get into each other's way", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => trial.run(materialOf(good))),
    );
    assert.ok(outcomes.every((outcome) => outcome.kind === "done" && outcome.server === undefined));
  });
});
