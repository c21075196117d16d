import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { configReference } from "#src/agent/config-reference.ts";
import { configSchema } from "#src/agent/config-schema.ts";
import { environmentName, LISTS, SECTIONS } from "#src/agent/config-table.ts";

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly [keyword: string]: unknown;
}

const schema = configSchema() as Node;

suite("JSON Schema for editors", () => {
  for (const [section, rows] of Object.entries(SECTIONS)) {
    const table = schema.properties?.[section];
    test(`[${section}] knows the parser's keys and no others`, () => {
      const aliases = Object.values(rows).flatMap((row) => row.aliases as readonly string[]);
      const lists = Object.keys(LISTS).flatMap((name) =>
        name.startsWith(`${section}.`) ? [name.slice(section.length + 1)] : [],
      );
      assert.deepEqual(
        Object.keys(table?.properties ?? {}).sort(),
        [...Object.keys(rows), ...aliases, ...lists].sort(),
      );
      assert.equal(table?.additionalProperties, false);
    });
  }

  for (const [name, rows] of Object.entries(LISTS)) {
    test(`[[${name}]] knows the parser's keys and which must be there`, () => {
      const list = name
        .split(".")
        .reduce<Node | undefined>((node, key) => node?.properties?.[key], schema);
      assert.deepEqual(Object.keys(list?.items?.properties ?? {}), Object.keys(rows));
      assert.deepEqual(
        list?.items?.required,
        Object.entries(rows).flatMap(([key, row]) => (row.required ? [key] : [])),
      );
    });
  }

  test("carries ranges and defaults", () => {
    const key = schema.properties?.["rpc"]?.properties?.["max_streams"];
    assert.deepEqual(
      [key?.["type"], key?.["minimum"], key?.["maximum"], key?.["default"]],
      ["integer", 1, 10_000, 64],
    );
  });

  test("survives JSON", () => assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema));
});

suite("the reference", () => {
  const text = configReference();
  for (const [section, rows] of Object.entries(SECTIONS)) {
    for (const key of Object.keys(rows)) {
      test(`names ${section}.${key} and its variable`, () => {
        assert.match(text, new RegExp(`\\| \`${key}\``));
        assert.ok(text.includes(`\`${environmentName(section, key)}\``));
      });
    }
  }
});
