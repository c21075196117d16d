import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { asksForJson, parseLine } from "#src/cli/arguments.ts";
import { type Command, command } from "#src/cli/command.ts";

const done = async (): Promise<number> => 0;
const TABLE: readonly Command[] = [
  command({ name: "status", summary: "", options: {}, examples: [], run: done }),
  command({
    name: "pki issue",
    summary: "",
    positionals: [
      { name: "NAME", doc: "a name" },
      { name: "MORE", doc: "another", optional: true },
    ],
    options: {
      san: { type: "string", multiple: true, value: "SANS", doc: "" },
      days: { type: "string", value: "N", doc: "" },
      client: { type: "boolean", doc: "" },
    },
    examples: [],
    run: done,
  }),
  command({ name: "pki init", summary: "", options: {}, examples: [], run: done }),
];

suite("parseLine", () => {
  const good = [
    { line: "status", name: "status", options: {}, positionals: [], why: "a word" },
    {
      line: "pki issue a",
      name: "pki issue",
      options: { san: [], days: undefined, client: false },
      positionals: ["a"],
      why: "two words, absent options have their empty value",
    },
    {
      line: "pki issue --san dns:a --san=ip:1 a --client",
      name: "pki issue",
      options: { san: ["dns:a", "ip:1"], days: undefined, client: true },
      positionals: ["a"],
      why: "an option may be repeated, stand anywhere, and use =",
    },
    {
      line: "pki issue --days -5 a b",
      name: "pki issue",
      options: { san: [], days: "-5", client: false },
      positionals: ["a", "b"],
      why: "a value may begin with a hyphen",
    },
    {
      line: "pki issue -- --client -",
      name: "pki issue",
      options: { san: [], days: undefined, client: false },
      positionals: ["--client", "-"],
      why: "after -- nothing is an option",
    },
  ];
  for (const { line, name, options, positionals, why } of good) {
    test(`${line}: ${why}`, () => {
      const parsed = parseLine(line.split(" "), TABLE);
      assert.equal(parsed.command?.name, name);
      assert.deepEqual(parsed.options, options);
      assert.deepEqual(parsed.positionals, positionals);
    });
  }

  test("global options may stand on either side of the command", () => {
    for (const line of ["--config x --json status", "status --json --config=x"]) {
      const parsed = parseLine(line.split(" "), TABLE);
      assert.deepEqual(
        [parsed.configFile, parsed.json, parsed.command?.name],
        ["x", true, "status"],
      );
    }
  });

  test("help needs no positionals", () => {
    const parsed = parseLine(["pki", "issue", "-h"], TABLE);
    assert.deepEqual([parsed.help, parsed.command?.name], [true, "pki issue"]);
  });

  test("no words is no command", () => assert.equal(parseLine([], TABLE).command, undefined));

  const bad = [
    {
      line: "statsu",
      says: /no command "statsu"; did you mean "status"\?/,
      why: "swapped letters",
    },
    { line: "sta", says: /did you mean "status"\?/, why: "the beginning of one" },
    { line: "zebra", says: /no command "zebra"$/, why: "nothing near" },
    { line: "pki", says: /"pki" needs one of: issue, init/, why: "half a command" },
    { line: "pki revoke", says: /"pki" has no "revoke"; it has: issue, init/, why: "unknown verb" },
    { line: "pki --json", says: /"pki" needs one of/, why: "an option is no verb" },
    {
      line: "status --jsno",
      says: /--jsno is not an option of "status"; did you mean "--json"/,
      why: "mistyped option",
    },
    { line: "status -x", says: /-x is not an option/, why: "unknown short option" },
    {
      line: "--nonsense status",
      says: /--nonsense is not an option/,
      why: "before the command too",
    },
    {
      line: "pki issue a --days",
      says: /--days needs a value: --days N/,
      why: "value missing at the end",
    },
    {
      line: "pki issue a --days --client",
      says: /--days needs a value/,
      why: "an option is no value",
    },
    { line: "pki issue a --days=", says: /--days needs a value/, why: "empty value" },
    { line: "pki issue a --days 1 --days 2", says: /--days was given twice/, why: "which one?" },
    { line: "pki issue a --client=yes", says: /--client takes no value/, why: "flag with value" },
    { line: "pki issue", says: /"pki issue" needs NAME: a name/, why: "positional missing" },
    { line: "status now", says: /"status" has no use for "now"/, why: "positional too many" },
    {
      line: "status --constructor",
      says: /not an option/,
      why: "names of Object.prototype are nothing",
    },
  ];
  for (const { line, says, why } of bad) {
    test(`${line}: ${why}`, () =>
      assert.throws(() => parseLine(line.split(" "), TABLE), { code: "ERR_USAGE", message: says }));
  }
});

test("JSON is also asked for by a line that can't be parsed, but not after --", () => {
  assert.ok(asksForJson(["nonsense", "--json"]));
  assert.ok(!asksForJson(["call", "--", "--json"]));
});
