/**
 * What a handler module says about one endpoint, checked: authors write JavaScript, so no compiler has
 * looked at it before.
 */
import { AgentError } from "../base/errors.ts";
import { ENDPOINT_KINDS, type EndpointKind } from "../guard/endpoint-kind.ts";
import { type Endpoint, stream, unary } from "../rpc/endpoint.ts";
import type { Shape } from "../wire/codec/shape.ts";
import { jsonShape, type StandardSchema } from "../wire/codec/standard-shape.ts";
import { boundedSchema } from "./handler-schema.ts";

const KEYS: readonly string[] = ["kind", "request", "response", "handle"];

/**
 * The endpoint that `definition` describes.
 *
 * @param name `Handler.Method`, for messages and for the shapes' names.
 * @throws AgentError `ERR_HANDLER_MODULE` that names what is wrong.
 */
export function endpointOf(mode: Endpoint["mode"], name: string, definition: unknown): Endpoint {
  if (typeof definition !== "object" || definition === null) {
    throw fault(`${name}: expected an object with kind, request, response and handle`);
  }
  const stranger = Object.keys(definition).find((key) => !KEYS.includes(key));
  if (stranger !== undefined) {
    throw fault(`${name}: unknown key ${JSON.stringify(stranger)}; known are ${KEYS.join(", ")}`);
  }
  const { kind, request, response, handle } = definition as Record<string, unknown>;
  if (typeof handle !== "function") throw fault(`${name}: handle is not a function`);
  const parts = {
    kind: kindOf(name, kind),
    request: shapeOf(`${name} request`, request),
    response: shapeOf(`${name} response`, response),
  };
  // What the function takes and gives is checked by the shapes, call by call.
  return mode === "unary"
    ? unary({ ...parts, handle: handle as () => unknown })
    : stream({ ...parts, handle: handle as () => AsyncIterable<unknown> });
}

function kindOf(name: string, kind: unknown): EndpointKind {
  if (kind === undefined) return "write"; // the careful one
  const known = ENDPOINT_KINDS.find((each) => each === kind);
  if (known !== undefined) return known;
  throw fault(`${name}: kind is ${JSON.stringify(kind)}; it must be ${ENDPOINT_KINDS.join(", ")}`);
}

function shapeOf(name: string, type: unknown): Shape<unknown> {
  if (isStandardSchema(type)) return jsonShape(name, boundedSchema(type));
  if (isShape(type)) return type;
  throw fault(
    `${name} is not a type: use sdk.schema, a message of sdk.protobuf, sdk.bytes or any Standard Schema`,
  );
}

function isStandardSchema(type: unknown): type is StandardSchema<unknown> {
  return typeof type === "object" && type !== null && "~standard" in type;
}

function isShape(type: unknown): type is Shape<unknown> {
  return typeof type === "object" && type !== null && "typeName" in type && "fromJson" in type;
}

function fault(message: string): AgentError {
  return new AgentError("ERR_HANDLER_MODULE", message);
}
