/** What if a step of an installation fails, or two come at once? What is in force stays so, or is new and whole. */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { CandidateRefused } from "#src/rotation/candidate-refused.ts";
import type { StoreOperation } from "../fakes/memory-store.ts";
import { ACCEPTED, PEER, RotationRig } from "../fakes/rotation-rig.ts";

const IMPORT = { origin: "import" } as const;
let rig: RotationRig;
beforeEach(async () => {
  rig = await RotationRig.make();
});

function codesOf(error: unknown): readonly string[] {
  assert.ok(error instanceof CandidateRefused, String(error));
  return error.reasons.map(({ code }) => code);
}

suite("a good candidate", () => {
  test("goes in force, is published once, and is said", async () => {
    const process = await rig.started();
    assert.match(process.source.absent ?? "", /store is empty/);
    const heard: string[] = [];
    process.source.subscribe(({ digest }) => heard.push(digest));
    const one = await process.rotator.install(await rig.content("one"), IMPORT);
    const two = await process.rotator.install(await rig.content("two"), IMPORT);
    assert.deepEqual([one.outcome, two.outcome], ["installed", "installed"]);
    assert.deepEqual(heard, [one.generation.digest, two.generation.digest]);
    assert.equal(rig.inForce(process), "two");
    assert.deepEqual(rig.store.writes, ["stage 1", "commit 1", "stage 2", "commit 2"]);
    const [, rotated] = process.log.of("certificate.rotated");
    assert.deepEqual(
      [rotated?.["old_generation"], rotated?.["generation"], rotated?.["digest"], rotated?.["how"]],
      [1, 2, two.generation.digest, "import"],
    );
    assert.equal(rotated?.["serial"], process.source.leaf?.summary.serial);
  });

  test("without a probe peer it is UNPROVEN, not a success", async () => {
    const process = await rig.started();
    await process.rotator.install(await rig.content("one"), IMPORT);
    await process.rotator.settled();
    assert.equal(process.rotator.status()?.state, "UNPROVEN");
    assert.equal(process.log.of("certificate.unproven").length, 1);
    assert.equal(process.log.of("certificate.proven").length, 0);
  });

  test("the same again says so and writes nothing", async () => {
    const process = await rig.started();
    const content = await rig.content("one");
    await process.rotator.install(content, IMPORT);
    const before = [...rig.store.writes];
    const again = await process.rotator.install(content, IMPORT);
    assert.equal(again.outcome, "unchanged");
    assert.equal(again.generation.number, 1);
    assert.deepEqual(rig.store.writes, before);
    assert.equal(process.log.of("certificate.rotated").length, 1);
  });

  test("the validator hears that the operator insists", async () => {
    const { rotator } = await rig.started();
    const purposes: string[] = [];
    rig.objections = (_cn, purpose) => {
      purposes.push(purpose);
      return [];
    };
    const content = await rig.content("one");
    await rotator.check(content);
    await rotator.check(content, true);
    await rotator.install(content, { ...IMPORT, force: true });
    assert.deepEqual(purposes, ["install", "forced", "forced"]);
    assert.deepEqual(rig.store.writes, ["stage 1", "commit 1"], "a check writes nothing");
  });

  test("made for another epoch it is refused, and nothing is written", async () => {
    const { rotator } = await rig.started();
    const other = { ...IMPORT, epoch: "f".repeat(32) };
    const content = await rig.content("one");
    await assert.rejects(rotator.install(content, other), (error) => {
      assert.deepEqual(codesOf(error), ["wrong-epoch"]);
      return true;
    });
    assert.deepEqual(rig.store.writes, []);
    assert.equal(
      (await rotator.install(content, { ...IMPORT, epoch: rig.store.epoch })).outcome,
      "installed",
    );
  });
});

