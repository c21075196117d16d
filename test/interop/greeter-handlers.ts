/**
 * The Greeter service of the Go peers as a handler module for the built program: what a service
 * developer would write, protobuf types included.
 */
import { resolve } from "node:path";
import { run } from "../fakes/child.ts";
import type { Site } from "../fakes/site.ts";

const ROOT = resolve(import.meta.dirname, "../..");

const MODULE = `
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

export function register(sdk) {
  const { message } = sdk.protobuf(readFileSync(new URL("greeter.binpb", import.meta.url)));
  const request = message("greeter.HelloRequest");
  const response = message("greeter.HelloResponse");
  const greeter = sdk.service("greeter");
  const unary = (name, handle) => greeter.unary(name, { kind: "read", request, response, handle });
  const stream = (name, handle) => greeter.stream(name, { kind: "read", request, response, handle });

  unary("Greeter.Hello", ({ firstName, seqNo, blob }) => ({
    greetingText: "hello " + firstName, seqNo, blob,
  }));
  unary("Greeter.Headers", (_, call) => {
    for (const [name, value] of call.metadata) {
      if (name.startsWith("x-")) call.replyMetadata.set(name + "-back", value);
    }
    return { greetingText: [...call.metadata].map(([k, v]) => k + "=" + v).join("\\n") };
  });
  unary("Greeter.Fail", ({ firstName }) => {
    throw sdk.error(404, "no such " + firstName, "greeter.fail");
  });
  unary("Greeter.Panic", () => {
    throw new TypeError("boom of a secret kind");
  });
  unary("Greeter.Slow", async ({ seqNo }, call) => {
    await pause(Number(seqNo), undefined, { signal: call.signal });
    return { greetingText: "slept", seqNo };
  });
  stream("Greeter.Chat", async function* (requests) {
    for await (const { firstName, seqNo, blob } of requests) {
      if (firstName === "fail") throw sdk.error(500, "chat failed", "greeter.chat");
      if (firstName === "bye") return;
      yield { greetingText: "chat " + firstName, seqNo, blob };
    }
  });
  stream("Greeter.Count", async function* (requests) {
    for await (const { seqNo } of requests) {
      for (let n = 1n; n <= seqNo; n++) yield { greetingText: "count", seqNo: n, last: n === seqNo };
      return;
    }
  });
}
`;

/** Writes the module and its descriptors into the site; returns TOML that loads it. */
export async function greeterHandlers(site: Site): Promise<string> {
  const built = await run([
    resolve(ROOT, "node_modules/.bin/buf"),
    ...["build", resolve(ROOT, "test/interop/peers/proto")],
    ...["-o", resolve(site.directory, "greeter.binpb")],
  ]);
  if (built.code !== 0) throw new Error(`buf build failed: ${built.stderr}`);
  const module = await site.write("greeter.mjs", MODULE);
  return `[[handlers]]\nmodule = "${module}"\n`;
}
