/**
 * Shape of a protobuf message: JSON in both dialects, protobuf, and raw bytes where one field stands
 * for the whole message.
 */
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type MessageShape,
  type Registry,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { AgentError, errorText } from "../../base/errors.ts";
import { asBodyError, bodyError, FieldFault } from "./body-fault.ts";
import type { JsonDialect, JsonValue } from "./json-value.ts";
import { MAX_DEPTH } from "./limits.ts";
import { messageJsonReader } from "./message-json-reader.ts";
import { messageJsonWriter } from "./message-json-writer.ts";
import { ProtobufCheck } from "./protobuf-check.ts";
import type { ReadValue, WriteValue } from "./scalar-json.ts";
import type { Shape } from "./shape.ts";

export interface MessageShapeOptions {
  /**
   * Name of the `bytes` field that a raw-bytes body is. Without it, `application/octet-stream` is
   * refused. Other fields have no place in a raw body and are lost there.
   */
  readonly bytesField?: string;
  /** Message types that a `google.protobuf.Any` may hold in JSON. */
  readonly registry?: Registry;
}

/** Unknown fields are dropped, not passed on: they are not ours to vouch for, and they cost memory. */
const READ = { readUnknownFields: false, recursionLimit: MAX_DEPTH };
const WRITE = { writeUnknownFields: false };

/**
 * Shape of `desc`. Readers and writers are built on first use of each format, then kept.
 *
 * What is written may also be a plain object with some of the fields, as `create` takes it.
 *
 * @throws TypeError if `bytesField` is not a single `bytes` field of `desc`.
 */
export function messageShape<Desc extends DescMessage>(
  desc: Desc,
  options: MessageShapeOptions = {},
): Shape<MessageShape<Desc>> {
  return new MessageCodec(desc, options);
}

class MessageCodec<Desc extends DescMessage> implements Shape<MessageShape<Desc>> {
  readonly typeName: string;
  readonly #desc: Desc;
  readonly #registry: Registry | undefined;
  readonly #bytesField: DescField | undefined;
  readonly #readers = new Map<JsonDialect, ReadValue>();
  readonly #writers = new Map<JsonDialect, WriteValue>();
  #check: ProtobufCheck | undefined;

  constructor(desc: Desc, { bytesField, registry }: MessageShapeOptions) {
    this.typeName = desc.typeName;
    this.#desc = desc;
    this.#registry = registry;
    this.#bytesField = bytesField === undefined ? undefined : findBytesField(desc, bytesField);
  }

  fromJson(value: JsonValue, dialect: JsonDialect): MessageShape<Desc> {
    let read = this.#readers.get(dialect);
    if (read === undefined) {
      read = messageJsonReader(this.#desc, dialect, this.#registry);
      this.#readers.set(dialect, read);
    }
    try {
      return read(value) as MessageShape<Desc>;
    } catch (thrown) {
      throw asBodyError(this.typeName, thrown);
    }
  }

  toJson(value: MessageShape<Desc>, dialect: JsonDialect): string {
    let write = this.#writers.get(dialect);
    if (write === undefined) {
      write = messageJsonWriter(this.#desc, dialect, this.#registry);
      this.#writers.set(dialect, write);
    }
    try {
      return write(this.#complete(value));
    } catch (thrown) {
      throw this.#unwritable(thrown);
    }
  }

  fromProtobuf(bytes: Uint8Array): MessageShape<Desc> {
    this.#check ??= new ProtobufCheck(this.#desc);
    try {
      // A Buffer's own slice() would be a window on the same memory.
      const keepsWindows = this.#check.check(bytes);
      return fromBinary(this.#desc, keepsWindows ? new Uint8Array(bytes) : bytes, READ);
    } catch (thrown) {
      if (thrown instanceof FieldFault) throw asBodyError(this.typeName, thrown);
      throw this.#unreadable(this.#check, bytes, thrown);
    }
  }

  toProtobuf(value: MessageShape<Desc>): Uint8Array {
    try {
      return toBinary(this.#desc, this.#complete(value), WRITE);
    } catch (thrown) {
      throw this.#unwritable(thrown);
    }
  }

  fromBytes(bytes: Uint8Array): MessageShape<Desc> {
    const message = create(this.#desc);
    (message as unknown as Record<string, unknown>)[this.#rawField().localName] = new Uint8Array(
      bytes,
    );
    return message;
  }

  toBytes(value: MessageShape<Desc>): Uint8Array {
    const field = this.#rawField();
    const bytes =
      (value as unknown as Record<string, unknown>)[field.localName] ?? new Uint8Array();
    if (bytes instanceof Uint8Array) return bytes;
    throw this.#unwritable(new FieldFault("expected bytes").under(`.${field.name}`));
  }

  #rawField(): DescField {
    if (this.#bytesField !== undefined) return this.#bytesField;
    throw new AgentError(
      "ERR_WIRE_CONTENT_TYPE",
      `${this.typeName} has no raw form: send JSON or protobuf`,
    );
  }

  /** Handlers may answer with a plain object; both writers want a whole message. */
  #complete(value: MessageShape<Desc>): MessageShape<Desc> {
    if (value?.$typeName === this.typeName) return value;
    return create(this.#desc, value as never);
  }

  /** The library found what the check let pass: text that is not UTF-8, whose field is found now. */
  #unreadable(check: ProtobufCheck, bytes: Uint8Array, thrown: unknown): unknown {
    try {
      check.checkText(bytes);
    } catch (fault) {
      return asBodyError(this.typeName, fault);
    }
    return bodyError(this.typeName, "", `not a protobuf message: ${errorText(thrown)}`);
  }

  #unwritable(thrown: unknown): AgentError {
    const [path, reason] =
      thrown instanceof FieldFault ? [thrown.path, thrown.reason] : ["", errorText(thrown)];
    const field = this.typeName + path;
    return new AgentError("ERR_INTERNAL", `${field} can't be written: ${reason}`, {
      ...(thrown instanceof FieldFault ? {} : { cause: thrown }),
      fields: { field, reason },
    });
  }
}

function findBytesField(desc: DescMessage, name: string): DescField {
  const field = desc.fields.find((candidate) => candidate.name === name);
  if (
    field?.fieldKind === "scalar" &&
    field.scalar === ScalarType.BYTES &&
    field.oneof === undefined
  ) {
    return field;
  }
  throw new TypeError(`${desc.typeName} has no single bytes field ${name}`);
}
