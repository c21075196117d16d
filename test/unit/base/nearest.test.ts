import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { editDistance } from "#src/base/edit-distance.ts";
import { nearest } from "#src/base/nearest.ts";

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

suite("nearest among members that have two spellings", () => {
  const known = ["firstName", "first_name", "seq", "data"];
  const rows = [
    { name: "firstname", found: "firstName", why: "case is left aside, and told between equals" },
    { name: "frist_name", found: "first_name", why: "two letters changed places" },
    { name: "sq", found: "seq", why: "one letter missing: one edit is always near enough" },
    { name: "dato", found: "data", why: "one letter wrong" },
    { name: "dota", found: "data", why: "one letter wrong" },
    { name: "doto", found: undefined, why: "two edits are more than a third of four letters" },
    { name: "volume", found: undefined, why: "nothing like it" },
    { name: "-_", found: undefined, why: "nothing to go by" },
    { name: "d".repeat(81), found: undefined, why: "too long to compare" },
  ];
  for (const { name, found, why } of rows) {
    test(`${name.slice(0, 20)}: ${why}`, () => assert.equal(nearest(name, known), found));
  }
});
