import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { nearestName } from "#src/wire/codec/nearest-name.ts";

suite("nearestName among firstName, first_name, seq, data", () => {
  const known = ["firstName", "first_name", "seq", "data"];
  const rows = [
    { name: "firstname", nearest: "firstName", why: "case is left aside" },
    { name: "frist_name", nearest: "first_name", why: "two letters changed places" },
    { name: "sq", nearest: "seq", why: "one letter missing" },
    { name: "dato", nearest: "data", why: "one letter wrong" },
    { name: "volume", nearest: undefined, why: "nothing like it" },
    { name: "", nearest: undefined, why: "nothing to go by" },
    { name: "d".repeat(10_000), nearest: undefined, why: "too long to compare" },
  ];
  for (const { name, nearest, why } of rows) {
    test(`${name.slice(0, 20)}: ${why}`, () => assert.equal(nearestName(name, known), nearest));
  }
});
