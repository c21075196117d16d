import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isLoopback } from "#src/base/loopback.ts";

suite("isLoopback", () => {
  for (const [address, local] of [
    ["127.0.0.1", true],
    ["127.255.0.9", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
    ["128.0.0.1", false],
    ["10.127.0.1", false],
    ["::", false],
    ["::ffff:10.0.0.1", false],
    ["127.0.0.1.example", false],
    ["", false],
  ] as const) {
    test(`${address || "nothing"} is ${local ? "" : "not "}this machine`, () => {
      assert.equal(isLoopback(address), local);
    });
  }
});
