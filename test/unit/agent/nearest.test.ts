import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { nearest } from "#src/agent/nearest.ts";
import { editDistance } from "#src/base/edit-distance.ts";

suite("edit distance", () => {
  const rows = [
    { a: "", b: "", edits: 0, why: "nothing" },
    { a: "listen", b: "listen", edits: 0, why: "same" },
    { a: "lisen", b: "listen", edits: 1, why: "missing letter" },
    { a: "lisstten", b: "listen", edits: 2, why: "two too many" },
    { a: "lisetn", b: "listen", edits: 1, why: "neighbours swapped count once" },
    { a: "abc", b: "", edits: 3, why: "against nothing" },
    { a: "", b: "abc", edits: 3, why: "from nothing" },
    { a: "kitten", b: "sitting", edits: 3, why: "the textbook" },
  ];
  for (const { a, b, edits, why } of rows) {
    test(`${a} to ${b}: ${why}`, () => assert.equal(editDistance(a, b), edits));
  }
});

suite("nearest", () => {
  const names = ["listen", "max_body_bytes", "max_header_bytes", "level"];
  const rows = [
    { typed: "lisen", found: "listen" },
    { typed: "LISTEN", found: "listen" },
    { typed: "maxBodyBytes", found: "max_body_bytes" },
    { typed: "max-header-byte", found: "max_header_bytes" },
    { typed: "colour", found: undefined },
    { typed: "", found: undefined },
    { typed: "x".repeat(100_000), found: undefined },
  ];
  for (const { typed, found } of rows) {
    test(`${typed.slice(0, 20)}: ${found}`, () => assert.equal(nearest(typed, names), found));
  }
});
