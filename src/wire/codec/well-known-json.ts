/**
 * Protobuf's well-known types, which have JSON forms of their own: `Timestamp` is a string in RFC
 * 3339, a wrapper is its bare value, `Struct` is any object.
 *
 * In `protojson` they are read and written by the library. In `plain` the other side is Go's
 * `encoding/json` over the generated structs, which knows nothing of this: there they are ordinary
 * messages (`{"seconds":1}`), and the protojson form is read as well. `Struct`, `Value` and
 * `ListValue` keep their natural form in both: Go's plain form of them can't be read back even by Go.
 *
 * protobuf-es keeps some of them unpacked in a field: a wrapper as its bare value (but not in a
 * oneof, list or map), a `Struct` as a JSON object. Hence the `field` that both functions take.
 */
import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue as LibraryJson,
  type MessageShape,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { type Duration, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { FieldFault, kindOf, quoted } from "./body-fault.ts";
import { formatJson } from "./json-format.ts";
import { isJsonArray, isJsonObject, type JsonDialect, type JsonValue } from "./json-value.ts";
import { setEntry } from "./map-key-json.ts";
import { type ReadValue, scalarReader, scalarWriter, type WriteValue } from "./scalar-json.ts";

/** A form of its own in `protojson`, fields in `plain`. */
const WITH_FIELDS = new Set(["Timestamp", "Duration", "FieldMask", "Any"].map(longName));
/** The natural JSON form in both dialects. */
const ANY_JSON = new Set(["Struct", "Value", "ListValue"].map(longName));

const DURATION = /^-?\d+(?:\.\d{1,9})?s$/;

/** Characters of a field mask: some hundred paths. */
const MAX_MASK = 4_096;

/** Characters of a library's message that are repeated. */
const MAX_REASON = 120;

function longName(name: string): string {
  return `google.protobuf.${name}`;
}

/** Whether `null` is a value of this type and not the absence of one. */
export function isNullable(desc: DescMessage): boolean {
  return desc.typeName === longName("Value");
}

/**
 * Reader for a well-known type; `undefined` for every other message type.
 *
 * @param field Where the value goes; `undefined` for a whole message.
 * @param members Reads the type as an ordinary message.
 */
export function wellKnownReader(
  desc: DescMessage,
  field: DescField | undefined,
  dialect: JsonDialect,
  registry: Registry | undefined,
  members: ReadValue,
): ReadValue | undefined {
  if (isWrapperDesc(desc)) return wrapperReader(desc, field, dialect);
  if (isStructField(desc, field)) {
    return (value) => {
      if (isJsonObject(value)) return libraryJson(value);
      throw new FieldFault(`expected an object, got ${kindOf(value)}`);
    };
  }
  const isMask = desc.typeName === longName("FieldMask");
  const fromLibrary: ReadValue = (value) => {
    // One string that becomes thousands: 4 MiB of commas would fill the heap.
    if (isMask && typeof value === "string" && value.length > MAX_MASK) {
      throw new FieldFault(`longer than ${MAX_MASK} characters`);
    }
    return readByLibrary(desc, registry, value);
  };
  if (ANY_JSON.has(desc.typeName)) return fromLibrary;
  if (!WITH_FIELDS.has(desc.typeName)) return undefined;
  if (dialect === "protojson") return fromLibrary;
  return (value) =>
    isJsonObject(value) && !("@type" in value) ? members(value) : fromLibrary(value);
}

/** Writer for a well-known type; `undefined` for every other message type, and where `plain` writes fields. */
export function wellKnownWriter(
  desc: DescMessage,
  field: DescField | undefined,
  dialect: JsonDialect,
  registry: Registry | undefined,
): WriteValue | undefined {
  if (isWrapperDesc(desc)) return wrapperWriter(desc, field, dialect);
  if (isStructField(desc, field)) return formatJson;
  if (ANY_JSON.has(desc.typeName) || (dialect === "protojson" && WITH_FIELDS.has(desc.typeName))) {
    return (value) => writeByLibrary(desc, registry, value);
  }
  return undefined;
}

function isStructField(desc: DescMessage, field: DescField | undefined): boolean {
  return desc.typeName === longName("Struct") && field !== undefined && !isNullable(field.parent);
}

/** Wrappers are bare in a singular field that no oneof claims. */
function isBare(field: DescField | undefined): boolean {
  return field?.fieldKind === "message" && field.oneof === undefined;
}

function wrapperReader(
  desc: DescMessage,
  field: DescField | undefined,
  dialect: JsonDialect,
): ReadValue {
  const scalar = wrappedScalar(desc);
  const readScalar = scalarReader(scalar.scalar, scalar.longAsString);
  const plain = dialect === "plain";
  const read: ReadValue = (value) => {
    if (!plain || !isJsonObject(value)) return readScalar(value);
    const { value: wrapped = null } = value;
    return wrapped === null ? unwrap(create(desc)) : readScalar(wrapped);
  };
  if (isBare(field)) return read;
  return (value) => {
    const message = create(desc);
    (message as unknown as { value: unknown }).value = read(value);
    return message;
  };
}

function wrapperWriter(
  desc: DescMessage,
  field: DescField | undefined,
  dialect: JsonDialect,
): WriteValue {
  const writeScalar = scalarWriter(wrappedScalar(desc).scalar, dialect);
  const write: WriteValue =
    dialect === "plain" ? (value) => `{"value":${writeScalar(value)}}` : writeScalar;
  return isBare(field) ? write : (value) => write(unwrap(value));
}

function wrappedScalar(desc: DescMessage): DescField & { readonly fieldKind: "scalar" } {
  const [field] = desc.fields;
  if (field?.fieldKind !== "scalar") throw new TypeError(`${desc.typeName} wraps no scalar`);
  return field;
}

function unwrap(message: unknown): unknown {
  return (message as { readonly value: unknown }).value;
}

function readByLibrary(
  desc: DescMessage,
  registry: Registry | undefined,
  value: JsonValue,
): unknown {
  const isDuration = desc.typeName === longName("Duration");
  // The library takes any text that only begins like a duration.
  if (isDuration && typeof value === "string" && !DURATION.test(value)) {
    throw new FieldFault(`expected a ${desc.typeName} such as "1.5s", got ${quoted(value)}`);
  }
  try {
    const options = registry === undefined ? {} : { registry };
    const message = fromJson(desc, libraryJson(value), options);
    // It reads "-1.0s" with nanos of -0, which is no 32-bit integer.
    if (isDuration) (message as unknown as Duration).nanos ||= 0;
    return message;
  } catch (thrown) {
    throw new FieldFault(`expected a ${desc.typeName}: ${libraryReason(thrown)}`);
  }
}

function writeByLibrary(desc: DescMessage, registry: Registry | undefined, value: unknown): string {
  let json: LibraryJson;
  try {
    const message = value as MessageShape<DescMessage>;
    json = toJson(desc, message, registry === undefined ? {} : { registry });
  } catch (thrown) {
    throw new FieldFault(`not a ${desc.typeName}: ${libraryReason(thrown)}`);
  }
  return formatJson(json);
}

/** What the library says without where it says it; bounded, on one line. */
function libraryReason(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const reason = text.replace(/^cannot (?:de|en)code .*? (?:from|to) JSON:? ?/, "");
  return reason.slice(0, MAX_REASON).replace(/[^\x20-\x7e]/g, "?");
}

/** With the prototypes that the library expects. A `Struct` holds doubles, so `bigint` is rounded. */
function libraryJson(value: JsonValue): LibraryJson {
  if (typeof value === "bigint") return Number(value);
  if (isJsonArray(value)) return value.map(libraryJson);
  if (!isJsonObject(value)) return value;
  const object: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    setEntry(object, name, libraryJson(value[name] as JsonValue));
  }
  return object as LibraryJson;
}
