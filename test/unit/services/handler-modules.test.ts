import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, suite, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { isAgentError } from "#src/base/errors.ts";
import { systemTimeBox } from "#src/host/time-box.ts";
import { EchoSchema, file_agent } from "#src/services/gen/agent_pb.ts";
import {
  type HandlerModule,
  type LoadedModule,
  loadHandlerModules,
} from "#src/services/handler-modules.ts";
import type { HandlerClient } from "#src/services/handler-sdk.ts";
import { MemoryServer, type RawPeer, request } from "../../fakes/memory-server.ts";

const directory = mkdtempSync(join(tmpdir(), "handlers-"));
after(() => rmSync(directory, { recursive: true }));

const GREETER = resolve(import.meta.dirname, "../../../docs/examples/greeter.mjs");
const client = {
  call: (service: string, endpoint: string, body: unknown) =>
    Promise.resolve({ service, endpoint, body }),
} as unknown as HandlerClient;

const BOX = { maxBodyBytes: 4 << 20, timeBox: systemTimeBox() };

let count = 0;
function moduleOf(source: string): string {
  const path = join(directory, `module-${count++}.mjs`);
  writeFileSync(path, source);
  return path;
}

async function load(
  ...modules: HandlerModule[]
): Promise<{ memory: MemoryServer; peer: RawPeer; loaded: readonly LoadedModule[] }> {
  const memory = new MemoryServer();
  const { table, log, clock } = memory;
  const { signal } = new AbortController();
  const parts = { table, serviceName: "microedge", client, clock, log, signal, ...BOX };
  const loaded = await loadHandlerModules(modules, parts);
  return { memory, peer: memory.connect(), loaded };
}

suite("the example greeter.mjs", () => {
  test("registers under the configured service and answers", async () => {
    const { memory, peer, loaded } = await load({ module: GREETER, service: "greeter" });
    assert.deepEqual(loaded, [
      {
        module: GREETER,
        service: "greeter",
        endpoints: ["greeter/Greeter.Hello", "greeter/Greeter.Count"],
      },
    ]);
    assert.equal(memory.log.of("handlers.loaded").length, 1);
    peer.send(request("Greeter.Hello", '{"name":" ann ","language":"de"}'));
    assert.deepEqual(JSON.parse((await peer.reply()).body), { text: "Hallo ann" });
    const [note] = memory.log.of("handler.note");
    assert.deepEqual(note, { module: GREETER, text: "greeted", language: "de", peer: "tester" });
  });

  test("says which field is wrong, and throws its own error", async () => {
    const { peer } = await load({ module: GREETER, service: "greeter" });
    for (const { body, code, detail } of [
      { body: "{}", code: 400, detail: /name/ },
      { body: '{"name":""}', code: 400, detail: /name/ },
      { body: '{"name":"ann","nmae":1}', code: 400, detail: /nmae/ },
      { body: '{"name":"nobody"}', code: 404, detail: /nobody to greet/ },
    ]) {
      peer.send(request("Greeter.Hello", body));
      const { error } = await peer.reply();
      assert.equal(error?.code, code);
      assert.match(error?.detail ?? "", detail);
    }
  });

  test("streams", async () => {
    const { peer } = await load({ module: GREETER, service: undefined });
    const headers = { "Micro-Stream": "1", "Micro-Service": "microedge" };
    for (const body of ["", '{"to":3}']) peer.send(request("Greeter.Count", body, headers));
    for (const n of [1, 2, 3]) assert.deepEqual(JSON.parse((await peer.reply()).body), { n });
  });
});

suite("a handler module", () => {
  test("may register under several services, call others, use bytes and await", async () => {
    const module = moduleOf(`
      export async function register(sdk) {
        await null;
        sdk.service("other").unary("A.Raw", {
          kind: "read", request: sdk.bytes, response: sdk.bytes, handle: (bytes) => bytes.toReversed(),
        });
        sdk.unary("A.Ask", {
          kind: "read", request: sdk.schema.unknown(), response: sdk.schema.unknown(),
          handle: (body) => sdk.client.call("there", "B.C", body),
        });
      }`);
    const { memory, peer } = await load({ module, service: "mine" });
    assert.deepEqual(memory.table.services(), ["mine", "other"]);
    peer.send(
      request("A.Raw", Buffer.from([1, 2, 3]), { "Content-Type": "application/octet-stream" }),
    );
    assert.deepEqual([...(await peer.reply()).bytes], [3, 2, 1]);
    peer.send(request("A.Ask", '{"x":1}'));
    assert.deepEqual(JSON.parse((await peer.reply()).body), {
      service: "there",
      endpoint: "B.C",
      body: { x: 1 },
    });
  });

  test("gets protobuf messages from a descriptor set, and may answer with plain objects", async () => {
    const set = join(directory, "agent.binpb");
    const files = create(FileDescriptorSetSchema, { file: [file_agent.proto] });
    writeFileSync(set, toBinary(FileDescriptorSetSchema, files));
    const module = moduleOf(`
      import { readFileSync } from "node:fs";
      export function register(sdk) {
        const types = sdk.protobuf(readFileSync(${JSON.stringify(set)}));
        const Echo = types.message("microedge.Echo", { bytesField: "data" });
        sdk.unary("P.Next", {
          kind: "read", request: Echo, response: Echo,
          handle: ({ text, seq }) => ({ text: text + "!", seq: seq + 1n }),
        });
      }`);
    const { peer } = await load({ module, service: undefined });
    peer.send(request("P.Next", '{"text":"a","seq":"9007199254740992"}'));
    assert.deepEqual(JSON.parse((await peer.reply()).body), {
      text: "a!",
      seq: "9007199254740993",
    });
    const bytes = toBinary(EchoSchema, create(EchoSchema, { text: "b" }));
    peer.send(request("P.Next", bytes, { "Content-Type": "application/protobuf" }));
    assert.equal((await peer.reply()).error, undefined);
  });

  test("without a kind is write, which no peer may call by default", async () => {
    const module = moduleOf(`
      export const register = ({ unary, schema: s }) =>
        unary("A.Set", { request: s.unknown(), response: s.unknown(), handle: () => 1 });`);
    const { peer } = await load({ module, service: undefined });
    peer.send(request("A.Set", "1"));
    assert.equal((await peer.reply()).error?.code, 403);
  });
});

