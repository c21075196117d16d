/**
 * Checks protobuf bytes against a descriptor before the library reads them.
 *
 * The library trusts lengths and wire types within the buffer: a nested message whose length runs
 * past its parent, a string sent as a number, or a packed field cut in the middle are read as
 * something else without an error. It also builds as many objects as the bytes ask for: two bytes of
 * an empty nested message become more than a hundred. So one walk, which makes nothing, sees that
 * every record ends where its message ends, has the wire type of its field, and that depth and
 * counts stay within `limits.ts`. Fields that the descriptor does not know are stepped over.
 *
 * Encoding: https://protobuf.dev/programming-guides/encoding/
 */

import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FieldFault } from "./body-fault.ts";
import { MAX_DEPTH, MAX_PACKED_NUMBERS, MAX_VALUES } from "./limits.ts";

const VARINT = 0;
const BIT64 = 1;
const LENGTH = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const BIT32 = 5;
const WIRE_TYPES = ["varint", "64-bit", "length-delimited", "group", "end of group", "32-bit"];

interface FieldRule {
  readonly name: string;
  readonly wireType: number;
  /** A list of these may also come in one length-delimited record; the wire type of one number. */
  readonly packed: boolean;
  /** Counts towards the limit: can occur any number of times and is kept each time. */
  readonly counts: boolean;
  readonly text: boolean;
  /** Raw bytes, which the library does not copy. */
  readonly raw: boolean;
  readonly message: MessageRule | undefined;
}

type MessageRule = ReadonlyMap<number, FieldRule>;

/** Compiled checks of one message type and all that it can contain. */
export class ProtobufCheck {
  readonly #rule: MessageRule;

  constructor(desc: DescMessage) {
    this.#rule = messageRule(desc, new Map());
  }

  /**
   * Returns whether there are `bytes` fields in it, which the library reads as windows on `bytes`.
   *
   * @throws FieldFault naming the field that is wrong.
   */
  check(bytes: Uint8Array): boolean {
    const walk = new Walk(bytes, false);
    walk.message(this.#rule, bytes.byteLength, 1, 0);
    return walk.sawRaw;
  }

  /** As {@link check}, and finds the string that is not UTF-8; for when reading failed. */
  checkText(bytes: Uint8Array): void {
    new Walk(bytes, true).message(this.#rule, bytes.byteLength, 1, 0);
  }
}

function messageRule(desc: DescMessage, made: Map<DescMessage, MessageRule>): MessageRule {
  const known = made.get(desc);
  if (known !== undefined) return known;
  const rule = new Map<number, FieldRule>();
  made.set(desc, rule);
  for (const field of desc.fields) rule.set(field.number, fieldRule(field, made));
  return rule;
}

function fieldRule(field: DescField, made: Map<DescMessage, MessageRule>): FieldRule {
  const value = valueRule(field, made);
  if (field.fieldKind !== "map") return value;
  const key = { ...value, ...scalarRule(field.mapKey), message: undefined, name: "key" };
  return {
    ...value,
    wireType: LENGTH,
    text: false,
    raw: false,
    message: new Map([
      [1, { ...key, counts: false }],
      [2, { ...value, name: "value", counts: false }],
    ]),
  };
}

function valueRule(field: DescField, made: Map<DescMessage, MessageRule>): FieldRule {
  const many = field.fieldKind === "list" || field.fieldKind === "map";
  const rule = { name: field.name, counts: many, packed: false, message: undefined };
  if (field.message !== undefined) {
    const group = field.fieldKind !== "map" && field.delimitedEncoding;
    const message = messageRule(field.message, made);
    return { ...rule, wireType: group ? START_GROUP : LENGTH, text: false, raw: false, message };
  }
  const scalar = scalarRule(field.scalar ?? ScalarType.INT32);
  return { ...rule, ...scalar, packed: field.fieldKind === "list" && scalar.wireType !== LENGTH };
}

function scalarRule(type: ScalarType): Pick<FieldRule, "wireType" | "text" | "raw"> {
  const rule = { text: type === ScalarType.STRING, raw: type === ScalarType.BYTES };
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return { ...rule, wireType: LENGTH };
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { ...rule, wireType: BIT64 };
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return { ...rule, wireType: BIT32 };
    default:
      return { ...rule, wireType: VARINT };
  }
}

class Walk {
  readonly #bytes: Uint8Array;
  readonly #checkText: boolean;
  sawRaw = false;
  #at = 0;
  #values = 0;
  #packedNumbers = 0;

  constructor(bytes: Uint8Array, checkText: boolean) {
    this.#bytes = bytes;
    this.#checkText = checkText;
  }

