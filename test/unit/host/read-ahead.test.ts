import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { readAheadOf } from "#src/host/read-ahead.ts";

suite("read-ahead of a device", () => {
  test("is a number, with the file that sets it; or there is no such device, and it says so", async () => {
    try {
      const { device, kib, setting } = await readAheadOf(process.execPath);
      assert.match(device, /^\d+:\d+$/);
      assert.ok(kib >= 0);
      assert.match(setting, /^\/sys\/.*read_ahead_kb$/);
    } catch (error) {
      assert.match(String(error), /no read-ahead is known for device \d+:\d+/);
    }
  });

  test("a file that is not on a disk has none", async () => {
    await assert.rejects(
      readAheadOf("/proc/self/status"),
      /no read-ahead is known for device 0:\d+/,
    );
  });
});
