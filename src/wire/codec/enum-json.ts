/**
 * Enums in JSON: read by name or by number, written by name (`protojson`) or by number (`plain`).
 * A number that an open enum (proto3) does not name is kept, as protobuf keeps it.
 */
import type { DescEnum } from "@bufbuild/protobuf";
import { nearest } from "../../base/nearest.ts";
import { FieldFault, kindOf, quoted } from "./body-fault.ts";
import type { JsonDialect } from "./json-value.ts";
import type { ReadValue, WriteValue } from "./scalar-json.ts";

/** Its only value is written `null`; JSON can't tell it from an absent field otherwise. */
const NULL_VALUE = "google.protobuf.NullValue";

export function isNullEnum(desc: DescEnum): boolean {
  return desc.typeName === NULL_VALUE;
}

export function enumReader(desc: DescEnum): ReadValue {
  const numbers = new Map<string, number>();
  for (const value of desc.values) numbers.set(value.jsonName, value.number);
  for (const value of desc.values) numbers.set(value.name, value.number);
  const takesNull = isNullEnum(desc);
  return (value) => {
    if (typeof value === "string") {
      const number = numbers.get(value);
      if (number === undefined) throw unknownName(desc, value, numbers.keys());
      return number;
    }
    if (typeof value === "number" && Number.isInteger(value) && value === (value | 0)) {
      if (desc.open || desc.value[value] !== undefined) return value | 0;
      throw new FieldFault(`enum ${desc.typeName} has no value ${value}`);
    }
    if (value === null && takesNull) return 0;
    throw new FieldFault(`expected a name or number of ${desc.typeName}, got ${kindOf(value)}`);
  };
}

export function enumWriter(desc: DescEnum, dialect: JsonDialect): WriteValue {
  const texts = new Map<number, string>();
  if (dialect === "protojson") {
    for (const value of desc.values.toReversed()) {
      texts.set(value.number, isNullEnum(desc) ? "null" : JSON.stringify(value.jsonName));
    }
  }
  return (value) => {
    if (typeof value === "number" && value === (value | 0)) {
      return texts.get(value) ?? String(value);
    }
    throw new FieldFault(`expected a number of ${desc.typeName}, got ${kindOf(value)}`);
  };
}

function unknownName(desc: DescEnum, name: string, known: Iterable<string>): FieldFault {
  const meant = nearest(name, known);
  const advice = meant === undefined ? "" : `; did you mean ${quoted(meant)}?`;
  return new FieldFault(`enum ${desc.typeName} has no value ${quoted(name)}${advice}`);
}
