import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { GLOBAL_OPTIONS } from "#src/cli/command.ts";
import { COMMANDS } from "#src/cli/command-table.ts";
import { bashCompletion } from "#src/cli/completion.ts";
import { runCommandLine } from "#src/cli/dispatch.ts";
import { EXIT, EXIT_CODES } from "#src/cli/exit-codes.ts";
import { formatCliPage, formatCommandHelp } from "#src/cli/help.ts";
import { FakeTerminal } from "../../fakes/terminal.ts";

suite("command table", () => {
  test("names are unique, and no command is the first word of another", () => {
    const names = COMMANDS.map(({ name }) => name);
    assert.ok(names.length >= 15, `${names.length} commands`);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) {
      assert.ok(!names.some((other) => other.startsWith(`${name} `)), `${name} hides another`);
    }
  });

  for (const command of COMMANDS) {
    test(`${command.name}: words and options are in order`, () => {
      assert.match(command.name, /^[a-z]+( [a-z]+)?$/);
      assert.match(command.summary, /^[a-z].*[^.]$/);
      assert.ok(command.examples.length > 0, "has an example");
      for (const [name, { doc }] of Object.entries(command.options)) {
        assert.match(name, /^[a-z][a-z0-9-]*$/);
        assert.notEqual(doc, "");
        assert.ok(!(name in GLOBAL_OPTIONS), `--${name} is global`);
      }
      const optional = command.positionals.map((positional) => positional.optional === true);
      assert.deepEqual(optional, optional.toSorted(), "required positionals come first");
    });

    test(`${command.name}: help by all three ways is the same`, async () => {
      const pages: string[] = [];
      for (const line of [`help ${command.name}`, `${command.name} --help`, `${command.name} -h`]) {
        const terminal = new FakeTerminal();
        assert.equal(await runCommandLine(line.split(" "), COMMANDS, terminal), EXIT.ok);
        pages.push(terminal.stdout.text);
      }
      assert.deepEqual(new Set(pages), new Set([`${formatCommandHelp(command)}\n`]));
    });
  }

  test("the page and the completion name every command", () => {
    const page = formatCliPage(COMMANDS);
    const script = bashCompletion(COMMANDS);
    for (const { name } of COMMANDS) {
      assert.ok(page.includes(`\n### microedge ${name}\n`), name);
      assert.ok(script.includes(`"${name}") words=`), name);
    }
    for (const { code, meaning } of EXIT_CODES) assert.ok(page.includes(`| ${code} |`), meaning);
  });
});

test("docs/json-output.md speaks of every command", () => {
  const page = readFileSync("docs/json-output.md", "utf8");
  for (const { name } of COMMANDS) assert.ok(page.includes(`\`${name}`), name);
});

test("the table of exit codes holds every code once", () => {
  const listed = EXIT_CODES.map(({ code }) => code);
  assert.deepEqual(
    listed,
    Object.values(EXIT).toSorted((a, b) => a - b),
  );
});
