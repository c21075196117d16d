/**
 * Protobuf's scalar types in JSON, after the "JSON mapping" of protobuf's documentation and what Go's
 * protojson accepts: integers as numbers or strings, also with a fraction or an exponent if the value
 * is integral; `"NaN"` and `"Infinity"`; base64 in both alphabets. Readers throw a `FieldFault`.
 */
import { ScalarType } from "@bufbuild/protobuf";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { FieldFault, kindOf, quoted } from "./body-fault.ts";
import { formatNumber, formatString } from "./json-format.ts";
import { exactInteger, nearestDouble } from "./json-number.ts";
import type { JsonDialect, JsonValue } from "./json-value.ts";

/** JSON value to what protobuf-es keeps in a message. */
export type ReadValue = (value: JsonValue) => unknown;
/** What protobuf-es keeps in a message to JSON text. */
export type WriteValue = (value: unknown) => string;

interface IntegerRange {
  readonly name: string;
  readonly min: bigint;
  readonly max: bigint;
}

const INT32 = { name: "a 32-bit integer", min: -(2n ** 31n), max: 2n ** 31n - 1n };
const UINT32 = { name: "an unsigned 32-bit integer", min: 0n, max: 2n ** 32n - 1n };
const INT64 = { name: "a 64-bit integer", min: -(2n ** 63n), max: 2n ** 63n - 1n };
const UINT64 = { name: "an unsigned 64-bit integer", min: 0n, max: 2n ** 64n - 1n };

/** 32-bit integers are kept as `number`. */
const SMALL: Partial<Record<ScalarType, IntegerRange>> = {
  [ScalarType.INT32]: INT32,
  [ScalarType.SINT32]: INT32,
  [ScalarType.SFIXED32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.FIXED32]: UINT32,
};

/** 64-bit integers are kept as `bigint`, or as `string` where the descriptor says so. */
const BIG: Partial<Record<ScalarType, IntegerRange>> = {
  [ScalarType.INT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.UINT64]: UINT64,
  [ScalarType.FIXED64]: UINT64,
};

const LARGEST_FLOAT = 3.4028234663852886e38;

export function scalarReader(type: ScalarType, longAsString: boolean): ReadValue {
  const small = SMALL[type];
  if (small !== undefined) {
    const holds = smallCheck(small);
    // `|| 0` turns -0, which JSON can write, into 0.
    return (value) => (holds(value) ? value || 0 : Number(readInteger(value, small)));
  }
  const big = BIG[type];
  if (big !== undefined) {
    return longAsString
      ? (value) => String(readInteger(value, big))
      : (value) => readInteger(value, big);
  }
  switch (type) {
    case ScalarType.STRING:
      return readString;
    case ScalarType.BOOL:
      return readBoolean;
    case ScalarType.BYTES:
      return readBytes;
    case ScalarType.FLOAT:
      return readFloat;
    default:
      return readDouble;
  }
}

/** Text for `dialect`; throws a `FieldFault` for a value that the type can't hold. */
export function scalarWriter(type: ScalarType, dialect: JsonDialect): WriteValue {
  const small = SMALL[type];
  if (small !== undefined) {
    const holds = smallCheck(small);
    return (value) => String(holds(value) ? value : checkInteger(value, small));
  }
  const big = BIG[type];
  if (big !== undefined) {
    return dialect === "protojson"
      ? (value) => `"${checkInteger(value, big)}"`
      : (value) => String(checkInteger(value, big));
  }
  switch (type) {
    case ScalarType.STRING:
      return writeString;
    case ScalarType.BOOL:
      return writeBoolean;
    case ScalarType.BYTES:
      return writeBytes;
    default:
      return writeDouble;
  }
}

/** Whether `value` is what an absent field of this type means. */
export function isZero(type: ScalarType, value: unknown): boolean {
  switch (type) {
    case ScalarType.BYTES:
      return value instanceof Uint8Array && value.byteLength === 0;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return Object.is(value, 0);
    case ScalarType.STRING:
      return value === "";
    case ScalarType.BOOL:
      return value === false;
    default:
      return value === 0 || value === 0n || value === "0";
  }
}

