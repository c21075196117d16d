/**
 * The table of what the program touches on a machine is whole: no path and no variable in the code is
 * missing from it. `docs/configuration.md` is made from it.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { PATHS, type Place, PORTS, VARIABLES } from "#src/agent/machine-table.ts";

const SOURCES = globSync("src/**/*.ts")
  .filter((file) => !file.endsWith("/machine-table.ts"))
  .map((file) => readFileSync(file, "utf8").replace(/^ *(?:\*|\/\/).*$/gm, ""));
const found = (pattern: RegExp): string[] => [
  ...new Set(SOURCES.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""))),
];
const names = (places: readonly Place[]): string[] =>
  places.flatMap(({ name }) => name.split(", "));

suite("the machine table", () => {
  const paths = found(/["`](\/(?:etc|run|var|usr|proc|sys|tmp|dev)(?:\/[\w.-]+)*)/g);
  const variables = found(/\benv(?:ironment)?(?:\.|\[")([A-Z][A-Z_]+)\b/g);

  test("there is something to check", () => {
    assert.ok(paths.includes("/etc/microedge/microedge.toml"), paths.join());
    assert.ok(variables.includes("RUNTIME_DIRECTORY"), variables.join());
    assert.equal(PORTS.length, 1);
  });
  for (const path of paths) {
    test(`${path} is in it`, () =>
      assert.ok(
        names(PATHS).some(
          (name) => path === name || path.startsWith(`${name}/`) || name.startsWith(path),
        ),
        `${path} is not in PATHS`,
      ));
  }
  for (const variable of variables) {
    test(`${variable} is in it`, () => assert.ok(names(VARIABLES).includes(variable)));
  }
});