suite("a bad candidate changes nothing", () => {
  const rows = [
    {
      why: "the validator has reasons",
      prepare: () => {
        rig.objections = (cn) =>
          cn === "bad"
            ? [
                { code: "expired", words: "it has expired", fix: "issue it again" },
                {
                  code: "key-mismatch",
                  words: "the key is another's",
                  fix: "import the right one",
                },
              ]
            : [];
      },
      codes: ["expired", "key-mismatch"],
      writes: [],
    },
    {
      why: "it is revoked",
      prepare: () => {
        rig.revoked = (cn) =>
          cn === "bad" ? [{ code: "revoked", words: "it is revoked", fix: "issue it again" }] : [];
      },
      codes: ["revoked"],
      writes: [],
    },
    {
      why: "it can't shake hands with itself",
      prepare: () => {
        rig.selfHandshake = {
          run: async () => ({ kind: "failed", step: "handshake", cause: "no shared cipher" }),
        };
      },
      codes: ["self-handshake-failed"],
      writes: ["stage 2", "discardNext 2"],
    },
  ] as const;
  for (const { why, prepare, codes, writes } of rows) {
    test(why, async () => {
      const first = await rig.started();
      await first.rotator.install(await rig.content("good"), IMPORT);
      rig.store.writes.length = 0;
      prepare();
      const process = await rig.started();
      await assert.rejects(process.rotator.install(await rig.content("bad"), IMPORT), (error) => {
        assert.deepEqual(codesOf(error), codes);
        return true;
      });
      assert.equal(rig.inForce(process), "good");
      assert.deepEqual(rig.store.writes, writes);
      const [refused] = process.log.of("certificate.refused");
      const reasons = refused?.["reasons"] as readonly { readonly code: string }[];
      assert.deepEqual(
        reasons.map(({ code }) => code),
        codes,
      );
    });
  }

  test("a key that can't be opened", async () => {
    const process = await rig.started();
    const content = await rig.content("one");
    rig.keys.lost.add(content.key.spkiSha256);
    await assert.rejects(process.rotator.install(content, IMPORT), (error) => {
      assert.deepEqual(codesOf(error), ["key-unusable"]);
      return true;
    });
    assert.equal(process.source.snapshot, undefined);
  });

  test("what stands in the store is not what was validated", async () => {
    const process = await rig.started();
    await process.rotator.install(await rig.content("good"), IMPORT);
    const other = await rig.content("other");
    const stage = rig.store.stage.bind(rig.store);
    // A store that writes something else than it was given, and does not notice.
    rig.store.stage = (content) => stage({ ...other, origin: content.origin });
    await assert.rejects(process.rotator.install(await rig.content("new"), IMPORT), (error) => {
      assert.deepEqual(codesOf(error), ["digest-mismatch"]);
      return true;
    });
    assert.equal(rig.inForce(process), "good");
    assert.equal(rig.store.current?.number, 1);
  });
});

suite("the store fails", () => {
  const rows: readonly {
    readonly step: StoreOperation;
    readonly code: "ERR_STORE_FULL" | "ERR_STORE_IO";
    readonly next: undefined | number;
    readonly why: string;
  }[] = [
    { step: "stage", code: "ERR_STORE_FULL", next: undefined, why: "ENOSPC while staging" },
    { step: "commit", code: "ERR_STORE_IO", next: undefined, why: "EIO while committing" },
  ];
  for (const { step, code, next, why } of rows) {
    test(`${why}: the old stays in force, the caller is told, and the next try succeeds`, async () => {
      const process = await rig.started();
      await process.rotator.install(await rig.content("old"), IMPORT);
      rig.store.failing.set(step, new AgentError(code, why));
      const content = await rig.content("new");
      await assert.rejects(process.rotator.install(content, IMPORT), { code });
      assert.equal(rig.inForce(process), "old");
      assert.equal(rig.store.next?.number, next);
      assert.equal(process.log.of("certificate.refused").length, 1);
      rig.store.failing.clear();
      // What failed by the disk's fault is not bad.
      await process.rotator.install(content, IMPORT);
      assert.equal(rig.inForce(process), "new");
    });
  }

  test("a commit and its undoing fail: the next start tries again what is staged", async () => {
    const process = await rig.started();
    await process.rotator.install(await rig.content("old"), IMPORT);
    const error = new AgentError("ERR_STORE_IO", "EIO");
    for (const step of ["commit", "discardNext"] as const) rig.store.failing.set(step, error);
    await assert.rejects(process.rotator.install(await rig.content("new"), IMPORT), {
      code: "ERR_STORE_IO",
    });
    assert.equal(rig.inForce(process), "old");
    rig.store.failing.clear();
    assert.equal(rig.inForce(await rig.started()), "new");
  });

  test("the mark of an accepting peer can't be written: it stays in force, and is said", async () => {
    rig.peers = [PEER];
    rig.answers = () => ACCEPTED;
    rig.store.failing.set("mark", new AgentError("ERR_STORE_READ_ONLY", "read-only"));
    const process = await rig.started();
    await process.rotator.install(await rig.content("one"), IMPORT);
    await process.rotator.settled();
    assert.equal(rig.inForce(process), "one");
    assert.equal(process.log.of("certificate.unwritten").length, 1);
  });
});

