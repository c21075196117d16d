import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { ENROLMENT_KEY, Enrolment, type EnrolmentParts } from "#src/agent/enrolment.ts";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { type Issuer, IssuerError } from "#src/identity/issuer.ts";
import type { Generation } from "#src/identity/store/generation.ts";
import type { TimeClaim } from "#src/identity/time/time-claim.ts";
import { CandidateRefused } from "#src/rotation/candidate-refused.ts";
import { testPki } from "../../fakes/certificates.ts";
import { settle } from "../../fakes/fake-clock.ts";
import { trustedView } from "../../fakes/issuer-rig.ts";
import { MemoryKeys } from "../../fakes/memory-keys.ts";
import { MemoryStore } from "../../fakes/memory-store.ts";
import { systemPorts } from "../../fakes/running-agent.ts";

const TOML = `[store]\ndir = "s"\n[issuer]\nkind = "step-ca"\nurl = "https://ca.test"\nroot_sha256 = "${"ab".repeat(32)}"\n`;
const place = { environment: {}, root: false, nowMs: () => Date.UTC(2026, 5, 1) };
const ASK = { token: "one.two.three", again: false, algorithm: undefined };

async function rig() {
  const pki = await testPki();
  const store = new MemoryStore();
  const keys = new MemoryKeys();
  const asked: string[] = [];
  const fail: { judge?: unknown; ask?: unknown; install?: unknown; hang?: true } = {};
  const once = (kind: "judge" | "ask" | "install"): void => {
    const error = fail[kind];
    delete fail[kind];
    if (error !== undefined) throw error;
  };
  const issuer: Issuer = {
    kind: "step-ca",
    assertAskable() {
      once("judge");
    },
    async enroll({ key, token = "" }, signal) {
      asked.push(token);
      if (fail.hang) {
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason)),
        );
      }
      assert.ok(store.pendingKeys().has(ENROLMENT_KEY), "the key is kept before it is asked for");
      once("ask");
      const privateKey = createPrivateKey(key.tlsKey as string);
      const { certificatePem: chainPem } = await pki.odd("roof", { key: privateKey, sans: {} });
      return {
        chainPem,
        rootPem: pki.caPem,
        trustBundlePem: pki.caPem,
        answersUs: true,
        remarks: [],
      };
    },
    renew: () => assert.fail(),
    rekey: () => assert.fail(),
  };
  const installs: string[] = [];
  const rotator: EnrolmentParts["rotator"] = {
    async install(content, { origin, force }) {
      installs.push(`${origin} ${force}`);
      once("install");
      const generation = { ...content, number: 1 } as unknown as Generation;
      return { outcome: "installed", generation, warnings: [] };
    },
  };
  const claims: TimeClaim[] = [];
  const enrolment = new Enrolment({
    config: parseConfig(TOML, "/srv/m.toml", place).config,
    ports: systemPorts,
    time: { peerTime: () => ({ nowMs: Date.now() }), view: () => trustedView() },
    claim: (claim) => claims.push(claim),
    open: async () => issuer,
    ...{ store, keys, rotator },
  });
  return { enrolment, store, asked, installs, fail, claims };
}

