import assert from "node:assert/strict";
import { test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import { bundleDigest, parseTrustUpdates } from "#src/rotation/trust-update.ts";
import { judgeTrustUpdates, type TrustContext } from "#src/rotation/trust-update-chain.ts";
import { TrustUpdates } from "#src/rotation/trust-updates.ts";
import { testPki } from "../../fakes/certificates.ts";
import { type Process, RotationRig } from "../../fakes/rotation-rig.ts";
import { TrustSigner } from "../../fakes/trust-signer.ts";

const NOW = Date.UTC(2026, 5, 1);
const EPOCH = "0123456789abcdef0123456789abcdef";
const [a, b, c] = (await Promise.all(["A", "B", "C"].map((name) => testPki(name, NOW)))).map(
  ({ caPem }) => caPem,
) as [string, string, string];
const signer = new TrustSigner();
const LINES = signer.chain([a, b, c]);
const SECURE: TimeView = {
  ...{ state: "network", nowMs: NOW, floorMs: NOW, clockWrong: false, words: undefined },
};

function context(changes: Partial<TrustContext> = {}): TrustContext {
  const position = { sequence: 0, digest: bundleDigest(a) };
  return { position, keys: [signer.key], device: "roof-7", epoch: EPOCH, time: SECURE, ...changes };
}

const CASES: readonly {
  readonly why: string;
  readonly lines: readonly string[];
  readonly context?: Partial<TrustContext>;
  readonly expected: string;
}[] = [
  { why: "the next one", lines: LINES.slice(0, 1), expected: "take 1 in 1" },
  { why: "two generations away: the whole chain", lines: LINES, expected: "take 2 in 2" },
  { why: "lines in any order", lines: LINES.toReversed(), expected: "take 2 in 2" },
  { why: "away for two and only the last is there", lines: LINES.slice(1), expected: "gap" },
  {
    why: "the pin of last resort: one that stands on its own",
    lines: [signer.sign({ sequence: 9, bundle: c })],
    expected: "take 9 in 1",
  },
  {
    why: "a chain that goes on from one that stands on its own",
    lines: [
      signer.sign({ sequence: 5, bundle: b }),
      signer.sign({ sequence: 6, bundle: c, previous: bundleDigest(b) }),
    ],
    expected: "take 6 in 2",
  },
  {
    why: "a replay",
    lines: LINES.slice(0, 1),
    context: { position: { sequence: 1, digest: bundleDigest(b) } },
    expected: "known",
  },
  {
    why: "an older bundle that stands on its own is a replay, too",
    lines: [signer.sign({ sequence: 2, bundle: a })],
    context: { position: { sequence: 2, digest: bundleDigest(c) } },
    expected: "known",
  },
  {
    why: "the right number over another bundle",
    lines: LINES.slice(1),
    context: { position: { sequence: 1, digest: bundleDigest(a) } },
    expected: "fork",
  },
  {
    why: "another key that calls itself by our id can't sign",
    lines: [signer.sign({ sequence: 1, bundle: b }, { sequence: 2 })],
    expected: "bad-signature",
  },
  {
    why: "another bundle under the signature",
    lines: [signer.sign({ sequence: 1, bundle: b }, { bundle: c })],
    expected: "bad-signature",
  },
  {
    why: "a key that is not configured",
    lines: [new TrustSigner(3).sign({ sequence: 1, bundle: b })],
    expected: "unknown-key",
  },
  {
    why: "one bad link spoils the chain",
    lines: [LINES[0] ?? "", new TrustSigner(3).sign({ sequence: 2, bundle: c })],
    expected: "unknown-key",
  },
  {
    why: "a link of a key that is gone, before one that stands on its own: not needed",
    lines: [
      new TrustSigner(3).sign({ sequence: 1, bundle: a }),
      signer.sign({ sequence: 2, bundle: b }),
    ],
    expected: "take 2 in 1",
  },
  {
    why: "the same where the one that stands on its own does not verify itself",
    lines: [
      new TrustSigner(3).sign({ sequence: 1, bundle: b }),
      signer.sign({ sequence: 2, bundle: b }, { bundle: c }),
    ],
    expected: "unknown-key",
  },
  {
    why: "a link of a key that is gone, after one that stands on its own",
    lines: [
      signer.sign({ sequence: 2, bundle: b }),
      new TrustSigner(3).sign({ sequence: 3, bundle: c }),
    ],
    expected: "unknown-key",
  },
  {
    why: "one left out is no link: what follows it before its time comes has a gap",
    lines: [
      new TrustSigner(3).sign({ sequence: 1, bundle: b, previous: bundleDigest(a) }),
      signer.sign({ sequence: 2, bundle: c, previous: bundleDigest(b) }),
      signer.sign({ sequence: 3, bundle: c, notBefore: NOW + 1 }),
    ],
    expected: "not-yet-valid",
  },
  { why: "no key configured", lines: LINES, context: { keys: [] }, expected: "no-key" },
  {
    why: "for another device",
    lines: [signer.sign({ sequence: 1, bundle: b, device: "roof-8" })],
    expected: "wrong-device",
  },
  {
    why: "for another epoch",
    lines: [signer.sign({ sequence: 1, bundle: b, epoch: "f".repeat(32) })],
    expected: "wrong-epoch",
  },
  {
    why: "for this device and epoch",
    lines: [signer.sign({ sequence: 1, bundle: b, device: "roof-7", epoch: EPOCH })],
    expected: "take 1 in 1",
  },
  {
    why: "not yet valid",
    lines: [signer.sign({ sequence: 1, bundle: b, notBefore: NOW + 1 })],
    expected: "not-yet-valid",
  },
  {
    why: "not yet valid by a clock that is lost: taken, the clock proves nothing",
    lines: [signer.sign({ sequence: 1, bundle: b, notBefore: NOW + 1 })],
    context: { time: { ...SECURE, state: "floor", clockWrong: true } },
    expected: "take 1 in 1",
  },
  {
    why: "ended",
    lines: [signer.sign({ sequence: 1, bundle: b, notAfter: NOW - 1 })],
    expected: "out-of-date",
  },
  {
    why: "ended by a clock that nobody vouches for: taken",
    lines: [signer.sign({ sequence: 1, bundle: b, notAfter: NOW - 1 })],
    context: { time: { ...SECURE, state: "unknown", floorMs: 0 } },
    expected: "take 1 in 1",
  },
  {
    why: "ended by what is proven, whatever the clock says",
    lines: [signer.sign({ sequence: 1, bundle: b, notAfter: NOW - 1 })],
    context: { time: { ...SECURE, state: "floor", nowMs: 0 } },
    expected: "out-of-date",
  },
  {
    why: "links before the last may have ended long ago",
    lines: [
      signer.sign({ sequence: 1, bundle: b, previous: bundleDigest(a), notAfter: 1 }),
      signer.sign({ sequence: 2, bundle: c, previous: bundleDigest(b) }),
    ],
    expected: "take 2 in 2",
  },
];

for (const { why, lines, context: changes, expected } of CASES) {
  test(`trust updates: ${why}`, () => {
    const verdict = judgeTrustUpdates(parseTrustUpdates(lines.join("\n")), context(changes));
    const found =
      verdict.kind === "take"
        ? `take ${verdict.update.sequence} in ${verdict.steps}`
        : verdict.kind === "refused"
          ? verdict.reason
          : verdict.kind;
    if (verdict.kind === "not-yet-valid") assert.equal(verdict.begun, undefined);
    assert.equal(found, expected);
  });
}

const MALFORMED: readonly (readonly [why: string, text: string, says: RegExp])[] = [
  ["nothing", "\n \n", /holds none/],
  ["not JSON", "{", /line 1: it is not JSON/],
  ["the second line", `${LINES[0]}\n[]`, /line 2: it is not a JSON object/],
  ["a member too many", (LINES[0] ?? "").replace('"v":1', '"v":1,"x":2'), /no others/],
  ["a later version", (LINES[0] ?? "").replace('"v":1', '"v":2'), /"v" must be 1/],
  ["sequence 0", (LINES[0] ?? "").replace('"sequence":1', '"sequence":0'), /"sequence"/],
  ["no bundle", (LINES[0] ?? "").replace(/"bundle":"[^"]*"/, '"bundle":""'), /no trust bundle/],
  ["65 of them", Array(65).fill("{}").join("\n"), /more than 64/],
  [
    "a name with a line feed",
    (LINES[0] ?? "").replace('"device":"any"', '"device":"a\\nb"'),
    /"device"/,
  ],
];

for (const [why, text, says] of MALFORMED) {
  test(`trust updates that can't be read: ${why}`, () => {
    assert.throws(
      () => parseTrustUpdates(text),
      (error) => isAgentError(error, "ERR_TRUST_UPDATE") && says.test(error.message),
    );
  });
}

test("how the PEM of a bundle is written does not matter, what is in it does", () => {
  assert.equal(bundleDigest(a + b), bundleDigest(`${b}\n# words\n${a}${a}`));
  assert.notEqual(bundleDigest(a + b), bundleDigest(a));
});

interface Taker {
  readonly rig: RotationRig;
  readonly process: Process;
  readonly updates: TrustUpdates;
  readonly pinned: string[];
}

async function taker(rig: RotationRig): Promise<Taker> {
  const process = await rig.started();
  const pinned: string[] = [];
  const updates = new TrustUpdates({
    ...{ store: rig.store, rotator: process.rotator, log: process.log },
    keys: () => [signer.key],
    device: () => "roof-7",
    time: () => ({ ...SECURE, nowMs: rig.clock.now() }),
    overlapMs: () => 86_400_000,
    onTaken: async (pem) => void pinned.push(pem),
  });
  return { rig, process, updates, pinned };
}

async function device(): Promise<Taker> {
  const rig = await RotationRig.make();
  const first = await rig.started();
  await first.rotator.install(await rig.content("roof-7"), { origin: "import" });
  await first.rotator[Symbol.asyncDispose]();
  return taker(rig);
}

test("two generations away: the chain is taken as one, the old root stays while our chain needs it", async () => {
  const { rig, process, updates, pinned } = await device();
  const own = rig.pki.caPem;
  const [one = "", two = ""] = signer.chain([own, b, c]);
  const needed = [{ code: "unknown-authority", words: "no way to a root", fix: "" }];
  // the validator in memory: our chain verifies only while its root is trusted
  rig.judge = ({ trustBundlePem }) => (trustBundlePem.includes(own.trim()) ? [] : needed);
  const outcome = await updates.take(`${one}\n${two}\n`);
  assert.deepEqual([outcome.outcome, outcome.sequence, outcome.steps], ["taken", 2, 2]);
  const bundle = rig.store.current?.trustBundlePem ?? "";
  assert.equal(bundleDigest(bundle), bundleDigest(own + c));
  assert.deepEqual(pinned, [c]);
  // the overlap is over, and the old root is still needed: it stays, and is told
  await rig.clock.advance(2 * 86_400_000);
  await process.rotator.settled();
  assert.equal(bundleDigest(rig.store.current?.trustBundlePem ?? ""), bundleDigest(own + c));
  assert.equal(process.log.of("trust.overlap.stuck").length, 1);
  // renewed under the new root: the old one goes within the hour
  rig.judge = () => [];
  await rig.clock.advance(3_600_001);
  await process.rotator.settled();
  assert.equal(bundleDigest(rig.store.current?.trustBundlePem ?? ""), bundleDigest(c));

  // and after a restart neither counts again
  const again = await taker(rig);
  assert.equal((await again.updates.take(`${one}\n${two}`)).outcome, "known");
  assert.equal(await again.updates.sequence(), 2);
});

test("a certificate that has ended keeps no new roots away: without them it could not be renewed", async () => {
  const { rig, process, updates } = await device();
  const own = rig.pki.caPem;
  const ended = { code: "expired", words: "it ended while the device was away", fix: "renew it" };
  rig.judge = () => [ended];
  const [line = ""] = signer.chain([own, b]);
  assert.equal((await updates.take(line)).outcome, "taken");
  assert.equal(bundleDigest(rig.store.current?.trustBundlePem ?? ""), bundleDigest(own + b));
  assert.equal(process.source.current.trustBundlePem, rig.store.current?.trustBundlePem);
  // and the same by hand
  await process.rotator.replaceTrust(own + c, { overlapMs: 0 });
  assert.equal(bundleDigest(rig.store.current?.trustBundlePem ?? ""), bundleDigest(own + c));
});

test("what the new roots alone bring against the certificate in force is a reason to refuse them", async () => {
  const { rig, process } = await device();
  const own = rig.pki.caPem;
  const ended = { code: "expired", words: "it ended while the device was away", fix: "renew it" };
  const stranger = { code: "unknown-authority", words: "no way to a root", fix: "" };
  rig.judge = ({ trustBundlePem }) =>
    trustBundlePem.includes(own.trim()) ? [ended] : [ended, stranger];
  await assert.rejects(process.rotator.replaceTrust(b, { overlapMs: 0 }), ({ reasons }) => {
    assert.deepEqual(reasons, [stranger]);
    return true;
  });
  // another certificate that has ended is refused as ever
  const other = await rig.content("roof-7");
  await assert.rejects(process.rotator.install(other, { origin: "import" }), {
    code: "ERR_CERT_REFUSED",
  });
});

test("power lost between the bundle and its note: the same update again changes nothing", async () => {
  const { rig, updates } = await device();
  const [line = ""] = signer.chain([rig.pki.caPem, rig.pki.caPem + b]);
  let left = 1;
  const { writeNote } = rig.store;
  rig.store.writeNote = async (name, bytes) => {
    if (name === "trust-position" && left-- === 0) throw new Error("power");
    await writeNote.call(rig.store, name, bytes);
  };
  await assert.rejects(updates.take(line), /power/);
  const { number } = rig.store.current ?? {};
  const again = await taker(rig);
  const outcome = await again.updates.take(line);
  assert.equal(outcome.outcome, "taken");
  assert.equal(rig.store.current?.number, number);
});

const DAY_MS = 86_400_000;
const IN_BETWEEN: readonly {
  readonly why: string;
  /** When the update begins that drops B, before now. */
  readonly agoMs: number;
  readonly roots: (own: string) => string;
}[] = [
  {
    why: "peers still come from it: it stays for the overlap",
    agoMs: DAY_MS / 2,
    roots: (own) => own + b + c,
  },
  {
    why: "its overlap is long over: it is never trusted",
    agoMs: 2 * DAY_MS,
    roots: (own) => own + c,
  },
];
for (const { why, agoMs, roots } of IN_BETWEEN) {
  test(`the roots between, of a device that was away for two generations: ${why}`, async () => {
    const { rig, process, updates } = await device();
    const own = rig.pki.caPem;
    const nowMs = rig.clock.now();
    const lines = [
      signer.sign({ sequence: 1, bundle: b, previous: bundleDigest(own) }),
      signer.sign({
        ...{ sequence: 2, bundle: c, previous: bundleDigest(b) },
        notBefore: nowMs - agoMs,
      }),
    ];
    await updates.take(lines.join("\n"));
    const rootsNow = (): string => bundleDigest(rig.store.current?.trustBundlePem ?? "");
    assert.equal(rootsNow(), bundleDigest(roots(own)));
    await rig.clock.advance(DAY_MS + 3_600_001);
    await process.rotator.settled();
    assert.equal(rootsNow(), bundleDigest(c));
  });
}

test("taken early, as nobody vouches for the clock: no root leaves before the update begins", async () => {
  const { rig, process } = await device();
  const own = rig.pki.caPem;
  const nowMs = rig.clock.now();
  const updates = new TrustUpdates({
    ...{ store: rig.store, rotator: process.rotator, log: process.log },
    ...{ keys: () => [signer.key], device: () => "roof-7", overlapMs: () => DAY_MS },
    time: () => ({ ...SECURE, state: "unknown", nowMs: rig.clock.now(), floorMs: 0 }),
    onTaken: async () => undefined,
  });
  const begins = nowMs + 90 * DAY_MS;
  const lines = [
    signer.sign({ sequence: 1, bundle: b, previous: bundleDigest(own) }),
    signer.sign({ sequence: 2, bundle: c, previous: bundleDigest(b), notBefore: begins }),
  ];
  await updates.take(lines.join("\n"));
  assert.equal(bundleDigest(rig.store.current?.trustBundlePem ?? ""), bundleDigest(own + b + c));
  assert.equal(process.rotator.status()?.overlap?.until, begins + DAY_MS);
});

const CLOCKS: readonly { readonly why: string; readonly offMs: number }[] = [
  { why: "decades ahead", offMs: 20_000 * DAY_MS },
  { why: "years behind", offMs: -900 * DAY_MS },
];
for (const { why, offMs } of CLOCKS) {
  test(`taken by a clock that was ${why}: the old root has its overlap by the right one, and no more`, async () => {
    const { rig, process } = await device();
    const own = rig.pki.caPem;
    rig.time = { state: "unknown", nowMs: rig.clock.now() + offMs };
    await process.rotator.replaceTrust(b, { overlapMs: DAY_MS, keepNeeded: true });
    const rootsNow = (): string => bundleDigest(rig.store.current?.trustBundlePem ?? "");
    rig.time = { state: "network" };
    await rig.clock.advance(3_600_001);
    await process.rotator.settled();
    assert.equal(rootsNow(), bundleDigest(own + b));
    const until = process.rotator.status()?.overlap?.until ?? 0;
    assert.equal(until, rig.clock.now() + DAY_MS - 1);
    await process.rotator[Symbol.asyncDispose]();
    // and what was corrected outlives a restart
    const again = await rig.started();
    assert.equal(again.rotator.status()?.overlap?.until, until);
    await again.rotator[Symbol.asyncDispose]();
  });
}