suite("a subscriber throws", () => {
  test("the others hear of it, and the one before is in force again for all", async () => {
    const process = await rig.started();
    await process.rotator.install(await rig.content("old"), IMPORT);
    const heard: string[] = [];
    const oldDigest = process.source.current.digest;
    process.source.subscribe(({ digest }) => {
      if (digest !== oldDigest) throw new Error("the listener can't use it");
    });
    process.source.subscribe(({ digest }) => heard.push(digest === oldDigest ? "old" : "new"));
    await assert.rejects(process.rotator.install(await rig.content("new"), IMPORT), {
      code: "ERR_CERT_LOCAL",
      message: /the listener can't use it/,
    });
    assert.deepEqual(heard, ["new", "old"]);
    assert.equal(rig.inForce(process), "old");
    assert.equal(process.rotator.status()?.state, "ROLLED_BACK");
    assert.deepEqual(
      process.rotator.status()?.failed?.reasons.map(({ code }) => code),
      ["publish-failed"],
    );
    assert.equal(process.log.of("certificate.publish.failed").length, 1);
    assert.equal(process.log.of("certificate.fallback").length, 1);
  });

  test("with nothing to go back to it stays, and is said loudly", async () => {
    const process = await rig.started();
    process.source.subscribe(() => {
      throw new Error("no");
    });
    await process.rotator.install(await rig.content("first"), IMPORT);
    assert.equal(rig.inForce(process), "first");
    assert.equal(process.log.of("certificate.publish.failed").length, 1);
    assert.equal(process.log.of("certificate.fallback.withheld").length, 1);
  });

  test("the one before has expired meanwhile: never back to it", async () => {
    const process = await rig.started();
    await process.rotator.install(await rig.content("old"), IMPORT);
    rig.objections = (cn, purpose) =>
      cn === "old" && purpose === "fall-back"
        ? [{ code: "expired", words: "it has expired", fix: "" }]
        : [];
    process.source.subscribe(() => {
      throw new Error("no");
    });
    await process.rotator.install(await rig.content("new"), IMPORT);
    assert.equal(rig.inForce(process), "new");
    const [withheld] = process.log.of("certificate.fallback.withheld");
    assert.match(JSON.stringify(withheld), /expired/);
  });
});

suite("several at once", () => {
  test("one runs, of those who wait the newest wins, the others are told at once", async () => {
    const process = await rig.started();
    const names = ["a", "b", "c", "d"];
    const contents = await Promise.all(names.map((name) => rig.content(name)));
    const done = await Promise.allSettled(
      contents.map((content) => process.rotator.install(content, IMPORT)),
    );
    const results = done.map((result) =>
      result.status === "fulfilled"
        ? result.value.generation.number
        : isAgentError(result.reason) && result.reason.code,
    );
    assert.deepEqual(results, [1, "ERR_CERT_SUPERSEDED", "ERR_CERT_SUPERSEDED", 2]);
    assert.equal(rig.inForce(process), "d");
    assert.deepEqual(rig.store.writes, ["stage 1", "commit 1", "stage 2", "commit 2"]);
  });

  test("a failed one does not hold up the next", async () => {
    const process = await rig.started();
    rig.objections = (cn) => (cn === "bad" ? [{ code: "expired", words: "old", fix: "" }] : []);
    const [bad, good] = await Promise.allSettled([
      process.rotator.install(await rig.content("bad"), IMPORT),
      process.rotator.install(await rig.content("good"), IMPORT),
    ]);
    assert.deepEqual([bad.status, good.status], ["rejected", "fulfilled"]);
    assert.equal(rig.inForce(process), "good");
  });
});
