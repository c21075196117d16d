/**
 * Random messages of any protobuf type, for property tests: what a handler may answer, so every
 * string is valid Unicode, every number in range, and recursion ends.
 */
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { anyPack, isWrapperDesc, StringValueSchema } from "@bufbuild/protobuf/wkt";
import fc, { type Arbitrary } from "fast-check";

/** Messages inside messages; below that, none. */
const MAX_DEPTH = 3;

export function messageArbitrary(desc: DescMessage, depth = 0): Arbitrary<Message> {
  const special = wellKnown(desc);
  if (special !== undefined) return special;
  const members: Record<string, Arbitrary<unknown>> = {};
  for (const member of desc.members) {
    members[member.localName] =
      member.kind === "oneof"
        ? fc.oneof(
            fc.constant({ case: undefined }),
            ...member.fields.map((field) =>
              value(field, depth).map((chosen) => ({ case: field.localName, value: chosen })),
            ),
          )
        : fieldArbitrary(member, depth);
  }
  return fc.record(members, { requiredKeys: [] }).map((fields) => create(desc, fields));
}

function fieldArbitrary(field: DescField, depth: number): Arbitrary<unknown> {
  const nested = field.message !== undefined;
  if (nested && depth >= MAX_DEPTH) return fc.constant(undefined);
  switch (field.fieldKind) {
    case "list":
      return fc.array(value(field, depth), { maxLength: nested ? 2 : 5 });
    case "map": {
      const entries = fc.array(fc.tuple(keyArbitrary(field.mapKey), value(field, depth)), {
        maxLength: 3,
      });
      // Not Object.fromEntries of a Map: a key "__proto__" must become an own member.
      return entries.map((pairs) => Object.fromEntries(pairs));
    }
    default:
      return value(field, depth);
  }
}

function value(field: DescField, depth: number): Arbitrary<unknown> {
  if (field.scalar !== undefined) {
    const asString = field.fieldKind !== "map" && field.longAsString;
    return asString ? scalar(field.scalar).map(String) : scalar(field.scalar);
  }
  if (field.enum !== undefined) return enumArbitrary(field.enum);
  const desc = field.message;
  if (desc.typeName === "google.protobuf.Struct") return structArbitrary;
  if (isWrapperDesc(desc)) {
    const wrapped = scalar((desc.fields[0] as DescField & { scalar: ScalarType }).scalar);
    if (field.fieldKind === "message" && field.oneof === undefined) return wrapped;
    return wrapped.map((bare) => create(desc, { value: bare }));
  }
  return messageArbitrary(desc, depth + 1);
}

function scalar(type: ScalarType): Arbitrary<unknown> {
  switch (type) {
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: "grapheme", maxLength: 40 });
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 40 });
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.integer();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt(0n, 2n ** 64n - 1n);
    default:
      return fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
  }
}

function keyArbitrary(type: ScalarType): Arbitrary<string> {
  const key = scalar(type).map(String);
  return type === ScalarType.STRING ? fc.oneof(key, fc.constant("__proto__")) : key;
}

function enumArbitrary(desc: DescEnum): Arbitrary<number> {
  const known = fc.constantFrom(...desc.values.map((one) => one.number));
  return desc.open && desc.typeName !== "google.protobuf.NullValue"
    ? fc.oneof(known, fc.integer())
    : known;
}

const jsonNumber = fc.double({ noNaN: true, noDefaultInfinity: true });
const structArbitrary = fc.dictionary(
  fc.string({ unit: "grapheme", maxLength: 10 }),
  fc.oneof(
    fc.constant(null),
    fc.boolean(),
    jsonNumber,
    fc.string({ unit: "grapheme", maxLength: 10 }),
    fc.array(jsonNumber, { maxLength: 3 }),
  ),
  { maxKeys: 3, noNullPrototype: true },
);

const valueArbitrary: Arbitrary<object> = fc
  .oneof(
    fc.constant({ case: "nullValue", value: 0 }),
    fc.boolean().map((bool) => ({ case: "boolValue", value: bool })),
    jsonNumber.map((number) => ({ case: "numberValue", value: number })),
    fc.string({ unit: "grapheme" }).map((text) => ({ case: "stringValue", value: text })),
  )
  .map((kind) => ({ kind }));

/** Those whose values JSON restricts beyond what the fields could hold. */
function wellKnown(desc: DescMessage): Arbitrary<Message> | undefined {
  const made = (fields: Arbitrary<object>) => fields.map((init) => create(desc, { ...init }));
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return made(
        fc.record({
          seconds: fc.bigInt(-62135596800n, 253402300799n),
          nanos: fc.integer({ min: 0, max: 999_999_999 }),
        }),
      );
    case "google.protobuf.Duration":
      return made(
        fc
          .tuple(fc.bigInt(0n, 315576000000n), fc.nat(999_999_999), fc.boolean())
          .map(([seconds, nanos, negative]) => ({
            seconds: negative ? -seconds : seconds,
            nanos: negative && nanos !== 0 ? -nanos : nanos,
          })),
      );
    case "google.protobuf.FieldMask":
      return made(
        fc.record({
          paths: fc.array(fc.constantFrom("a", "a_b", "name.first_name"), { maxLength: 3 }),
        }),
      );
    case "google.protobuf.Value":
      return made(valueArbitrary);
    case "google.protobuf.ListValue":
      return made(fc.record({ values: fc.array(valueArbitrary, { maxLength: 3 }) }));
    case "google.protobuf.Any":
      return fc
        .string({ unit: "grapheme" })
        .map((text) => anyPack(StringValueSchema, create(StringValueSchema, { value: text })));
    default:
      return undefined;
  }
}
