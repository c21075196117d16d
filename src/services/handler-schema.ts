/**
 * The part of valibot that handler modules get as `sdk.schema`: enough to describe a JSON body. A module
 * on a device has no `node_modules`; what is named here is in the program.
 */
import * as v from "valibot";
import type { StandardIssue, StandardSchema } from "../wire/codec/standard-shape.ts";

export const handlerSchema = {
  array: v.array,
  bigint: v.bigint,
  boolean: v.boolean,
  check: v.check,
  email: v.email,
  integer: v.integer,
  isoTimestamp: v.isoTimestamp,
  lazy: v.lazy,
  literal: v.literal,
  maxLength: v.maxLength,
  maxValue: v.maxValue,
  minLength: v.minLength,
  minValue: v.minValue,
  nullable: v.nullable,
  nullish: v.nullish,
  number: v.number,
  object: v.object,
  optional: v.optional,
  picklist: v.picklist,
  pipe: v.pipe,
  record: v.record,
  regex: v.regex,
  strictObject: v.strictObject,
  string: v.string,
  transform: v.transform,
  trim: v.trim,
  tuple: v.tuple,
  union: v.union,
  unknown: v.unknown,
  variant: v.variant,
} as const;

/** Values of a body from which on one issue has to do. */
const MANY_VALUES = 256;

/**
 * `schema` such that a hostile body can't make it fill the heap with issues: of a large one valibot stops at the
 * first. An issue takes some 300 bytes, the body two for each; 200 KB of wrong elements were more than the
 * agent's whole heap. Schemas of other libraries are left as they are: they have no common switch.
 */
export function boundedSchema(schema: StandardSchema<unknown>): StandardSchema<unknown> {
  const { "~standard": standard, "~run": run, async } = schema as ValibotLike;
  if (standard?.vendor !== "valibot" || standard.version !== 1) return schema;
  // What is no schema, or none that is of use, is for jsonShape to refuse.
  if (typeof run !== "function" || async === true) return schema;
  const validate = (value: unknown): ReturnType<typeof standard.validate> => {
    const abortEarly = hasMany(value, { left: MANY_VALUES });
    const { success, output, issues } = v.safeParse(schema as v.GenericSchema, value, {
      abortEarly,
    });
    // Keys of paths are unknown to valibot's types, and names or positions in bodies.
    return success ? { value: output } : { issues: (issues ?? []) as readonly StandardIssue[] };
  };
  return { "~standard": { version: 1, vendor: "valibot", validate } };
}

interface ValibotLike extends StandardSchema<unknown> {
  readonly "~run"?: unknown;
  readonly async?: unknown;
}

/** Whether there are more members and elements in `value`, at all levels, than are left. */
function hasMany(value: unknown, count: { left: number }): boolean {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
  const inside: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  count.left -= inside.length;
  return count.left < 0 || inside.some((each) => hasMany(each, count));
}