  /** @param group Number of the group field whose end is awaited; 0 for a message with a length. */
  message(rule: MessageRule, end: number, depth: number, group: number): void {
    if (depth > MAX_DEPTH) throw new FieldFault(`nested more than ${MAX_DEPTH} messages deep`);
    while (this.#at < end) {
      const tag = this.#tag(end);
      const number = tag >>> 3;
      const wireType = tag & 7;
      if (wireType === END_GROUP) {
        if (number === group) return;
        throw new FieldFault(`end of group ${number}, which was not begun`);
      }
      const field = rule.get(number);
      if (field === undefined) {
        this.#skip(number, wireType, end, depth);
        continue;
      }
      try {
        this.#field(field, number, wireType, end, depth);
      } catch (thrown) {
        throw thrown instanceof FieldFault ? thrown.under(`.${field.name}`) : thrown;
      }
    }
    if (group !== 0) throw new FieldFault(`the body ends before group ${group} does`);
  }

  #field(field: FieldRule, number: number, wireType: number, end: number, depth: number): void {
    if (field.counts && ++this.#values > MAX_VALUES) {
      throw new FieldFault(`more than ${MAX_VALUES} repeated values in one body`);
    }
    if (wireType === field.wireType) {
      if (field.raw) this.sawRaw = true;
      if (field.message !== undefined) this.#nested(field.message, number, wireType, end, depth);
      else if (field.text && this.#checkText) this.#text(end);
      else this.#skip(number, wireType, end, depth);
    } else if (field.packed && wireType === LENGTH) {
      this.#packed(field.wireType, end);
    } else {
      const [expected, got] = [WIRE_TYPES[field.wireType], WIRE_TYPES[wireType]];
      throw new FieldFault(`expected wire type ${expected}, got ${got}`);
    }
  }

  #nested(rule: MessageRule, number: number, wireType: number, end: number, depth: number): void {
    if (wireType === START_GROUP) this.message(rule, end, depth + 1, number);
    else this.message(rule, this.#length(end), depth + 1, 0);
  }

  #text(end: number): void {
    const stop = this.#length(end);
    if (!isUtf8(this.#bytes.subarray(this.#at, stop))) {
      throw new FieldFault("the string is not valid UTF-8");
    }
    this.#at = stop;
  }

  #packed(wireType: number, end: number): void {
    const stop = this.#length(end);
    const start = this.#at;
    if (wireType === VARINT) {
      while (this.#at < stop) {
        this.#varint(stop);
        this.#countPacked(1);
      }
      return;
    }
    const size = wireType === BIT64 ? 8 : 4;
    if ((stop - start) % size !== 0) throw new FieldFault("the last packed number is cut off");
    this.#countPacked((stop - start) / size);
    this.#at = stop;
  }

  #countPacked(numbers: number): void {
    this.#packedNumbers += numbers;
    if (this.#packedNumbers > MAX_PACKED_NUMBERS) {
      throw new FieldFault(`more than ${MAX_PACKED_NUMBERS} packed numbers in one body`);
    }
  }

  #skip(number: number, wireType: number, end: number, depth: number): void {
    switch (wireType) {
      case VARINT:
        this.#varint(end);
        return;
      case LENGTH:
        this.#at = this.#length(end);
        return;
      case START_GROUP:
        this.message(NOTHING_KNOWN, end, depth + 1, number);
        return;
      default:
        this.#advance(wireType === BIT64 ? 8 : 4, end);
    }
  }

  #advance(count: number, end: number): void {
    if (count > end - this.#at) {
      throw new FieldFault(`cut off: ${count} bytes expected, ${end - this.#at} left`);
    }
    this.#at += count;
  }

  /** Field number and wire type; both within what protobuf allows. */
  #tag(end: number): number {
    const tag = this.#uint32(end, "a field number");
    if (tag >>> 3 === 0) throw new FieldFault("field number 0");
    if ((tag & 7) > BIT32) throw new FieldFault(`unknown wire type ${tag & 7}`);
    return tag;
  }

  /** Reads a length and returns where what it measures ends. */
  #length(end: number): number {
    const length = this.#uint32(end, "a length");
    if (length > end - this.#at) {
      throw new FieldFault(`cut off: ${length} bytes announced, ${end - this.#at} left`);
    }
    return this.#at + length;
  }

  #uint32(end: number, what: string): number {
    const first = this.#bytes[this.#at] as number;
    if (first < 0x80 && this.#at < end) {
      this.#at++;
      return first;
    }
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#at >= end) throw new FieldFault(`cut off within ${what}`);
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw new FieldFault(`${what} is longer than 32 bits`);
  }

  /** Steps over a number; ten bytes hold 64 bits. */
  #varint(end: number): void {
    for (let count = 0; count < 10; count++) {
      if (this.#at >= end) throw new FieldFault("cut off within a number");
      if ((this.#bytes[this.#at++] as number) < 0x80) return;
    }
    throw new FieldFault("a number is longer than 64 bits");
  }
}

const NOTHING_KNOWN: MessageRule = new Map();
