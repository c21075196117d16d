/** What if peers refuse what went in force: the way back, and when there is none. */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import {
  ACCEPTED,
  PEER,
  type Process,
  REFUSED,
  RotationRig,
  UNREACHABLE,
} from "../fakes/rotation-rig.ts";

const IMPORT = { origin: "import" } as const;
const MINUTE = 60_000;
let rig: RotationRig;
let process: Process;
beforeEach(async () => {
  rig = await RotationRig.make();
  rig.peers = [PEER];
  rig.answers = (cn) => (cn === "new" ? REFUSED : ACCEPTED);
  process = await rig.started();
  await process.rotator.install(await rig.content("old"), IMPORT);
  await process.rotator.settled();
});

const state = (): string | undefined => process.rotator.status()?.state;

suite("a peer refuses the new one and takes the old", () => {
  test("the old is in force again; the new is kept with the reason, and refused unless forced", async () => {
    assert.equal(state(), "ACTIVE");
    const content = await rig.content("new");
    await process.rotator.install(content, IMPORT);
    assert.equal(state(), "UNPROVEN");
    await rig.clock.advance(MINUTE);
    await process.rotator.settled();
    assert.equal(rig.inForce(process), "old");
    assert.equal(state(), "ROLLED_BACK");
    const { failed, words } = process.rotator.status() ?? {};
    assert.equal(failed?.number, 2);
    assert.match(words ?? "", /generation 2 failed and generation 1 is in force again: broker/);
    const [said] = process.log.of("certificate.fallback");
    assert.deepEqual(
      [said?.["generation"], said?.["failed_generation"], said?.["durable"]],
      [1, 2, true],
    );

    const written = rig.store.writes.length;
    await assert.rejects(process.rotator.install(content, IMPORT), {
      code: "ERR_CERT_REFUSED",
      message: /generation 2, which failed before: broker/,
    });
    assert.equal(rig.store.writes.length, written);
    rig.answers = () => ACCEPTED;
    await process.rotator.install(content, { ...IMPORT, force: true });
    await process.rotator.settled();
    assert.equal(rig.inForce(process), "new");
    assert.equal(state(), "ACTIVE");
  });

  for (const { why, code, close } of [
    {
      why: "has expired meanwhile",
      code: "expired",
      close: () => {
        rig.objections = (cn, purpose) =>
          cn === "old" && purpose === "fall-back"
            ? [{ code: "expired", words: "it has expired", fix: "" }]
            : [];
      },
    },
    {
      why: "was revoked meanwhile",
      code: "revoked",
      close: () => {
        rig.revoked = (cn) =>
          cn === "old" ? [{ code: "revoked", words: "it is revoked", fix: "" }] : [];
      },
    },
    {
      why: "has lost its key",
      code: "key-unusable",
      close: () => {
        const spki = rig.store.current?.key.spkiSha256;
        assert.ok(spki !== undefined);
        rig.keys.lost.add(spki);
      },
    },
  ]) {
    test(`but the old ${why}: the new one stays, and it is said once`, async () => {
      close();
      await process.rotator.install(await rig.content("new"), IMPORT);
      await rig.clock.advance(100 * MINUTE);
      assert.equal(rig.inForce(process), "new");
      assert.equal(state(), "UNPROVEN");
      const said = process.log.of("certificate.fallback.withheld");
      assert.equal(said.length, 1);
      assert.match(JSON.stringify(said), new RegExp(code));
      await process.rotator[Symbol.asyncDispose]();
    });
  }

  test("the way back can't be written: the old serves from memory, and it is said", async () => {
    await process.rotator.install(await rig.content("new"), IMPORT);
    rig.store.failing.set("fallBack", new AgentError("ERR_STORE_IO", "EIO"));
    await rig.clock.advance(MINUTE);
    await process.rotator.settled();
    assert.equal(rig.inForce(process), "old");
    const [said] = process.log.of("certificate.fallback");
    assert.deepEqual([said?.["durable"], said?.["fault"]], [false, "EIO"]);
    assert.equal(state(), "ROLLED_BACK");
    assert.equal(process.rotator.status()?.generation.number, 1);
    assert.match(process.rotator.status()?.words ?? "", /from memory only/);

    // The next change writes it first, so that nothing ever falls back to what failed.
    rig.store.failing.clear();
    await process.rotator.install(await rig.content("newest"), IMPORT);
    assert.deepEqual(rig.store.writes.slice(-3), ["fallBack 1", "stage 3", "commit 3"]);
    assert.equal(rig.store.previous?.number, 1);
  });

  test("a newer one comes before the answer: it is what counts", async () => {
    await process.rotator.install(await rig.content("new"), IMPORT);
    await rig.clock.advance(1);
    await process.rotator.install(await rig.content("newest"), IMPORT);
    await rig.clock.advance(100 * MINUTE);
    await process.rotator.settled();
    assert.equal(rig.inForce(process), "newest");
    assert.equal(state(), "ACTIVE");
    assert.equal(process.log.of("certificate.fallback").length, 0);
  });
});

test("the network is blocked: UNPROVEN, tried again, and confirmed when it is back", async () => {
  rig.answers = () => UNREACHABLE;
  await process.rotator.install(await rig.content("new"), IMPORT);
  await rig.clock.advance(500 * MINUTE);
  assert.equal(rig.inForce(process), "new");
  assert.equal(state(), "UNPROVEN");
  assert.match(
    process.rotator.status()?.words ?? "",
    /broker\.example:8883: no route \(\d+ tries\)/,
  );
  assert.equal(process.log.of("certificate.unproven").length, 1, "said once, not with each try");
  rig.answers = () => ACCEPTED;
  await rig.clock.advance(61 * MINUTE);
  await process.rotator.settled();
  assert.equal(state(), "ACTIVE");
  assert.equal(process.log.of("certificate.trialled").length, 2);
});

test("one of two peers accepts: TRIALLED, and ACTIVE when the window is over", async () => {
  rig.peers = [PEER, { host: "silent.example", port: 1 }];
  rig.answers = (_cn, { host }) => (host === PEER.host ? ACCEPTED : UNREACHABLE);
  await process.rotator.install(await rig.content("newer"), IMPORT);
  await rig.clock.advance(MINUTE);
  assert.equal(state(), "TRIALLED");
  assert.equal(rig.store.current?.mark, "trialled");
  await rig.clock.advance(26 * 60 * MINUTE);
  await process.rotator.settled();
  assert.equal(state(), "ACTIVE");
});
