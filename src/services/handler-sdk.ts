/**
 * What a handler module gets: the parameter of its `register` function. `docs/handlers.md` explains it
 * to authors, `docs/examples/microedge-handlers.d.ts` types it for them.
 */
import { AgentError } from "../base/errors.ts";
import type { LogFields, Logger } from "../base/log.ts";
import type { Client } from "../rpc/client/client.ts";
import type { Endpoint } from "../rpc/endpoint.ts";
import { HandlerError } from "../rpc/server/handler-error.ts";
import { bytesShape } from "../wire/codec/bytes-shape.ts";
import { endpointOf } from "./handler-definition.ts";
import { type MessageTypes, messageTypes } from "./handler-protobuf.ts";
import { handlerSchema } from "./handler-schema.ts";

/** Calls to other services, as handlers may make them. */
export type HandlerClient = Pick<Client, "call" | "exchange" | "stream">;

interface Registrar {
  unary(name: string, definition: unknown): void;
  stream(name: string, definition: unknown): void;
}

/** What a module may log: at two levels, under the agent's own events, with its path on every line. */
interface HandlerLog {
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
}

export interface HandlerSdk extends Registrar {
  /** Registers under another service name than the module's own. */
  service(name: string): Registrar;
  /** Speaks a further content type, for all endpoints of the agent. */
  codec(definition: unknown): void;
  readonly schema: typeof handlerSchema;
  /** A body of raw bytes; only `application/octet-stream` carries it. */
  readonly bytes: typeof bytesShape;
  protobuf(descriptorSet: Uint8Array): MessageTypes;
  /** An error to throw, with a code of 400 to 599 and a text for the caller. */
  error(code: number, detail: string, id?: string): Error;
  readonly client: HandlerClient;
  readonly log: HandlerLog;
}

export interface SdkParts {
  /** Service under which `sdk.unary` and `sdk.stream` register. */
  readonly service: string;
  readonly client: HandlerClient;
  readonly log: Logger;
  register(service: string, name: string, endpoint: Endpoint): void;
  registerCodec(definition: unknown): void;
}

/** An SDK and the switch that ends registration: endpoints are known before the agent serves. */
export function handlerSdk(parts: SdkParts): { readonly sdk: HandlerSdk; close(): void } {
  let open = true;
  const assertOpen = (label: string): void => {
    if (open) return;
    throw new AgentError(
      "ERR_HANDLER_MODULE",
      `${label}: registered after register() had returned; await what comes before it`,
    );
  };
  const add = (mode: Endpoint["mode"], service: string, name: unknown, definition: unknown) => {
    const label = typeof name === "string" ? name : String(name);
    assertOpen(label);
    parts.register(service, label, endpointOf(mode, label, definition));
  };
  const registrar = (service: string): Registrar => ({
    unary: (name, definition) => add("unary", service, name, definition),
    stream: (name, definition) => add("stream", service, name, definition),
  });
  const sdk: HandlerSdk = {
    ...registrar(parts.service),
    service: (name) => registrar(String(name)),
    codec: (definition) => {
      assertOpen("codec");
      parts.registerCodec(definition);
    },
    schema: handlerSchema,
    bytes: bytesShape,
    protobuf: messageTypes,
    error: (code, detail, id) => new HandlerError(code, detail, id),
    client: parts.client,
    log: {
      info: (text, fields) => parts.log.emit("handler.note", { ...fields, text: String(text) }),
      warn: (text, fields) => parts.log.emit("handler.warning", { ...fields, text: String(text) }),
    },
  };
  return {
    sdk,
    close: () => {
      open = false;
    },
  };
}
