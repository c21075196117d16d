/**
 * JSON values to protobuf messages, by a table of fields that is built once per message type.
 *
 * Ours instead of the library's `fromJson` because of what a caller reads when it fails (the full
 * path of the field, the nearest known name), because integers beyond 2^53 stay exact, because
 * `json-rpc` spells messages differently, and because native base64 takes a tenth of the time.
 */
import { create, type DescField, type DescMessage, type Registry } from "@bufbuild/protobuf";
import { nearest } from "../../base/nearest.ts";
import { FieldFault, kindOf, memberStep, quoted } from "./body-fault.ts";
import { enumReader, isNullEnum } from "./enum-json.ts";
import { isJsonArray, isJsonObject, type JsonDialect, type JsonValue } from "./json-value.ts";
import { mapKeyCheck, setEntry } from "./map-key-json.ts";
import { type ReadValue, scalarReader } from "./scalar-json.ts";
import { isNullable, wellKnownReader } from "./well-known-json.ts";

/** A message as protobuf-es keeps it: members by local name. */
type Message = Record<string, unknown>;

interface FieldReader {
  readonly name: string;
  /** Local name of the oneof that the field belongs to. */
  readonly oneof: string | undefined;
  /** May stand under two names, so twice. */
  readonly twoNames: boolean;
  /** Most fields take `null` for "absent". */
  readonly takesNull: boolean;
  set(message: Message, value: JsonValue): void;
}

/** Compiles a reader for `desc` and every message that it can contain. */
export function messageJsonReader(
  desc: DescMessage,
  dialect: JsonDialect,
  registry: Registry | undefined,
): ReadValue {
  return new ReaderTable(dialect, registry).message(desc);
}

class ReaderTable {
  readonly #dialect: JsonDialect;
  readonly #registry: Registry | undefined;
  readonly #readers = new Map<DescMessage, ReadValue>();

  constructor(dialect: JsonDialect, registry: Registry | undefined) {
    this.#dialect = dialect;
    this.#registry = registry;
  }

  /** A message type may contain itself: its reader is listed before its fields are looked at. */
  message(desc: DescMessage): ReadValue {
    const known = this.#readers.get(desc);
    if (known !== undefined) return known;
    const fields = new Map<string, FieldReader>();
    const strict = this.#dialect === "protojson";
    const members: ReadValue = (value) => readMembers(desc, fields, strict, value);
    const read = wellKnownReader(desc, undefined, this.#dialect, this.#registry, members);
    this.#readers.set(desc, read ?? members);
    for (const field of desc.fields) {
      const reader = this.#field(field);
      fields.set(field.name, reader);
      fields.set(field.jsonName, reader);
    }
    return read ?? members;
  }

  #field(field: DescField): FieldReader {
    return {
      name: field.name,
      oneof: field.oneof?.localName,
      twoNames: field.name !== field.jsonName,
      takesNull: takesNull(field),
      set: this.#setter(field),
    };
  }

  #setter(field: DescField): FieldReader["set"] {
    const name = field.localName;
    switch (field.fieldKind) {
      case "list": {
        const read = this.#element(field);
        return (message, value) => readList(message[name] as unknown[], read, value);
      }
      case "map": {
        const read = this.#element(field);
        const checkKey = mapKeyCheck(field.mapKey);
        return (message, value) => readMap(message[name] as Message, checkKey, read, value);
      }
      default: {
        const read = this.#element(field);
        const oneof = field.oneof?.localName;
        if (oneof === undefined) {
          return (message, value) => {
            message[name] = read(value);
          };
        }
        return (message, value) => {
          message[oneof] = { case: name, value: read(value) };
        };
      }
    }
  }

  /** Reader of the field's value, or of one element of it. */
  #element(field: DescField): ReadValue {
    if (field.scalar !== undefined) {
      return scalarReader(field.scalar, field.fieldKind !== "map" && field.longAsString);
    }
    if (field.enum !== undefined) return enumReader(field.enum);
    const members = this.message(field.message);
    return wellKnownReader(field.message, field, this.#dialect, this.#registry, members) ?? members;
  }
}

function readMembers(
  desc: DescMessage,
  fields: ReadonlyMap<string, FieldReader>,
  strict: boolean,
  value: JsonValue,
): Message {
  if (!isJsonObject(value)) throw new FieldFault(`expected an object, got ${kindOf(value)}`);
  const message = create(desc) as unknown as Message;
  let seen: Set<FieldReader> | undefined;
  let step = "";
  try {
    for (const name of Object.keys(value)) {
      step = name;
      const field = fields.get(name);
      if (field === undefined) {
        if (strict) throw unknownMember(desc, name);
        continue;
      }
      if (field.twoNames) {
        seen ??= new Set();
        if (seen.has(field)) throw new FieldFault("stands twice, once in each spelling");
        seen.add(field);
      }
      const member = value[name] as JsonValue;
      if (member === null && !field.takesNull) continue;
      if (field.oneof !== undefined) checkOneof(message[field.oneof], field.oneof);
      field.set(message, member);
    }
  } catch (thrown) {
    throw thrown instanceof FieldFault ? thrown.under(memberStep(step)) : thrown;
  }
  return message;
}

function checkOneof(oneof: unknown, name: string): void {
  const { case: other } = oneof as { readonly case?: string };
  if (other === undefined) return;
  throw new FieldFault(`only one member of oneof ${name} may be set, and ${other} is`);
}

function unknownMember(desc: DescMessage, name: string): FieldFault {
  const meant = nearest(name, new Set(desc.fields.flatMap((f) => [f.jsonName, f.name])));
  const advice = meant === undefined ? "" : `; did you mean ${quoted(meant)}?`;
  return new FieldFault(`${desc.typeName} has no such field${advice}`);
}

function readList(items: unknown[], read: ReadValue, value: JsonValue): void {
  if (!isJsonArray(value)) throw new FieldFault(`expected an array, got ${kindOf(value)}`);
  let index = 0;
  try {
    for (; index < value.length; index++) items.push(read(value[index] as JsonValue));
  } catch (thrown) {
    throw thrown instanceof FieldFault ? thrown.under(`[${index}]`) : thrown;
  }
}

function readMap(
  map: Message,
  checkKey: (name: string) => void,
  read: ReadValue,
  value: JsonValue,
): void {
  if (!isJsonObject(value)) throw new FieldFault(`expected an object, got ${kindOf(value)}`);
  let step = "";
  try {
    for (const key of Object.keys(value)) {
      step = key;
      checkKey(key);
      setEntry(map, key, read(value[key] as JsonValue));
    }
  } catch (thrown) {
    throw thrown instanceof FieldFault ? thrown.under(`[${quoted(step)}]`) : thrown;
  }
}

/** `google.protobuf.Value` and `NullValue` read `null` as a value of their own. */
function takesNull(field: DescField): boolean {
  if (field.fieldKind === "enum") return isNullEnum(field.enum);
  return field.fieldKind === "message" && isNullable(field.message);
}
