import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { handlerSchema } from "#src/services/handler-schema.ts";
import type { HandlerSdk } from "#src/services/handler-sdk.ts";
import type {
  HandlerSdk as DocumentedSdk,
  SchemaName,
} from "../../../docs/examples/microedge-handlers.d.ts";

/**
 * The compiler's part: what the program passes has all that the types promise to authors. What a message
 * of a descriptor set looks like is the author's own word.
 */
function documented(sdk: HandlerSdk): Omit<DocumentedSdk, "protobuf"> {
  return sdk;
}

/** And the types leave out nothing that the program has. */
const names: readonly SchemaName[] = Object.keys(handlerSchema) as (keyof typeof handlerSchema)[];

suite("types for authors of handler modules", () => {
  test("are of the same sdk", () => assert.equal(documented.length, 1));

  test("list the schema functions as the page does", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/handlers.md"), "utf8");
    const listed = /the part of \[valibot\][^`]*`([^`]+)`/.exec(page)?.[1]?.split(/\s+/);
    assert.deepEqual(listed, names);
  });
});
