/** What if the identity in force can't be used when the agent starts? */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { RotationRig } from "../fakes/rotation-rig.ts";

const IMPORT = { origin: "import" } as const;
let rig: RotationRig;
beforeEach(async () => {
  rig = await RotationRig.make();
  const before = await rig.started();
  await before.rotator.install(await rig.content("old"), IMPORT);
  await before.rotator.install(await rig.content("new"), IMPORT);
  await before.rotator[Symbol.asyncDispose]();
});

const lose = (number: "current" | "previous"): void => {
  const spki = rig.store[number]?.key.spkiSha256;
  assert.ok(spki !== undefined);
  rig.keys.lost.add(spki);
};

suite("the key of the generation in force can't be opened", () => {
  test("the one before is in force again, and it is said", async () => {
    lose("current");
    const process = await rig.started();
    assert.equal(rig.inForce(process), "old");
    assert.equal(process.rotator.status()?.state, "ROLLED_BACK");
    assert.match(process.rotator.status()?.words ?? "", /generation 2 failed.*can't be opened/);
    assert.equal(process.log.of("certificate.fallback").length, 1);
  });

  test("the store can't be written: the one before serves from memory", async () => {
    lose("current");
    rig.store.failing.set("fallBack", new AgentError("ERR_STORE_READ_ONLY", "read-only"));
    const process = await rig.started();
    assert.equal(rig.inForce(process), "old");
    const [fallback] = process.log.of("certificate.fallback");
    assert.deepEqual([fallback?.["durable"], fallback?.["fault"]], [false, "read-only"]);
    assert.equal(rig.store.current?.number, 2);
  });

  test("the one before is revoked: the start fails, with the key's error", async () => {
    lose("current");
    rig.revoked = (cn) =>
      cn === "old" ? [{ code: "revoked", words: "it is revoked", fix: "" }] : [];
    await assert.rejects(rig.started(), { code: "ERR_KEY_DAMAGED" });
    assert.equal(rig.store.current?.number, 2, "nothing has changed on flash");
  });

  test("neither can be opened: the start fails", async () => {
    lose("current");
    lose("previous");
    await assert.rejects(rig.started(), { code: "ERR_KEY_DAMAGED" });
  });

  test("only the key of the one before is lost: nobody minds", async () => {
    lose("previous");
    assert.equal(rig.inForce(await rig.started()), "new");
  });
});

suite("a healed store has a generation in force that is marked bad", () => {
  const reasons = [{ code: "peer-refuses-it", words: "no" }];
  test("the one before is in force again", async () => {
    await rig.store.mark(2, "bad", reasons);
    const process = await rig.started();
    assert.equal(rig.inForce(process), "old");
    assert.equal(process.rotator.status()?.state, "ROLLED_BACK");
  });

  test("the one before has expired: the bad one serves on, and it is said", async () => {
    await rig.store.mark(2, "bad", reasons);
    rig.objections = (cn) =>
      cn === "old" ? [{ code: "expired", words: "it has expired", fix: "" }] : [];
    const process = await rig.started();
    assert.equal(rig.inForce(process), "new");
    assert.equal(process.log.of("certificate.fallback.withheld").length, 1);
  });
});

test("what is staged at the start is judged anew: no longer good, it is given up", async () => {
  const other = await rig.content("staged");
  await rig.store.stage({ ...other, ...IMPORT });
  rig.objections = (cn) =>
    cn === "staged" ? [{ code: "expired", words: "it has expired", fix: "" }] : [];
  const process = await rig.started();
  assert.equal(rig.inForce(process), "new");
  assert.equal(rig.store.next, undefined);
  assert.equal(process.log.of("certificate.refused").length, 1);
  // It was never in force: when the reason is gone it may come again.
  rig.objections = () => [];
  await process.rotator.install(other, IMPORT);
  assert.equal(rig.inForce(process), "staged");
});

test("peers that are configured later are tried at once", async () => {
  const process = await rig.started();
  assert.equal(process.rotator.status()?.state, "UNPROVEN");
  rig.peers = [{ host: "broker.example", port: 8883 }];
  rig.answers = () => ({ kind: "accepted", peerSha256: "aa", words: "took it" });
  process.rotator.peersChanged();
  await process.rotator.settled();
  assert.equal(process.rotator.status()?.state, "ACTIVE");
  assert.equal(process.log.of("certificate.proven").length, 1);
  const { probes } = rig;
  process.rotator.peersChanged();
  await process.rotator.settled();
  assert.equal(rig.probes, probes, "what is proven is not tried again");
});

test("the end of the agent leaves no timer, no probe and no change half done", async () => {
  rig.peers = [{ host: "broker.example", port: 8883 }];
  const process = await rig.started();
  const installing = process.rotator.install(await rig.content("newer"), IMPORT);
  await process.rotator[Symbol.asyncDispose]();
  assert.equal((await installing).generation.number, 3);
  await rig.clock.advance(0);
  assert.equal(rig.clock.timers, 0);
});