/** The usual case without `bigint`. */
function smallCheck(range: IntegerRange): (value: unknown) => value is number {
  const [min, max] = [Number(range.min), Number(range.max)];
  return (value): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function readInteger(value: JsonValue, range: IntegerRange): bigint {
  const integer = integerOf(value);
  if (integer === undefined) {
    const got = typeof value === "string" ? quoted(value) : kindOf(value);
    throw new FieldFault(`expected ${range.name}, got ${got}`);
  }
  return inRange(integer, range);
}

function integerOf(value: JsonValue): bigint | undefined {
  switch (typeof value) {
    case "bigint":
      return value;
    case "number":
      // Beyond 2^53 a double may have lost digits; the reader of the text would have kept them.
      return Number.isSafeInteger(value) ? BigInt(value) : undefined;
    case "string":
      return exactInteger(value);
    default:
      return undefined;
  }
}

function inRange(integer: bigint, range: IntegerRange): bigint {
  if (integer >= range.min && integer <= range.max) return integer;
  const shown = quoted(String(integer)).slice(1, -1);
  throw new FieldFault(`expected ${range.name}, got ${shown}, which is out of range`);
}

function readString(value: JsonValue): string {
  if (typeof value === "string") return value;
  throw new FieldFault(`expected a string, got ${kindOf(value)}`);
}

function readBoolean(value: JsonValue): boolean {
  if (typeof value === "boolean") return value;
  throw new FieldFault(`expected true or false, got ${kindOf(value)}`);
}

function readBytes(value: JsonValue): Uint8Array {
  // No JSON text has them; codecs of handler modules do.
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string") {
    throw new FieldFault(`expected a base64 string, got ${kindOf(value)}`);
  }
  const bytes = decodeBase64(value);
  if (bytes === undefined) throw new FieldFault("expected base64, got a string that is not");
  return bytes;
}

function readDouble(value: JsonValue): number {
  const double = doubleOf(value);
  if (double !== undefined) return double;
  const got = typeof value === "string" ? quoted(value) : kindOf(value);
  throw new FieldFault(`expected a number within double's range, got ${got}`);
}

function readFloat(value: JsonValue): number {
  const double = readDouble(value);
  const float = Math.fround(double);
  if (Number.isFinite(double) && !Number.isFinite(float)) {
    throw new FieldFault(`expected a number up to ${LARGEST_FLOAT}, got ${double}`);
  }
  return float;
}

function doubleOf(value: JsonValue): number | undefined {
  switch (value) {
    case "NaN":
      return Number.NaN;
    case "Infinity":
      return Number.POSITIVE_INFINITY;
    case "-Infinity":
      return Number.NEGATIVE_INFINITY;
  }
  const double = typeof value === "string" ? nearestDouble(value) : value;
  if (typeof double !== "number" && typeof double !== "bigint") return undefined;
  return Number.isFinite(Number(double)) ? Number(double) : undefined;
}

function checkInteger(value: unknown, range: IntegerRange): bigint | number {
  if (typeof value === "bigint") return inRange(value, range);
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return Number(inRange(BigInt(value), range));
  }
  const integer = typeof value === "string" ? exactInteger(value) : undefined;
  if (integer === undefined) {
    throw new FieldFault(`expected ${range.name}, got ${kindOf(value)}`);
  }
  return inRange(integer, range);
}

function writeString(value: unknown): string {
  if (typeof value === "string") return formatString(value);
  throw new FieldFault(`expected a string, got ${kindOf(value)}`);
}

function writeBoolean(value: unknown): string {
  if (typeof value === "boolean") return String(value);
  throw new FieldFault(`expected true or false, got ${kindOf(value)}`);
}

function writeBytes(value: unknown): string {
  if (value instanceof Uint8Array) return `"${encodeBase64(value)}"`;
  throw new FieldFault(`expected bytes, got ${kindOf(value)}`);
}

function writeDouble(value: unknown): string {
  if (typeof value !== "number") throw new FieldFault(`expected a number, got ${kindOf(value)}`);
  return Number.isFinite(value) ? formatNumber(value) : `"${value}"`;
}