suite("enrolment", () => {
  test("in one go: nothing is left behind but the identity", async () => {
    const { enrolment, store, asked, installs, claims } = await rig();
    await enrolment.enroll(ASK);
    assert.deepEqual([asked, installs], [["one.two.three"], ["enrolment false"]]);
    assert.equal(store.pendingKeys().size, 0);
    assert.equal(await store.readNote("enrolment-answer"), undefined);
    assert.equal(claims.length, 1);
  });

  test("an installation that fails does not cost the token: the same command goes on", async () => {
    const { enrolment, store, asked, fail, claims } = await rig();
    fail.install = new AgentError("ERR_STORE_FULL", "the disk is full");
    await assert.rejects(enrolment.enroll(ASK), { code: "ERR_STORE_FULL" });
    const steps: string[] = [];
    await enrolment.enroll(ASK, (words) => steps.push(words));
    assert.deepEqual(asked, ["one.two.three"]);
    assert.ok(steps.some((words) => /no token is spent/.test(words)));
    assert.deepEqual(
      claims.map(({ answersUs, answeredUs }) => [answersUs, answeredUs]),
      [
        [true, true],
        [false, true],
      ],
      "what is kept says nothing of the present, but what it was at least",
    );
    assert.equal(await store.readNote("enrolment-answer"), undefined);
  });

  test("a token that can't succeed is refused before anybody is said to be asked", async () => {
    const { enrolment, asked, fail } = await rig();
    fail.judge = new IssuerError("ERR_ISSUER_TOKEN", { reason: "token", words: "it has ended" });
    const steps: string[] = [];
    const refused = enrolment.enroll(ASK, (words) => steps.push(words));
    await assert.rejects(refused, { code: "ERR_ISSUER_TOKEN" });
    assert.deepEqual(asked, []);
    assert.ok(!steps.some((words) => words.startsWith("asking")), steps.join());
    await enrolment.enroll(ASK, (words) => steps.push(words));
    assert.ok(steps.some((words) => words.startsWith("asking https://ca.test")));
  });

  test("another token asks anew, with the same key", async () => {
    const { enrolment, asked, fail, store } = await rig();
    fail.install = new AgentError("ERR_STORE_FULL", "the disk is full");
    await assert.rejects(enrolment.enroll(ASK));
    const key = store.pendingKeys().get(ENROLMENT_KEY);
    const { installed } = await enrolment.enroll({ ...ASK, token: "four.five.six" });
    assert.deepEqual(asked, ["one.two.three", "four.five.six"]);
    assert.deepEqual(installed.generation.key, key);
  });

  const REFUSALS = [
    { why: "that will never do is forgotten", code: "wrong-purpose", again: 2 },
    { why: "whose time has not come waits for the clock", code: "not-yet-valid", again: 1 },
  ];
  for (const { why, code, again } of REFUSALS) {
    test(`a certificate ${why}`, async () => {
      const { enrolment, asked, fail } = await rig();
      fail.install = new CandidateRefused([{ code, words: "no", fix: "-" }]);
      await assert.rejects(enrolment.enroll(ASK), { code: "ERR_CERT_REFUSED" });
      await enrolment.enroll(ASK);
      assert.equal(asked.length, again);
    });
  }

  test("a lost answer keeps the key, and says what to do", async () => {
    const { enrolment, store, fail } = await rig();
    const lost = { reason: "unreachable", words: "broken", lostAnswer: true } as const;
    fail.ask = new IssuerError("ERR_ISSUER_UNREACHABLE", lost);
    await assert.rejects(enrolment.enroll(ASK), (error: unknown) => {
      assert.ok(error instanceof IssuerError && error.lostAnswer);
      assert.match(String(error.fields["fix"]), /the token may be spent/);
      return true;
    });
    assert.equal(store.pendingKeys().size, 1);
  });

  test("the agent stops while an authority hangs: at once, with what to do, and the key is kept", async () => {
    const { enrolment, store, asked, fail } = await rig();
    fail.hang = true;
    const first = enrolment.enroll(ASK);
    const second = enrolment.enroll({ ...ASK, token: "b.b.b" });
    while (asked.length === 0) await settle();
    enrolment.stop();
    for (const waiting of [first, second]) {
      await assert.rejects(waiting, (error: unknown) => {
        assert.ok(isAgentError(error, "ERR_RPC_DRAINING"));
        assert.match(String(error.fields["fix"]), /the token may be spent/);
        return true;
      });
    }
    assert.deepEqual(asked, ["one.two.three"]);
    assert.equal(store.pendingKeys().size, 1);
  });

  test("two at once go one after the other", async () => {
    const { enrolment, asked } = await rig();
    await Promise.all([enrolment.enroll(ASK), enrolment.enroll({ ...ASK, token: "b.b.b" })]);
    assert.deepEqual(asked, ["one.two.three", "b.b.b"]);
  });
});
