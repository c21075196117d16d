import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentError, isAgentError } from "#src/base/errors.ts";
import type { Files } from "#src/host/files.ts";
import { systemRandom } from "#src/host/random.ts";
import { type DeviceMarks, readDeviceMarks } from "#src/identity/keys/device-marks.ts";
import { deviceSealingKey } from "#src/identity/keys/device-sealing-key.ts";
import type { SealingKeySource } from "#src/identity/keys/sealing-key.ts";
import { PowerDisk } from "../../../fakes/power-disk.ts";

const PATH = "/state/device.key";
const here: DeviceMarks = { machineId: `${"0".repeat(31)}1`, boardSerial: "10000000a1b2c3d4" };

function source(disk: PowerDisk, marks: DeviceMarks = here, uid = 1000): SealingKeySource {
  return deviceSealingKey({
    path: PATH,
    disk,
    random: systemRandom,
    uid,
    marks: async () => marks,
  });
}

suite("the device's key file", () => {
  test("is made once, and gives the same key ever after", async () => {
    const disk = new PowerDisk();
    const first = await source(disk).read(true);
    assert.equal(first.length, 32);
    assert.deepEqual(await source(disk).read(true), first);
    assert.deepEqual(await source(disk).read(false), first);
    assert.equal((await disk.look(PATH))?.mode, 0o600);
    assert.deepEqual(await disk.list("/state"), ["device.key"]);
    assert.equal(Buffer.from(disk.bytesOf(PATH)).includes(Buffer.from(first)), false);
  });

  test("two at once make one key", async () => {
    const one = source(new PowerDisk());
    const [a, b] = await Promise.all([one.read(true), one.read(true)]);
    assert.deepEqual(a, b);
  });

  test("is not made where keys are sealed already", async () => {
    const disk = new PowerDisk();
    const refused = source(disk).read(false);
    await assert.rejects(refused, (error) => isAgentError(error, "ERR_KEY_SEALING_LOST"));
    assert.deepEqual(disk.steps, []);
  });

  test("power lost at every step: afterwards a whole key, or none and one is made", async () => {
    let points = 0;
    for (let step = 1; ; step++) {
      const disk = new PowerDisk();
      disk.fault = { step, what: "power" };
      const key = await source(disk)
        .read(true)
        .catch(() => undefined);
      if (key !== undefined && disk.steps.length < step) break;
      points++;
      for (const [name, world] of disk.worlds()) {
        const next = await source(world).read(true);
        assert.deepEqual(await source(world).read(false), next, `${step}: ${name}`);
        // What was given out before the power went must be what is there after.
        if (key !== undefined) assert.deepEqual(next, key, `${step}: ${name}`);
        assert.deepEqual(await world.list("/state"), ["device.key"], `${step}: ${name}`);
      }
    }
    assert.equal(points, 5, "create, write, sync, rename, sync of the directory");
  });

  test("once given out it survives any loss of power", async () => {
    const disk = new PowerDisk();
    const key = await source(disk).read(true);
    disk.cutPower();
    for (const [name, world] of disk.worlds()) {
      assert.deepEqual(await source(world).read(false), key, name);
    }
  });

  for (const errno of ["ENOSPC", "EIO", "EROFS"]) {
    test(`${errno} at every step is an error, never half a key`, async () => {
      for (let step = 1; step <= 5; step++) {
        const disk = new PowerDisk();
        disk.fault = { step, what: errno };
        await assert.rejects(source(disk).read(true), (error) => {
          assert.ok(isAgentError(error, "ERR_KEY_SEALING_UNAVAILABLE"));
          assert.match(error.message, new RegExp(errno));
          return true;
        });
        disk.fault = undefined;
        await source(disk).read(true);
      }
    });
  }

  test("destroyed, it is gone, and again is harmless", async () => {
    const disk = new PowerDisk();
    const old = await source(disk).read(true);
    assert.deepEqual(await source(disk).destroy(), { complete: true, remains: undefined });
    await source(disk).destroy();
    assert.deepEqual(await disk.list("/state"), []);
    assert.notDeepEqual(await source(disk).read(true), old);
  });

  const elsewhere: readonly [why: string, marks: DeviceMarks, words: RegExp][] = [
    [
      "another machine id",
      { ...here, machineId: "f".repeat(32) },
      /another device.*machine id.*another/,
    ],
    [
      "another board",
      { ...here, boardSerial: "10000000ffffffff" },
      /another device.*serial number is another/,
    ],
    ["a machine id that is gone", { ...here, machineId: undefined }, /machine id.*can't be read/],
    [
      "a serial number that is gone",
      { ...here, boardSerial: undefined },
      /serial number can't be read/,
    ],
  ];
  for (const [why, marks, words] of elsewhere) {
    test(`the disk in a device with ${why}`, async () => {
      const disk = new PowerDisk();
      await source(disk).read(true);
      await assert.rejects(source(disk, marks).read(true), (error) => {
        assert.ok(isAgentError(error, "ERR_KEY_SEALING_WRONG"));
        assert.match(error.message, words);
        return true;
      });
    });
  }

  test("a mark that was not there when it was made is not asked for later", async () => {
    const disk = new PowerDisk();
    const key = await source(disk, { machineId: undefined, boardSerial: undefined }).read(true);
    assert.deepEqual(await source(disk, here).read(false), key);
  });

  test("every flipped bit and every length is refused", async () => {
    const disk = new PowerDisk();
    await source(disk).read(true);
    const whole = disk.bytesOf(PATH);
    const code = async (bytes: Uint8Array): Promise<string> => {
      disk.plant(PATH, bytes);
      return source(disk)
        .read(true)
        .then(
          () => "opened",
          (error: AgentError) => error.code,
        );
    };
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Uint8Array.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(await code(flipped), "ERR_KEY_SEALING_INVALID", `bit ${bit}`);
    }
    for (let length = 0; length < whole.length; length++) {
      assert.equal(await code(whole.subarray(0, length)), "ERR_KEY_SEALING_INVALID");
    }
    assert.equal(await code(Buffer.alloc(5000)), "ERR_KEY_SEALING_INVALID");
    assert.equal(await code(whole), "opened");
  });

  const exposed: readonly [why: string, mode: number, uid: number, code: string][] = [
    ["readable by the group", 0o640, 1000, "ERR_KEY_SEALING_EXPOSED"],
    ["readable by all", 0o604, 1000, "ERR_KEY_SEALING_EXPOSED"],
    ["another user's", 0o600, 1001, "ERR_KEY_SEALING_EXPOSED"],
    ["root's", 0o600, 0, "opened"],
    ["read-only", 0o400, 1000, "opened"],
  ];
  for (const [why, mode, uid, code] of exposed) {
    test(`${why}: ${code}`, async () => {
      const disk = new PowerDisk();
      await source(disk).read(true);
      disk.plant(PATH, disk.bytesOf(PATH), { mode, uid });
      const found = await source(disk)
        .read(false)
        .then(
          () => "opened",
          (error: AgentError) => error.code,
        );
      assert.equal(found, code);
    });
  }
});

