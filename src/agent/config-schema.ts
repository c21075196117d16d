/**
 * The table as a JSON Schema (draft 2020-12), so that editors complete keys and mark mistakes. It
 * knows each key by itself; what keys mean together only the agent checks (`config check`).
 */
import { LISTS, type Row, SECTIONS } from "./config-table.ts";

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly [keyword: string]: unknown;
}
type Rows = Readonly<Record<string, Row<unknown>>>;

export function configSchema(): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [section, rows] of Object.entries<Rows>(SECTIONS)) {
    properties[section] = tableOf(rows);
  }
  for (const [name, rows] of Object.entries<Rows>(LISTS)) {
    const list = { type: "array", items: tableOf(rows) };
    const [parent, child] = name.split(".");
    if (parent === undefined) continue;
    if (child === undefined) properties[parent] = list;
    else properties[parent] = withProperty(properties[parent], child, list);
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "microedge configuration",
    type: "object",
    additionalProperties: false,
    properties,
  };
}

function withProperty(table: JsonSchema | undefined, key: string, schema: JsonSchema): JsonSchema {
  return {
    type: "object",
    additionalProperties: false,
    ...table,
    properties: { ...table?.properties, [key]: schema },
  };
}

function tableOf(rows: Rows): JsonSchema {
  const required = Object.entries(rows).flatMap(([key, row]) => (row.required ? [key] : []));
  const properties = Object.entries(rows).flatMap(([key, row]) => {
    const { kind, fallback: value } = row;
    const fallback =
      value === undefined ? undefined : (kind.schemaValue?.(value) ?? kind.show(value));
    const schema = {
      ...row.kind.schema,
      description: row.doc,
      ...(fallback === undefined || row.required ? {} : { default: fallback }),
    };
    return [key, ...row.aliases].map((name) => [name, schema] as const);
  });
  return {
    type: "object",
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(properties),
  };
}
