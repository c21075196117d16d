import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { paint } from "#src/cli/format/style.ts";
import { table } from "#src/cli/format/table.ts";
import { wantsColour } from "#src/cli/terminal.ts";
import { FakeOutput } from "../../../fakes/terminal.ts";

suite("table", () => {
  test("columns are as wide as their widest cell, the last one is ragged", () => {
    assert.equal(
      table(
        ["name", "x"],
        [
          ["a", "1"],
          ["größer", "22"],
        ],
      ),
      "NAME    X\na       1\ngrößer  22",
    );
  });

  test("colours take no width", () => {
    const out = new FakeOutput(true);
    assert.equal(
      table(["a", "b"], [[paint(out, "red", "xx"), "1"]]),
      "A   B\n\u001b[31mxx\u001b[0m  1",
    );
  });
});

suite("colour", () => {
  const rows = [
    { terminal: true, env: {}, colour: true, why: "a terminal" },
    { terminal: false, env: {}, colour: false, why: "a pipe" },
    { terminal: true, env: { NO_COLOR: "1" }, colour: false, why: "no-color.org" },
    { terminal: true, env: { NO_COLOR: "" }, colour: true, why: "empty counts as unset there" },
    { terminal: true, env: { TERM: "dumb" }, colour: false, why: "the terminal can't" },
  ];
  for (const { terminal, env, colour, why } of rows) {
    test(`${colour}: ${why}`, () => assert.equal(wantsColour(terminal, env), colour));
  }
  test("no escape sequence where none is wanted", () =>
    assert.equal(paint(new FakeOutput(false), "red", "x"), "x"));
});
