import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { bundleDigest } from "#src/rotation/trust-update.ts";
import { testPki } from "../../fakes/certificates.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";
import { type PushedDevice, PushRig } from "../../fakes/push-rig.ts";
import { TrustSigner } from "../../fakes/trust-signer.ts";

const DAY_MS = 86_400_000;
const rigs = await PushRig.make();
const NOW = rigs.clock.now();
const [b, c] = (await Promise.all(["B", "C"].map((name) => testPki(name, NOW)))).map(
  ({ caPem }) => caPem,
) as [string, string];

async function device(): Promise<{ rig: PushRig; own: PushedDevice; chain: readonly string[] }> {
  const rig = await PushRig.make();
  const disk = await rig.disk(await rig.bring());
  const own = await rig.start(disk);
  const root = rig.pki.caPem;
  return { rig, own, chain: rig.signer.chain([root, root + b, root + b + c]) };
}

const notesOf = ({ store }: PushedDevice): string[] =>
  store.noteNames().filter((name) => /^trust-\d/.test(name));
const rootsOf = ({ store }: PushedDevice): string =>
  bundleDigest(store.current?.trustBundlePem ?? "");

suite("trust updates by the queue", () => {
  test("durable when accepted, in force after one attempt, nothing left behind", async () => {
    const { rig, own, chain } = await device();
    const accepted = await own.trust.accept(chain.join("\n"));
    assert.deepEqual(accepted, { id: "trust-2", sequence: 2, steps: 2, state: "waiting" });
    assert.deepEqual(notesOf(own), ["trust-2"]);
    assert.equal(await own.attempt("trust"), "done");
    assert.equal(rootsOf(own), bundleDigest(rig.pki.caPem + b + c));
    assert.equal(await own.updates.sequence(), 2);
    assert.deepEqual(notesOf(own), []);
    const again = await own.trust.accept(chain.join("\n"));
    assert.partialDeepStrictEqual(again, { outcome: "known", sequence: 2 });
  });

  const REFUSED: readonly {
    readonly why: string;
    readonly line: (rig: PushRig) => string;
    readonly code: string;
  }[] = [
    {
      why: "nobody signed it",
      line: () => new TrustSigner(3).sign({ sequence: 1, bundle: b }),
      code: "ERR_TRUST_UPDATE",
    },
    {
      why: "changed on the way",
      line: ({ signer }) => signer.sign({ sequence: 1, bundle: b }, { bundle: c }),
      code: "ERR_TRUST_UPDATE",
    },
    {
      why: "for another device",
      line: ({ signer }) => signer.sign({ sequence: 1, bundle: b, device: "roof-8" }),
      code: "ERR_TRUST_UPDATE",
    },
    {
      why: "ended",
      line: ({ signer }) => signer.sign({ sequence: 1, bundle: b, notAfter: NOW - 1 }),
      code: "ERR_TRUST_UPDATE",
    },
    { why: "no update at all", line: () => "<html>log in</html>", code: "ERR_TRUST_UPDATE" },
    {
      why: "not signed and not yet valid: the signature is asked first",
      line: () => new TrustSigner(3).sign({ sequence: 1, bundle: b, notBefore: NOW + DAY_MS }),
      code: "ERR_TRUST_UPDATE",
    },
  ];
  for (const { why, line, code } of REFUSED) {
    test(`what does not count is never kept: ${why}`, async () => {
      const { rig, own } = await device();
      await assert.rejects(own.trust.accept(line(rig)), { code });
      assert.deepEqual([notesOf(own), own.queue.list()], [[], []]);
      assert.equal(await own.trust.offer(line(rig), "/media/usb/trust"), undefined);
      assert.equal(await own.trust.offer(line(rig), "/media/usb/trust"), undefined);
      assert.equal(own.log.of("trust.update.refused").length, 1, "told once");
    });
  }

  test("one of tomorrow waits without a write, and is in force by itself then", async () => {
    const { rig, own } = await device();
    const line = rig.signer.sign({
      sequence: 4,
      bundle: rig.pki.caPem + b,
      notBefore: NOW + DAY_MS,
    });
    assert.equal(((await own.trust.accept(line)) as { id: string }).id, "trust-4");
    assert.match(String(await own.attempt("trust")), /counts from .* by itself/);
    assert.equal(await own.attempt("trust"), undefined, "held");
    assert.equal(own.trust.holds(own.queue.list()[0] as never)?.by, "early");
    // a clock that nobody vouches for neither refuses nor holds
    await rig.clock.advance(DAY_MS + 1);
    assert.equal(await own.attempt("trust"), "done");
    assert.equal(rootsOf(own), bundleDigest(rig.pki.caPem + b));
  });

  test("one of tomorrow holds back none of today: those before it are in force at once", async () => {
    const { rig, own } = await device();
    const root = rig.pki.caPem;
    const [today = "", tomorrow = ""] = [
      rig.signer.sign({ sequence: 1, bundle: b, previous: bundleDigest(root) }),
      rig.signer.sign({
        ...{ sequence: 2, bundle: c, previous: bundleDigest(b) },
        notBefore: NOW + DAY_MS,
      }),
    ];
    await own.trust.accept(`${today}\n${tomorrow}`);
    assert.match(String(await own.attempt("trust")), /until then update 1 does/);
    assert.equal(rootsOf(own), bundleDigest(b + root), "the old ones leave later");
    assert.equal(await own.updates.sequence(), 1);
    assert.partialDeepStrictEqual(await own.trust.accept(today), { outcome: "known" });
    await rig.clock.advance(DAY_MS + 1);
    assert.equal(await own.attempt("trust"), "done");
    assert.equal(await own.updates.sequence(), 2);
    assert.deepEqual(notesOf(own), []);
  });

  test("nor does one of tomorrow that stands on its own", async () => {
    const { rig, own, chain } = await device();
    const alone = rig.signer.sign({ sequence: 3, bundle: c, notBefore: NOW + DAY_MS });
    await own.trust.accept([...chain, alone].join("\n"));
    await own.attempt("trust");
    assert.equal(await own.updates.sequence(), 2);
    await rig.clock.advance(DAY_MS + 1);
    assert.equal(await own.attempt("trust"), "done");
    assert.equal(await own.updates.sequence(), 3);
  });

  test("given up, and brought once more when it counts: tried again by itself", async () => {
    const { own, chain } = await device();
    await own.trust.accept(chain.join("\n"));
    await own.store.dropNote("trust-2");
    assert.match(String(await own.attempt("trust")), /not in the store/);
    assert.equal(own.queue.find("trust-2")?.state, "failed");
    assert.partialDeepStrictEqual(await own.trust.offer(chain.join("\n"), "/media/usb/trust"), {
      state: "waiting",
    });
    assert.equal(await own.attempt("trust"), "done");
  });

  test("what the own certificate has against it passes: it is renewed", async () => {
    const { rig, own, chain } = await device();
    rig.judge = () => [{ code: "revoked", words: "it was revoked", fix: "" }];
    await own.trust.accept(chain.join("\n"));
    assert.match(String(await own.attempt("trust")), /was revoked/);
    assert.equal(own.queue.find("trust-2")?.state, "waiting");
    assert.equal(own.log.of("trust.update.waits").length, 1);
    rig.judge = () => [];
    assert.equal(await own.attempt("trust"), "done");
  });

  test("a full disk: in force all the same, or later, never half", async () => {
    const { own, chain } = await device();
    const { writeNote } = own.store;
    await own.trust.accept(chain.join("\n"));
    own.store.writeNote = async () => {
      throw new AgentError("ERR_STORE_FULL", "full");
    };
    assert.equal(await own.attempt("trust"), "full");
    assert.equal(own.queue.find("trust-2")?.state, "waiting");
    own.store.writeNote = writeNote;
    assert.equal(await own.attempt("trust"), "done");
    assert.deepEqual(notesOf(own), []);
  });

  test("a newer one takes the place of one that waits, which leaves; an older one is not kept", async () => {
    const { rig, own } = await device();
    const of = (sequence: number): string =>
      rig.signer.sign({ sequence, bundle: rig.pki.caPem + b, notBefore: NOW + DAY_MS });
    await own.trust.accept(of(4));
    await own.trust.accept(of(6));
    await own.trust.sweep();
    assert.deepEqual(notesOf(own), ["trust-6"]);
    assert.equal(((await own.trust.accept(of(5))) as { state: string }).state, "superseded");
    assert.deepEqual(notesOf(own), ["trust-6"]);
  });

  test("kept, and then its key is taken out of the configuration: given up, with the reason", async () => {
    const { rig, own, chain } = await device();
    await own.trust.accept(chain.join("\n"));
    Object.defineProperty(rig.signer, "key", { value: new TrustSigner(3).key });
    const before = rootsOf(own);
    assert.match(String(await own.attempt("trust")), /not in trust.update_keys/);
    assert.equal(own.queue.find("trust-2")?.state, "failed");
    assert.equal(rootsOf(own), before);
    assert.equal(own.log.of("trust.update.refused").length, 1);
  });

  test("numbers as large as a clock's", async () => {
    const { rig, own } = await device();
    const sequence = 8_640_000_000_000_000;
    await own.trust.accept(rig.signer.sign({ sequence, bundle: rig.pki.caPem + b }));
    assert.equal(await own.attempt("trust"), "done");
    assert.equal(await own.updates.sequence(), sequence);
  });

  test("an empty store has nothing that the roots could be for", async () => {
    const rig = await PushRig.make();
    await using own = await rig.start(new PowerDisk());
    const line = rig.signer.sign({ sequence: 1, bundle: b });
    await assert.rejects(own.trust.accept(line), { code: "ERR_IDENTITY_NONE" });
  });
});
