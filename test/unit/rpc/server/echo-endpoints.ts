/** Endpoints that the server tests call. */
import * as v from "valibot";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { HandlerError } from "#src/rpc/server/handler-error.ts";
import { jsonShape } from "#src/wire/codec/standard-shape.ts";

export const anyJson = jsonShape("any", v.unknown());
const named = jsonShape("Greeter.Hello request", v.object({ name: v.string() }));

export const echo = unary({
  kind: "read",
  request: anyJson,
  response: anyJson,
  handle: (value) => value,
});

export const hello = unary({
  kind: "read",
  request: named,
  response: anyJson,
  handle: ({ name }) => ({ text: `hello ${name}` }),
});

/** Answers when the test lets it, by the number in the body. */
export function gated(): { readonly endpoint: typeof echo; open(key: number): void } {
  const gates = new Map<unknown, PromiseWithResolvers<unknown>>();
  const gate = (key: unknown): PromiseWithResolvers<unknown> => {
    const found = gates.get(key) ?? Promise.withResolvers<unknown>();
    gates.set(key, found);
    return found;
  };
  return {
    endpoint: unary({
      kind: "read",
      request: anyJson,
      response: anyJson,
      handle: async (key) => {
        await gate(key).promise;
        return key;
      },
    }),
    open: (key) => gate(key).resolve(undefined),
  };
}

export function throwing(thrown: unknown): typeof echo {
  return unary({
    kind: "read",
    request: anyJson,
    response: anyJson,
    handle: () => {
      throw thrown;
    },
  });
}

export const refusing = throwing(new HandlerError(409, "already there", "shop.orders"));

export const echoStream = stream({
  kind: "read",
  request: anyJson,
  response: anyJson,
  handle: (messages) => messages,
});