suite("the device's key file, when root runs a command for an agent of another user", () => {
  const AGENT = 1000;
  function rig(owner: number): { disk: PowerDisk; asRoot: SealingKeySource } {
    const disk = new PowerDisk(["/state", "/state/store"]);
    const options = { path: PATH, disk, random: systemRandom, marks: async () => here };
    disk.user = 0;
    void disk.setOwner("/state/store", owner);
    return { disk, asRoot: deviceSealingKey({ ...options, uid: 0, ownedLike: "/state/store" }) };
  }

  test("what root makes belongs to the owner of the store, who can read it", async () => {
    const { disk, asRoot } = rig(AGENT);
    const key = await asRoot.read(true);
    assert.equal((await disk.look(PATH))?.uid, AGENT);
    assert.deepEqual(await source(disk, here, AGENT).read(false), key);
    assert.deepEqual(await asRoot.read(false), key);
  });

  test("a file of a third user is refused, with the owner that it must have", async () => {
    const { disk, asRoot } = rig(AGENT);
    await asRoot.read(true);
    await disk.setOwner(PATH, 1001);
    await assert.rejects(asRoot.read(false), /belongs to user 1001.*chown 1000 /u);
  });

  test("in a store of root's own it stays root's", async () => {
    const { disk, asRoot } = rig(0);
    await asRoot.read(true);
    assert.equal((await disk.look(PATH))?.uid, 0);
    assert.ok(!disk.steps.some((step) => step.startsWith("chown /state/device")));
  });
});

suite("what identifies the device", () => {
  const id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
  const rows: readonly [why: string, files: Record<string, string>, marks: DeviceMarks][] = [
    ["nothing to read", {}, { machineId: undefined, boardSerial: undefined }],
    ["a machine id", { "/etc/machine-id": `${id}\n` }, { machineId: id, boardSerial: undefined }],
    [
      "a machine id of this boot only",
      { "/etc/machine-id": `${id}\n`, "/run/machine-id": `${id}\n` },
      { machineId: undefined, boardSerial: undefined },
    ],
    [
      "an image that was never started",
      { "/etc/machine-id": "uninitialized\n" },
      { machineId: undefined, boardSerial: undefined },
    ],
    [
      "a serial in the device tree",
      { "/proc/device-tree/serial-number": "10000000a1b2c3d4\0" },
      { machineId: undefined, boardSerial: "10000000a1b2c3d4" },
    ],
    [
      "a serial in cpuinfo",
      { "/proc/cpuinfo": "Hardware\t: BCM2835\nSerial\t\t: 00000000a1b2c3d4\nModel\t\t: Pi\n" },
      { machineId: undefined, boardSerial: "00000000a1b2c3d4" },
    ],
    [
      "a board without a serial",
      { "/proc/cpuinfo": "Serial\t\t: 0000000000000000\n" },
      { machineId: undefined, boardSerial: undefined },
    ],
  ];
  for (const [why, contents, marks] of rows) {
    test(why, async () => {
      const files: Files = {
        state: () => Promise.reject(new Error("not asked for")),
        read: async (path) => {
          const text = contents[path];
          if (text === undefined) throw Object.assign(new Error("no"), { code: "ENOENT" });
          return Buffer.from(text);
        },
      };
      assert.deepEqual(await readDeviceMarks(files), marks);
    });
  }
});
