/**
 * Protobuf messages for handler modules, from the `FileDescriptorSet` that `buf build -o x.binpb` and
 * `protoc --include_imports --descriptor_set_out=x.binpb` write. No code is generated.
 */
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { AgentError, errorText } from "../base/errors.ts";
import { messageShape } from "../wire/codec/message-shape.ts";
import type { Shape } from "../wire/codec/shape.ts";

export interface MessageTypes {
  /**
   * The shape of `typeName`, with its package: `greeter.HelloRequest`. Values are objects with lowerCamel
   * fields and `bigint` for 64-bit integers; what a handler answers may leave fields out.
   *
   * @param options `bytesField`: the field that a raw-bytes body stands for.
   * @throws AgentError `ERR_HANDLER_MODULE` if the descriptors have no such message or field.
   */
  message(typeName: string, options?: { readonly bytesField?: string }): Shape<unknown>;
}

/** @throws AgentError `ERR_HANDLER_MODULE` if the bytes are not a whole `FileDescriptorSet`. */
export function messageTypes(descriptorSet: Uint8Array): MessageTypes {
  const registry = registryOf(descriptorSet);
  return {
    message(typeName, options = {}) {
      const desc = registry.getMessage(typeName);
      if (desc === undefined) {
        throw new AgentError(
          "ERR_HANDLER_MODULE",
          `the descriptors hold no message ${JSON.stringify(typeName)}; write it with its package`,
        );
      }
      try {
        return messageShape(desc, { ...options, registry });
      } catch (cause) {
        throw new AgentError("ERR_HANDLER_MODULE", errorText(cause), { cause });
      }
    },
  };
}

function registryOf(descriptorSet: Uint8Array): ReturnType<typeof createFileRegistry> {
  if (!(descriptorSet instanceof Uint8Array)) {
    throw new AgentError(
      "ERR_HANDLER_MODULE",
      "sdk.protobuf takes the bytes of a FileDescriptorSet, as readFileSync gives them",
    );
  }
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  } catch (cause) {
    throw new AgentError(
      "ERR_HANDLER_MODULE",
      `not a FileDescriptorSet with its imports: ${errorText(cause)}`,
      { cause },
    );
  }
}