const definition = "{ request: s.unknown(), response: s.unknown(), handle: () => 1 }";
const registering = (body: string): string =>
  `export function register(sdk) { const { unary, stream, schema: s } = sdk; ${body} }`;

suite("a handler module that can't be used stops the start and is named", () => {
  for (const { why, source, message } of [
    { why: "syntax error", source: "export function (", message: /can't be loaded/ },
    { why: "throws at load", source: 'throw new Error("boom")', message: /can't be loaded: boom/ },
    { why: "no register", source: "export const x = 1", message: /does not export .* register/ },
    { why: "register is no function", source: "export const register = 1", message: /register/ },
    { why: "register throws", source: registering('throw new Error("boom")'), message: /boom/ },
    {
      why: "register rejects",
      source: 'export const register = () => Promise.reject(new Error("late boom"))',
      message: /late boom/,
    },
    { why: "registers nothing", source: registering(""), message: /no endpoint/ },
    { why: "bad name", source: registering(`unary("Hello", ${definition})`), message: /"Hello"/ },
    { why: "name that is none", source: registering(`unary(7, ${definition})`), message: /"7"/ },
    {
      why: "twice",
      source: registering(`unary("A.B", ${definition}); unary("A.B", ${definition})`),
      message: /already has an endpoint A\.B/,
    },
    {
      why: "bad kind",
      source: registering(`unary("A.B", { ...${definition}, kind: "wirte" })`),
      message: /A\.B: kind is "wirte"; it must be read, write, admin/,
    },
    {
      why: "unknown key",
      source: registering(`unary("A.B", { ...${definition}, handler: 1 })`),
      message: /A\.B: unknown key "handler"/,
    },
    {
      why: "no handle",
      source: registering('unary("A.B", { request: s.unknown(), response: s.unknown() })'),
      message: /A\.B: handle is not a function/,
    },
    {
      why: "no request type",
      source: registering('unary("A.B", { response: s.unknown(), handle: () => 1 })'),
      message: /A\.B request is not a type/,
    },
    { why: "no definition", source: registering('unary("A.B")'), message: /A\.B: expected/ },
    {
      why: "service name that is none",
      source: registering(`sdk.service("a b").unary("A.B", ${definition})`),
      message: /"a b"/,
    },
    {
      why: "descriptors that are none",
      source: registering("sdk.protobuf(new Uint8Array([255]))"),
      message: /FileDescriptorSet/,
    },
    {
      why: "descriptors by name",
      source: registering('sdk.protobuf("x.binpb")'),
      message: /takes the bytes/,
    },
    {
      why: "message that the descriptors lack",
      source: registering('sdk.protobuf(new Uint8Array()).message("A")'),
      message: /no message "A"/,
    },
  ]) {
    test(why, async () => {
      const module = moduleOf(source);
      await assert.rejects(load({ module, service: undefined }), (thrown) => {
        assert.ok(isAgentError(thrown, "ERR_HANDLER_MODULE"));
        assert.match(thrown.message, message);
        assert.ok(thrown.message.includes(module), thrown.message);
        return true;
      });
    });
  }

  test("a file that is not there", () =>
    assert.rejects(load({ module: join(directory, "none.mjs"), service: undefined }), /none\.mjs/));

  for (const { why, source } of [
    { why: "at its top", source: `await new Promise(() => {});\n${registering("")}` },
    { why: "in register()", source: "export const register = () => new Promise(() => {})" },
  ]) {
    test(`one that waits for ever ${why}: time runs out, or the start is given up`, async () => {
      const modules = [{ module: moduleOf(source), service: undefined }];
      const { table, log, clock } = new MemoryServer();
      const stop = new AbortController();
      const parts = {
        table,
        serviceName: "microedge",
        client,
        clock,
        log,
        signal: stop.signal,
        ...BOX,
      };
      const stopped = assert.rejects(loadHandlerModules(modules, parts), /stopped by SIGTERM/);
      await clock.advance(29_999);
      stop.abort(new Error("stopped by SIGTERM"));
      await stopped;
      assert.equal(clock.timers, 0);
      await assert.rejects(loadHandlerModules(modules, parts), /stopped by SIGTERM/);

      const { signal } = new AbortController();
      const waiting = assert.rejects(loadHandlerModules(modules, { ...parts, signal }), {
        code: "ERR_HANDLER_MODULE",
        message: /module-\d+\.mjs: is not loaded after 30 s: something that it awaits/,
      });
      await clock.advance(30_000);
      await waiting;
    });
  }

  test("an endpoint registered after register() is refused", async () => {
    const key = `late${count}`;
    const module = moduleOf(`
      export function register({ unary, schema: s }) {
        unary("A.B", ${definition});
        globalThis.${key} = () => unary("A.Late", ${definition});
      }`);
    await load({ module, service: undefined });
    const late = (globalThis as unknown as Record<string, () => void>)[key];
    assert.throws(
      () => late?.(),
      (thrown) => isAgentError(thrown, "ERR_HANDLER_MODULE"),
    );
  });
});
