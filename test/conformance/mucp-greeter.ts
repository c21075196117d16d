/**
 * The messages of the recorded Greeter service, as `test/vectors/go-micro/index.json` describes them.
 * Built from a descriptor, as a service developer's handler would be.
 */
import { create, createFileRegistry, type DescMessage, type Message } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import type { Shape } from "#src/wire/codec/shape.ts";

const field = (number: number, name: string, type: FieldDescriptorProto_Type) => ({
  number,
  name,
  // A compiler writes it into every descriptor.
  jsonName: name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  type,
  label: Label.OPTIONAL,
});

const file = create(FileDescriptorProtoSchema, {
  name: "greeter.proto",
  package: "greeter",
  syntax: "proto3",
  messageType: [
    {
      name: "HelloRequest",
      field: [
        field(1, "first_name", Type.STRING),
        field(2, "seq_no", Type.INT64),
        field(3, "blob", Type.BYTES),
      ],
    },
    {
      name: "HelloResponse",
      field: [
        field(1, "greeting_text", Type.STRING),
        field(2, "seq_no", Type.INT64),
        field(3, "blob", Type.BYTES),
        field(4, "last", Type.BOOL),
      ],
    },
  ],
});

const registry = createFileRegistry(file, () => undefined);

function shapeOf(name: string): Shape<Message> {
  const desc: DescMessage | undefined = registry.getMessage(name);
  if (desc === undefined) throw new Error(`${name} is not in the descriptor`);
  return messageShape(desc);
}

export const helloRequest: Shape<Message> = shapeOf("greeter.HelloRequest");
export const helloResponse: Shape<Message> = shapeOf("greeter.HelloResponse");

/** See {@link plain}. */
export interface PlainMessage {
  firstName?: string;
  greetingText?: string;
  seqNo?: string;
  blob?: string;
  last?: boolean;
}

/** A message as a plain object: 64-bit integers as text, bytes as hexadecimal, no zero values. */
export function plain(message: Message): PlainMessage {
  const members: Record<string, string | boolean> = {};
  for (const [name, value] of Object.entries(message)) {
    if (name === "$typeName" || name === "$unknown") continue;
    if (value instanceof Uint8Array) {
      if (value.length > 0) members[name] = Buffer.from(value).toString("hex");
    } else if (typeof value === "boolean") {
      if (value) members[name] = value;
    } else if (String(value) !== "" && String(value) !== "0") {
      members[name] = String(value);
    }
  }
  return members as PlainMessage;
}
