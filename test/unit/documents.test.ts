/**
 * The pages that people wrote, held against the repository: what they name exists. What they show is
 * tried where it can be (`test/unit/services/documented-handlers.test.ts`).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(root, file)));
const pages = files.filter((file) => file.endsWith(".md") && !file.startsWith("test/"));
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const scripts = Object.keys(JSON.parse(read("package.json")).scripts);

/** As hosting sites make them of headings. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** Everything that `pattern` finds, with the page that holds it. */
function found(pattern: RegExp): { page: string; what: string }[] {
  return pages.flatMap((page) =>
    [...read(page).matchAll(pattern)].map(([, what = ""]) => ({ page, what })),
  );
}

suite("pages", () => {
  test("link to files and headings that exist", () => {
    const links = found(/\]\((?!https?:)([^)\s]+)\)/g);
    assert.ok(links.length > 30, `${links.length} links found`);
    for (const { page, what } of links) {
      const [file = "", anchor] = what.split("#");
      const target = file === "" ? page : join(dirname(page), file);
      assert.ok(existsSync(join(root, target)), `${page}: ${what}`);
      if (anchor === undefined) continue;
      assert.ok(anchorsOf(read(target)).includes(anchor), `${page}: no heading for ${what}`);
    }
  });

  test("name paths that exist", () => {
    const paths = found(
      /[`\s](\.?\/?(?:src|test|scripts|docs|systemd|proto|firmware-bundle)\/[\w./-]+)/g,
    );
    assert.ok(paths.length > 30, `${paths.length} paths found`);
    const lost = paths.filter(({ what }) => !existsSync(join(root, what.replace(/\.$/, ""))));
    assert.deepEqual(lost, []);
  });

  test("name npm scripts that exist", () => {
    const named = found(/npm run ([\w:]+)/g);
    assert.ok(named.length > 5, `${named.length} scripts found`);
    for (const { page, what } of named)
      assert.ok(scripts.includes(what), `${page}: npm run ${what}`);
  });

  test("are all in the table of README.md, or linked from a page that is", () => {
    const linked = new Set<string>();
    const follow = (page: string): void => {
      if (linked.has(page) || !pages.includes(page)) return;
      linked.add(page);
      for (const [, link = ""] of read(page).matchAll(/\]\((?!https?:)([^)\s#]+\.md)/g)) {
        follow(join(dirname(page), link));
      }
    };
    follow("README.md");
    const lost = pages.filter((page) => !linked.has(page) && !page.startsWith("docs/decisions/"));
    assert.deepEqual(lost, []);
  });
});

suite("comments", () => {
  test("point to headings of docs/wire.md that exist", () => {
    const headings = [...read("docs/wire.md").matchAll(/^#+ (.*)$/gm)].map(([, text]) => text);
    const references = files
      .filter((file) => file.endsWith(".ts") && file !== "test/unit/documents.test.ts")
      .flatMap((file) =>
        [...read(file).matchAll(/docs\/wire\.md`?((?:,\s+(?:\* )?|"[^"]*"| to )*)/g)].map(
          ([, names = ""]) => ({
            file,
            names: [...names.matchAll(/"([^"]*)"/g)].map(([, name]) => name),
          }),
        ),
      );
    assert.ok(references.length > 15, `${references.length} references found`);
    for (const { file, names } of references) {
      assert.ok(names.length > 0, `${file} names no heading`);
      for (const name of names) assert.ok(headings.includes(name), `${file}: "${name}"`);
    }
  });
});
