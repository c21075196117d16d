/**
 * The power goes at any step between a push and its confirmation by a peer, of an identity and of a trust
 * update; and the disk fails there, or is full.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { testPki } from "../fakes/certificates.ts";
import { PowerDisk } from "../fakes/power-disk.ts";
import { powerMatrix, type Subject } from "../fakes/power-matrix.ts";
import { type PushedDevice, PushRig } from "../fakes/push-rig.ts";

const DAY_MS = 86_400_000;
const FULL = process.env["TEST_FULL"] === "1";
const own = await PushRig.make();
const [first, second] = [await own.bring(), await own.bring()];
const nextRoot = (await testPki("Next CA", own.clock.now())).caPem;
const [update = ""] = own.signer.chain([own.pki.caPem, own.pki.caPem + nextRoot]);

type Accept = (device: PushedDevice) => Promise<unknown>;

/**
 * Where the disk fails in the middle of putting it in force, that one is bad and another is made; where it
 * fails under the mark of the peer, the next start asks the peer once more.
 */
const BRINGING: readonly {
  readonly what: string;
  readonly accept: Accept;
  readonly done: RegExp;
}[] = [
  {
    what: "an identity with its key and a trust bundle",
    accept: ({ installs }) =>
      installs.accept({ ...second, trustBundlePem: own.pki.caPem + nextRoot, origin: "push" }, 7),
    done: /(?:trialled|staged), 2 roots, [01] bad; keys ; notes ; queue install-7 done$/,
  },
  {
    what: "a trust update",
    accept: ({ trust }) => trust.accept(update),
    done: /(?:trialled|staged), 2 roots, [01] bad; keys ; notes ; queue trust-1 done$/,
  },
];

/** Acknowledged when it was accepted: what comes after may be cut off, and must go on by itself. */
function subjectOf(rig: PushRig, accept: Accept): Subject {
  const view = async (disk: PowerDisk): Promise<string> => {
    await using device = await rig.start(disk);
    await device.workOff();
    return device.view();
  };
  return {
    prepare: async (disk) => void (await rig.disk(first, disk)),
    operate: async (disk) => {
      const device = await rig.start(disk);
      await accept(device);
      // The process is gone with the power; nobody disposes of it.
      await device.workOff().catch(() => undefined);
    },
    view,
  };
}

suite("the power goes at any step from a push to its confirmation", () => {
  for (const { what, accept, done } of BRINGING) {
    test(`${what}: it goes on, once, and leaves nothing behind`, {
      timeout: 300_000,
    }, async (t) => {
      const subject = subjectOf(own, accept);
      const disk = new PowerDisk();
      await subject.prepare(disk);
      await subject.operate(disk);
      const end = await subject.view(disk);
      assert.match(end, done);
      assert.match(end, /trialled, .* 0 bad/);
      const result = await powerMatrix(subject, FULL);
      t.diagnostic(`${result.points} points, ${result.worlds} disks`);
      assert.deepEqual(result.violations, []);
      assert.ok(result.points > 30, `${result.points} points`);
    });
  }

  test("and the clock is lost with it: it waits, and is in force once when the clock is set", {
    timeout: 300_000,
  }, async (t) => {
    const rig = await PushRig.make();
    const brought = await rig.bring();
    const subject = subjectOf(rig, ({ installs }) =>
      installs.accept({ ...brought, origin: "push" }, 7),
    );
    const lost = {
      state: "floor",
      clockWrong: true,
      nowMs: rig.clock.now() - 400 * DAY_MS,
    } as const;
    const view = async (disk: PowerDisk): Promise<string> => {
      rig.time = lost;
      await using device = await rig.start(disk);
      await device.workOff();
      rig.time = {};
      device.rotator.clockChanged();
      await device.workOff();
      return device.view();
    };
    const waiting = { ...subject, view };
    const disk = new PowerDisk();
    await waiting.prepare(disk);
    await waiting.operate(disk);
    assert.match(await view(disk), /trialled, .* 0 bad; keys ; notes ; queue install-7 done$/);
    const result = await powerMatrix(waiting, FULL);
    t.diagnostic(`${result.points} points, ${result.worlds} disks`);
    assert.deepEqual(result.violations, []);
    assert.ok(result.points > 30, `${result.points} points`);
  });

  test("a device that acknowledges what is not on the disk yet is caught", async () => {
    const careless = new PushRig(own.pki);
    const [{ accept }] = BRINGING as [(typeof BRINGING)[number]];
    careless.naiveStore = (store) =>
      new Proxy(store, {
        get(target, name) {
          if (name === "writeNote") {
            return async (...args: Parameters<typeof target.writeNote>) => {
              void target.writeNote(...args).catch(() => undefined);
            };
          }
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    const { violations } = await powerMatrix(subjectOf(careless, accept));
    assert.ok(violations.length > 0);
  });
});

suite("the disk refuses a step between a push and its end", () => {
  for (const { what, accept, done } of BRINGING) {
    for (const errno of ["ENOSPC", "EIO"]) {
      test(`${what}, ${errno}: refused with nothing left, or in force in the end`, {
        timeout: 300_000,
      }, async () => {
        const dry = await own.disk(first);
        const device = await own.start(dry);
        const begin = dry.steps.length;
        await accept(device);
        await device.workOff();
        const steps = dry.steps.length;
        assert.ok(steps - begin > 30, `${steps - begin} steps`);
        for (let step = begin + 1; step <= steps; step++) {
          const disk = await own.disk(first);
          const failing = await own.start(disk);
          const before = await failing.view();
          disk.fault = { step, what: errno };
          const where = `${errno} at ${dry.steps[step - 1]}`;
          const accepted = await accept(failing).then(
            () => true,
            () => false,
          );
          // The queue and the store try the disk again by themselves within minutes.
          await own.clock.advance(10 * 60_000);
          await failing.workOff(8);
          await own.clock.advance(10 * 60_000);
          await failing.workOff(8);
          const found = await failing.view();
          if (accepted) assert.match(found, done, where);
          else assert.equal(found, before, where);
          await failing[Symbol.asyncDispose]();
          await using again = await own.start(disk);
          await again.workOff();
          assert.equal(
            await again.view(),
            found.replace("staged", "trialled"),
            `${where}, restarted`,
          );
        }
      });
    }
  }

  test("a full disk: what can't be kept is refused, what was kept goes in force by the reserve", async () => {
    const disk = await own.disk(first);
    await using device = await own.start(disk);
    disk.limits = { bytes: 0 };
    await assert.rejects(device.installs.accept({ ...second, origin: "push" }, 7), {
      code: "ERR_STORE_FULL",
    });
    await device.installs.sweep();
    assert.deepEqual([...device.store.pendingKeys().keys()], []);
    disk.limits = {};
    await own.clock.advance(10 * 60_000);
    await device.installs.accept({ ...second, origin: "push" }, 7);
    disk.limits = { bytes: 0 };
    await device.workOff(2);
    const state = device.queue.find("install-7")?.state;
    // in force, though its end can't be written down
    assert.equal(device.source.leaf?.names.dnsNames.length, 1);
    assert.ok(state === "waiting" || state === "done", state);
    disk.limits = {};
    await own.clock.advance(30 * 60_000);
    await device.workOff();
    assert.match(await device.view(), /keys ; notes ; queue install-7 done$/);
  });
});
