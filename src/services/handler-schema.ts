/**
 * The part of valibot that handler modules get as `sdk.schema`: enough to describe a JSON body. A module
 * on a device has no `node_modules`; what is named here is in the program.
 */
import * as v from "valibot";

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
