/** The commands that the pages show, held against the command line: each is one that it takes. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseLine } from "#src/cli/arguments.ts";
import { COMMANDS } from "#src/cli/command-table.ts";

const root = join(import.meta.dirname, "../../..");
const PAGES = ["README.md", ...globSync("docs/*.md", { cwd: root })];

/**
 * Of the blocks without a language: what follows `microedge`, up to what the shell makes of the rest.
 * `microedge COMMAND: ...` is how errors begin.
 */
function commandsIn(page: string): readonly string[] {
  const text = readFileSync(join(root, page), "utf8").replaceAll("\\\n", " ");
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, language, block = ""]) =>
    language !== ""
      ? []
      : [
          ...block.matchAll(/^(?:.*\| |.*&& )?\$? ?(?:sudo )?microedge ((?![a-z ]+: )[a-z].*)$/gm),
        ].map(([, words = ""]) => words.replace(/\s+(?:#|\||>|&).*$/, "")),
  );
}

function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? "",
  );
}

suite("commands that pages show", () => {
  let count = 0;
  for (const page of PAGES.filter((each) => each !== "docs/cli.md")) {
    const commands = commandsIn(page);
    count += commands.length;
    if (commands.length === 0) continue;
    test(page, () => {
      for (const command of commands) {
        assert.doesNotThrow(() => {
          const { command: found } = parseLine(wordsOf(command), COMMANDS);
          assert.ok(found !== undefined, "a command");
        }, `microedge ${command}`);
      }
    });
  }

  test("are many", () => assert.ok(count >= 30, `${count}`));
});
