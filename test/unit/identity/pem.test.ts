import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isCutOff, splitPem } from "#src/identity/pem.ts";

const A = "-----BEGIN A-----\nx\n-----END A-----";
const B = "-----BEGIN B C-----\ny\n-----END B C-----";

suite("PEM, cut into blocks", () => {
  const rows: readonly {
    readonly why: string;
    readonly text: string;
    readonly labels: readonly string[];
    readonly cutOff: boolean;
  }[] = [
    { why: "nothing", text: "", labels: [], cutOff: false },
    { why: "one", text: A, labels: ["A"], cutOff: false },
    {
      why: "several, with words around",
      text: `1${A}2${B}3${A}4`,
      labels: ["A", "B C", "A"],
      cutOff: false,
    },
    { why: "not ended", text: `${A}\n-----BEGIN A-----\nx`, labels: ["A"], cutOff: true },
    {
      why: "ended by another label",
      text: "-----BEGIN A-----\n-----END B-----",
      labels: [],
      cutOff: true,
    },
    {
      why: "not ended, with a whole one behind it",
      text: `-----BEGIN D-----\n${B}`,
      labels: ["B C"],
      cutOff: true,
    },
    {
      why: "one within another is part of it",
      text: `-----BEGIN D-----\n${A}\n-----END D-----`,
      labels: ["D"],
      cutOff: true,
    },
    {
      why: "dashes that two frames share",
      text: "-----BEGIN A-----BEGIN B C-----y-----END B C-----",
      labels: ["B C"],
      cutOff: true,
    },
    {
      why: "an end before its beginning",
      text: `-----END A-----\n${A}`,
      labels: ["A"],
      cutOff: false,
    },
    {
      why: "small letters are no label",
      text: "-----BEGIN a-----\n-----END a-----",
      labels: [],
      cutOff: true,
    },
    {
      why: "more than anybody needs",
      text: A.repeat(4100),
      labels: Array(4096).fill("A"),
      cutOff: true,
    },
  ];
  for (const { why, text, labels, cutOff } of rows) {
    test(why, () => {
      const blocks = splitPem(text);
      assert.deepEqual(
        blocks.map(({ label }) => label),
        labels,
      );
      assert.equal(isCutOff(text), cutOff);
      for (const block of blocks) {
        assert.ok(text.includes(block.text.trimEnd()));
        assert.ok(block.text.startsWith(`-----BEGIN ${block.label}-----`));
        assert.ok(block.text.endsWith(`-----END ${block.label}-----\n`));
      }
    });
  }

  const HOSTILE: readonly { readonly why: string; readonly line: (index: number) => string }[] = [
    { why: "nothing but beginnings", line: () => "-----BEGIN A-----\n" },
    { why: "each of another label", line: (index) => `-----BEGIN A${index}-----\n` },
    { why: "each with the end of another", line: () => "-----BEGIN A-----\n-----END B-----\n" },
    { why: "blocks without end", line: () => `${A}\n` },
  ];
  for (const { why, line } of HOSTILE) {
    test(`four megabytes of ${why} cost no more than their length`, () => {
      const text = Array.from({ length: 200_000 }, (_, index) => line(index)).join("");
      const before = process.cpuUsage();
      splitPem(text);
      assert.equal(isCutOff(text), true);
      const { user } = process.cpuUsage(before);
      assert.ok(user < 5_000_000, `${user} µs; one expression for all took minutes`);
    });
  }
});
