import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as v from "valibot";
import { boundedSchema } from "#src/services/handler-schema.ts";
import { jsonShape, type StandardSchema } from "#src/wire/codec/standard-shape.ts";

const numbers = boundedSchema(v.object({ list: v.array(v.number()) }));
const issuesOf = (schema: StandardSchema<unknown>, value: unknown): number => {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? -1 : (result.issues?.length ?? 0);
};

suite("a schema that a body can't make fill the heap", () => {
  test("names every issue of a small body, up to 256 values, and one of a larger", () => {
    assert.equal(issuesOf(numbers, { list: Array(255).fill("x") }), 255);
    assert.equal(issuesOf(numbers, { list: Array(256).fill("x") }), 1);
    assert.equal(issuesOf(numbers, { list: Array(99_999).fill("x") }), 1);
  });

  test("counts values at all levels", () => {
    const nested = boundedSchema(v.array(v.array(v.number())));
    const rows = (count: number): unknown => Array(count).fill(["x", "x", "x"]);
    assert.equal(issuesOf(nested, rows(64)), 192);
    assert.equal(issuesOf(nested, rows(65)), 1);
  });

  test("stops in unions and records, too", () => {
    const union = v.union([v.object({ a: v.string() }), v.object({ b: v.string() })]);
    assert.equal(issuesOf(boundedSchema(v.array(union)), Array(99_999).fill({})), 1);
    const record = boundedSchema(v.record(v.string(), v.number()));
    const names = Object.fromEntries(Array.from({ length: 9_999 }, (_, n) => [`k${n}`, "x"]));
    assert.equal(issuesOf(record, names), 1);
  });

  test("passes what is good, transformed, and bytes as one value", () => {
    const schema = boundedSchema(v.pipe(v.string(), v.trim()));
    assert.deepEqual(schema["~standard"].validate(" a "), { value: "a" });
    const bytes = boundedSchema(v.object({ raw: v.number(), n: v.number() }));
    assert.equal(issuesOf(bytes, { raw: new Uint8Array(1_000), n: "x" }), 2);
  });

  test("leaves schemas of others, asynchronous ones and what is none as they are", () => {
    const other: StandardSchema<unknown> = {
      "~standard": { version: 1, vendor: "other", validate: (value) => ({ value }) },
    };
    for (const schema of [
      other,
      v.objectAsync({}),
      { "~standard": undefined },
      { "~standard": {} },
    ]) {
      assert.equal(boundedSchema(schema as StandardSchema<unknown>), schema);
    }
    assert.throws(() => jsonShape("A", boundedSchema(v.objectAsync({}))), /is asynchronous/);
  });
});
