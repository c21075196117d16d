import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { openSnapshot, type Snapshot } from "#src/rotation/snapshot.ts";
import { StoreSource } from "#src/rotation/store-source.ts";
import { testPki } from "../../fakes/certificates.ts";
import { RotationRig } from "../../fakes/rotation-rig.ts";

let rig: RotationRig;
let first: Snapshot;
beforeEach(async () => {
  rig = await RotationRig.make();
  const generation = await rig.store.stage({ ...(await rig.content("a")), origin: "import" });
  first = await openSnapshot(generation, rig.keys);
});

suite("a generation is opened whole or not at all", () => {
  test("its digest must be that of what it holds", async () => {
    const other = await rig.content("b");
    const generation = { ...first.generation, chainPem: other.chainPem };
    await assert.rejects(openSnapshot(generation, rig.keys), {
      code: "ERR_CERT_LOCAL",
      message: /is not what was written/,
    });
  });

  test("its key must be the certificate's", async () => {
    const generation = { ...first.generation, key: await rig.keys.create() };
    await assert.rejects(openSnapshot(generation, rig.keys), {
      code: "ERR_CERT_LOCAL",
      message: /of another certificate/,
    });
  });

  test("its key must open", async () => {
    rig.keys.lost.add(first.generation.key.spkiSha256);
    await assert.rejects(openSnapshot(first.generation, rig.keys), { code: "ERR_KEY_DAMAGED" });
  });
});

suite("the source", () => {
  test("has nothing while the store is empty, and says what to do", () => {
    const source = new StoreSource();
    assert.match(source.absent ?? "", /microedge cert import/);
    assert.throws(() => source.current, { code: "ERR_IDENTITY_NONE" });
  });

  test("tells every subscriber, also after one has thrown, and returns what was thrown", () => {
    const source = new StoreSource();
    const heard: string[] = [];
    const bug = new Error("no");
    source.subscribe(() => {
      throw bug;
    });
    const end = source.subscribe(({ digest }) => heard.push(digest));
    assert.deepEqual(source.publish(first), [bug]);
    assert.deepEqual(heard, [first.generation.digest]);
    assert.equal(source.absent, undefined);
    assert.deepEqual(source.publish(first), [], "the same again is no news");
    end();
    assert.equal(heard.length, 1);
  });

  test("further trust domains are part of what is published, not of the generation", async () => {
    const source = new StoreSource();
    source.publish(first);
    const { caPem: pem } = await testPki("Elsewhere");
    const heard: string[] = [];
    source.subscribe(({ digest }) => heard.push(digest));
    assert.deepEqual(source.follow([{ name: "elsewhere", pem }]), []);
    assert.deepEqual(source.current.trustDomains, [{ name: "elsewhere", pem }]);
    assert.notEqual(source.current.digest, first.generation.digest);
    assert.deepEqual(heard, [source.current.digest]);
    source.follow([]);
    assert.equal(source.current.digest, first.generation.digest);
  });
});
