/**
 * Protobuf messages to JSON text, by a table of fields that is built once per message type and
 * dialect. Fields stand in order of their numbers; those with the zero value are left out (proto3),
 * as both dialects of go-micro do.
 */
import type { DescField, DescMessage, Registry } from "@bufbuild/protobuf";
import { FieldFault, kindOf, memberStep, quoted } from "./body-fault.ts";
import { enumWriter } from "./enum-json.ts";
import { formatString } from "./json-format.ts";
import type { JsonDialect } from "./json-value.ts";
import { isZero, scalarWriter, type WriteValue } from "./scalar-json.ts";
import { wellKnownWriter } from "./well-known-json.ts";

type Message = Readonly<Record<string, unknown>>;

interface FieldWriter {
  /** The field's name for errors. */
  readonly name: string;
  /** `"name":`, ready to use. */
  readonly label: string;
  /** The value if the field is to be written, else `undefined`. */
  present(message: Message): unknown;
  write: WriteValue;
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT: a zero value can't be told from an absent one. */
const IMPLICIT = 2;
const LEGACY_REQUIRED = 3;

/** Compiles a writer for `desc` and every message that it can contain. */
export function messageJsonWriter(
  desc: DescMessage,
  dialect: JsonDialect,
  registry: Registry | undefined,
): WriteValue {
  return new WriterTable(dialect, registry).message(desc);
}

class WriterTable {
  readonly #dialect: JsonDialect;
  readonly #registry: Registry | undefined;
  readonly #writers = new Map<DescMessage, WriteValue>();

  constructor(dialect: JsonDialect, registry: Registry | undefined) {
    this.#dialect = dialect;
    this.#registry = registry;
  }

  /** A message type may contain itself: its writer is listed before its fields are looked at. */
  message(desc: DescMessage): WriteValue {
    const known = this.#writers.get(desc);
    if (known !== undefined) return known;
    const fields: FieldWriter[] = [];
    const write =
      wellKnownWriter(desc, undefined, this.#dialect, this.#registry) ??
      ((value) => writeMembers(fields, value));
    this.#writers.set(desc, write);
    for (const field of desc.fields.toSorted((a, b) => a.number - b.number)) {
      fields.push(this.#field(field));
    }
    return write;
  }

  #field(field: DescField): FieldWriter {
    const name = this.#dialect === "protojson" ? field.jsonName : field.name;
    return {
      name,
      label: `${formatString(name)}:`,
      present: presence(field),
      write: this.#value(field),
    };
  }

  #value(field: DescField): WriteValue {
    const write = this.#element(field);
    switch (field.fieldKind) {
      case "list":
        return (value) => writeList(write, value);
      case "map":
        return (value) => writeMap(write, value);
      default:
        return write;
    }
  }

  #element(field: DescField): WriteValue {
    if (field.scalar !== undefined) return scalarWriter(field.scalar, this.#dialect);
    if (field.enum !== undefined) return enumWriter(field.enum, this.#dialect);
    return (
      wellKnownWriter(field.message, field, this.#dialect, this.#registry) ??
      this.message(field.message)
    );
  }
}

function presence(field: DescField): FieldWriter["present"] {
  const name = field.localName;
  const oneof = field.oneof?.localName;
  if (oneof !== undefined) {
    return (message) => {
      const chosen = message[oneof] as { case?: string; value?: unknown } | undefined;
      return chosen?.case === name ? chosen.value : undefined;
    };
  }
  switch (field.fieldKind) {
    case "list":
      return (message) => {
        const items = message[name];
        return Array.isArray(items) && items.length === 0 ? undefined : items;
      };
    case "map":
      return (message) => {
        const map = message[name];
        return map !== undefined && Object.keys(map as object).length === 0 ? undefined : map;
      };
    default:
      return field.presence === IMPLICIT ? nonZero(field) : explicit(field);
  }
}

function nonZero(field: DescField): FieldWriter["present"] {
  const name = field.localName;
  if (field.scalar === undefined) return (message) => message[name] || undefined;
  const type = field.scalar;
  return (message) => (isZero(type, message[name]) ? undefined : message[name]);
}

/** The library keeps defaults of proto2 on the prototype: only an own member is set. */
function explicit(field: DescField): FieldWriter["present"] {
  const name = field.localName;
  const required = field.presence === LEGACY_REQUIRED;
  return (message) => {
    if (Object.hasOwn(message, name) && message[name] !== undefined) return message[name];
    if (required) throw new FieldFault("required, and not set");
    return undefined;
  };
}

function writeMembers(fields: readonly FieldWriter[], value: unknown): string {
  if (typeof value !== "object" || value === null) {
    throw new FieldFault(`expected a message, got ${kindOf(value)}`);
  }
  let text = "{";
  let step = "";
  try {
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] as FieldWriter;
      step = field.name;
      const member = field.present(value as Message);
      if (member === undefined) continue;
      if (text.length > 1) text += ",";
      text += field.label + field.write(member);
    }
  } catch (thrown) {
    throw thrown instanceof FieldFault ? thrown.under(memberStep(step)) : thrown;
  }
  return `${text}}`;
}

function writeList(write: WriteValue, value: unknown): string {
  if (!Array.isArray(value)) throw new FieldFault(`expected an array, got ${kindOf(value)}`);
  let text = "[";
  let index = 0;
  try {
    for (; index < value.length; index++) text += (index === 0 ? "" : ",") + write(value[index]);
  } catch (thrown) {
    throw thrown instanceof FieldFault ? thrown.under(`[${index}]`) : thrown;
  }
  return `${text}]`;
}

function writeMap(write: WriteValue, value: unknown): string {
  if (typeof value !== "object" || value === null) {
    throw new FieldFault(`expected an object, got ${kindOf(value)}`);
  }
  let text = "{";
  let step = "";
  try {
    for (const [key, entry] of Object.entries(value)) {
      step = key;
      text += `${text.length > 1 ? "," : ""}${formatString(key)}:${write(entry)}`;
    }
  } catch (thrown) {
    throw thrown instanceof FieldFault ? thrown.under(`[${quoted(step)}]`) : thrown;
  }
  return `${text}}`;
}
