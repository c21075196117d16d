/** Codecs of handler modules, from the module to the peer. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { systemTimeBox } from "#src/host/time-box.ts";
import { type LoadedModule, loadHandlerModules } from "#src/services/handler-modules.ts";
import type { HandlerClient } from "#src/services/handler-sdk.ts";
import { MemoryServer, type RawPeer, request } from "../../fakes/memory-server.ts";

const directory = mkdtempSync(join(tmpdir(), "codecs-"));
after(() => rmSync(directory, { recursive: true }));
const CBOR = resolve(import.meta.dirname, "../../../docs/examples/cbor.mjs");
const TYPE = "application/x-test";

interface Loaded {
  readonly memory: MemoryServer;
  readonly peer: RawPeer;
  readonly loaded: readonly LoadedModule[];
}

async function load(...modules: readonly string[]): Promise<Loaded> {
  const memory = new MemoryServer();
  const { table, log, clock } = memory;
  const { signal } = new AbortController();
  const loaded = await loadHandlerModules(
    modules.map((module) => ({ module, service: undefined })),
    {
      table,
      serviceName: "microedge",
      client: {} as HandlerClient,
      clock,
      log,
      signal,
      maxBodyBytes: 4 << 20,
      timeBox: systemTimeBox(),
    },
  );
  return { memory, peer: memory.connect(), loaded };
}

const written = { count: 0 };
function moduleOf(codec: string, more = ""): string {
  const path = join(directory, `codec-${written.count++}.mjs`);
  writeFileSync(
    path,
    `export function register(sdk) {
      const { codec, unary, stream, schema: s, error } = sdk;
      const read = (bytes) => JSON.parse(Buffer.from(bytes).toString());
      const write = (value) => Buffer.from(JSON.stringify(value));
      ${codec};
      const request = s.unknown(), response = s.unknown();
      unary("A.Echo", { kind: "read", request, response, handle: (body) => body });
      stream("A.Chat", {
        kind: "read", request, response,
        async *handle(requests) { for await (const body of requests) yield body; },
      });
      ${more}
    }`,
  );
  return path;
}

const as = (type: string): Record<string, string> => ({ "Content-Type": type });

suite("the example cbor.mjs", () => {
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

  test("answers in the content type of the request", async () => {
    const { memory, peer, loaded } = await load(CBOR);
    assert.deepEqual(loaded[0]?.codecs, ["application/cbor"]);
    assert.deepEqual(memory.log.of("handlers.loaded")[0]?.["codecs"], ["application/cbor"]);
    // {"samples": [1, 2.5, -100]}
    const body = hex("a1 67 73616d706c6573 83 01 f94100 3863".replace("f94100", "fa40200000"));
    peer.send(request("Meter.Sum", body, as("application/cbor")));
    const reply = await peer.reply();
    assert.equal(reply.error, undefined);
    assert.equal(reply.head.headers.get("content-type"), "application/cbor");
    // {"count": 3, "sum": -96.5}
    assert.equal(
      Buffer.from(reply.bytes).toString("hex"),
      hex("a2 65 636f756e74 03 63 73756d fb c058200000000000").toString("hex"),
    );
  });

  for (const { why, body, detail } of [
    {
      why: "cut off",
      body: "a1 67 7361",
      detail: /application\/cbor: byte 2: 7 announced, 2 left/,
    },
    { why: "an array of 4 billion", body: "9b 00000000ffffffff", detail: /announced, 0 left/ },
    { why: "not UTF-8", body: "a1 61 ff 01", detail: /not valid UTF-8/ },
    { why: "a tag", body: "c1 01", detail: /tags are not supported/ },
    { why: "nested 17 deep", body: `${"81".repeat(17)}01`, detail: /more than 16 levels deep/ },
    { why: "the same key twice", body: "a2 61 61 01 61 61 02", detail: /stands twice/ },
    { why: "no map", body: "01", detail: /expected a map/ },
    { why: "two values", body: "a0 a0", detail: /1 bytes follow the value/ },
    { why: "NaN", body: "a1 61 61 fb 7ff8000000000000", detail: /cbor\.a: expected a finite/ },
    { why: "a long string", body: `a1 61 61 7a 00001001 ${"61".repeat(4097)}`, detail: /4096/ },
    { why: "a member that the schema lacks", body: "a1 61 61 01", detail: /Meter\.Sum request/ },
    { why: "__proto__", body: "a1 69 5f5f70726f746f5f5f a1 61 61 01", detail: /__proto__|samples/ },
  ]) {
    test(`answers 400 to ${why}, and serves on`, async () => {
      const { memory, peer } = await load(CBOR);
      peer.send(request("Meter.Sum", hex(body), as("application/cbor")));
      const { error } = await peer.reply();
      assert.equal(error?.code, 400);
      assert.match(error?.detail ?? "", detail);
      assert.deepEqual(memory.log.of("codec.failed"), []);
      peer.send(request("Meter.Sum", '{"samples":[1]}'));
      assert.deepEqual(JSON.parse((await peer.reply()).body), { count: 1, sum: 1 });
    });
  }

  test("any bytes at all are answered, never as the codec's fault", async () => {
    const { memory, peer } = await load(CBOR);
    // Each single byte, and each before bytes that could be anything.
    for (let byte = 0; byte < 256; byte++) {
      for (const tail of ["", "ff".repeat(9), "00".repeat(9), "a16161a161618100"]) {
        const body = Buffer.concat([Buffer.of(byte), hex(tail)]);
        peer.send(request("Meter.Sum", body, as("application/cbor")));
        assert.equal((await peer.reply()).error?.code, 400, body.toString("hex"));
      }
    }
    assert.deepEqual(memory.log.of("codec.failed"), []);
  });
});

suite("a codec of a module", () => {
  test("serves unary calls and streams, beside the built-in ones", async () => {
    const { peer } = await load(moduleOf(`codec({ contentType: "${TYPE}", read, write })`));
    peer.send(request("A.Echo", '{"a":[1]}', as(TYPE)));
    assert.equal((await peer.reply()).body, '{"a":[1]}');
    const stream = { ...as(TYPE), "Micro-Stream": "1", "Micro-Service": "microedge" };
    for (const body of ["", "1", "2"]) peer.send(request("A.Chat", body, stream));
    assert.equal((await peer.reply()).body, "1");
    assert.equal((await peer.reply()).body, "2");
    peer.send(request("A.Echo", "{}", as("application/x-other")));
    assert.equal((await peer.reply()).error?.code, 415);
  });

  for (const body of ['{"a":"€"}', '{"a":"\\ud83d\\ude00"}']) {
    test(`reads ${body} in pieces of one byte as it reads it whole`, async () => {
      const { peer } = await load(moduleOf(`codec({ contentType: "${TYPE}", read, write })`));
      for (const type of [TYPE, "application/json"]) {
        for (const byte of request("A.Echo", body, as(type))) peer.send(Uint8Array.of(byte));
        assert.deepEqual(JSON.parse((await peer.reply()).body), JSON.parse(body));
      }
      const broken = request(
        "A.Echo",
        Buffer.from('{"a":"€"}').fill(0x22, 7, 8),
        as("application/json"),
      );
      for (const byte of broken) peer.send(Uint8Array.of(byte));
      assert.match((await peer.reply()).error?.detail ?? "", /not valid UTF-8/);
    });
  }

  test("of another agent in this process is unknown here", async () => {
    await load(moduleOf(`codec({ contentType: "${TYPE}", read, write })`));
    const { peer } = await load(moduleOf(""));
    peer.send(request("A.Echo", "{}", as(TYPE)));
    assert.equal((await peer.reply()).error?.code, 415);
  });

  test("may blame the body by sdk.error with 4xx; 5xx is its own fault", async () => {
    const module = moduleOf(
      `codec({ contentType: "${TYPE}", write, read: (b) => { throw error(b.length > 1 ? 422 : 503, "says\\nso"); } })`,
    );
    const { memory, peer } = await load(module);
    peer.send(request("A.Echo", "12", as(TYPE)));
    const { error } = await peer.reply();
    assert.deepEqual([error?.code, error?.detail], [400, `${TYPE}: says\\nso`]);
    peer.send(request("A.Echo", "1", as(TYPE)));
    assert.equal((await peer.reply()).error?.code, 500);
    assert.deepEqual(memory.log.of("codec.failed"), [
      { module, codec: TYPE, direction: "read", kind: "threw", reason: "says\\nso", failures: 1 },
    ]);
  });

  for (const { why, codec, kind } of [
    { why: "throws", codec: 'read() { throw new TypeError("secret"); }, write', kind: "threw" },
    {
      why: "can't write",
      codec: 'write() { throw new TypeError("secret"); }, read',
      kind: "threw",
    },
    { why: "returns a promise", codec: "read: () => Promise.reject(1), write", kind: "garbage" },
    { why: "writes no bytes", codec: "read, write: () => 'secret'", kind: "garbage" },
    {
      why: "reads for ever",
      codec: "read() { for (;;); }, write, limits: { maxMs: 20 }",
      kind: "hung",
    },
    {
      why: "writes for ever",
      codec: "write() { for (;;); }, read, limits: { maxMs: 20 }",
      kind: "hung",
    },
    {
      why: "writes too much",
      codec: "read, write: () => new Uint8Array(5e6)",
      kind: "beyond limits",
    },
  ]) {
    test(`that ${why}: 500 and an event; the connection, streams and other codecs go on`, async () => {
      const module = moduleOf(`codec({ contentType: "${TYPE}", ${codec} })`);
      const { memory, peer } = await load(module);
      peer.send(request("A.Echo", '{"a":1}', as(TYPE)));
      const { error } = await peer.reply();
      assert.equal(error?.code, 500);
      assert.equal(error?.id, "microedge.A.Echo");
      assert.doesNotMatch(error?.detail ?? "", /secret/);
      assert.match(error?.detail ?? "", /the codec for application\/x-test failed to/);
      const headers = { ...as(TYPE), "Micro-Stream": "1", "Micro-Service": "microedge" };
      for (const body of ["", "1"]) peer.send(request("A.Chat", body, headers));
      assert.equal((await peer.reply()).error?.code, 500);
      peer.send(request("A.Echo", "7"));
      assert.equal((await peer.reply()).body, "7\n");
      const events = memory.log.of("codec.failed");
      assert.deepEqual(
        events.map((event) => [event["module"], event["codec"], event["kind"], event["failures"]]),
        [
          [module, TYPE, kind, 1],
          [module, TYPE, kind, 2],
        ],
      );
      assert.deepEqual(memory.log.of("rpc.handler.failed"), []);
    });
  }

  test("that hangs three times rests: 503 with the wait, then it is tried again", async () => {
    const module = moduleOf(
      `codec({ contentType: "${TYPE}", write, limits: { maxMs: 20 }, read(b) { if (b.length > 1) for (;;); return 1; } })`,
    );
    const { memory, peer } = await load(module);
    for (let n = 0; n < 3; n++) {
      peer.send(request("A.Echo", "xx", as(TYPE)));
      assert.equal((await peer.reply()).error?.code, 500);
    }
    assert.deepEqual(memory.log.of("codec.resting"), [{ module, codec: TYPE, for_ms: 60_000 }]);
    peer.send(request("A.Echo", "1", as(TYPE)));
    const { error, head } = await peer.reply();
    assert.equal(error?.code, 503);
    assert.equal(JSON.parse(error?.detail ?? "{}").retry_after_ms, 60_000);
    assert.equal(head.headers.get("retry-after"), "60");
    await memory.clock.advance(60_000);
    peer.send(request("A.Echo", "1", as(TYPE)));
    assert.equal((await peer.reply()).body, "1");
  });
});

suite("a codec that can't be registered stops the start and is named", () => {
  const rows: readonly { why: string; codec: string; message: RegExp }[] = [
    { why: "nothing", codec: "codec()", message: /expected an object with contentType/ },
    { why: "no content type", codec: "codec({ read, write })", message: /contentType is not/ },
    {
      why: "built in",
      codec: 'codec({ contentType: "application/json", read, write })',
      message: /application\/json is built in/,
    },
    {
      why: "twice",
      codec: `codec({ contentType: "${TYPE}", read, write }); codec({ contentType: "${TYPE}", read, write })`,
      message: /there is a codec for application\/x-test already/,
    },
    {
      why: "ill-formed",
      codec: 'codec({ contentType: "a/b; c=d", read, write })',
      message: /not type\/subtype/,
    },
    {
      why: "no write",
      codec: `codec({ contentType: "${TYPE}", read })`,
      message: /codec "application\/x-test": write is not a function/,
    },
    {
      why: "asynchronous",
      codec: `codec({ contentType: "${TYPE}", read: async () => 1, write })`,
      message: /read is asynchronous/,
    },
    {
      why: "misspelt key",
      codec: `codec({ contentType: "${TYPE}", read, write, limit: {} })`,
      message: /unknown key "limit"; did you mean limits\?/,
    },
    {
      why: "limit above the agent's",
      codec: `codec({ contentType: "${TYPE}", read, write, limits: { maxBodyBytes: 5e6 } })`,
      message: /limits\.maxBodyBytes must be a whole number from 1 to 4194304/,
    },
  ];
  for (const { why, codec, message } of rows) {
    test(why, async () => {
      const module = moduleOf(codec);
      await assert.rejects(load(module), (thrown) => {
        assert.ok(isAgentError(thrown, "ERR_HANDLER_MODULE"), String(thrown));
        assert.match(thrown.message, message);
        assert.ok(thrown.message.includes(module), thrown.message);
        return true;
      });
    });
  }

  test("taken by another module", async () => {
    const codec = `codec({ contentType: "${TYPE}", read, write })`;
    const second = join(directory, "second.mjs");
    writeFileSync(
      second,
      `export const register = ({ codec }) => codec({ contentType: "${TYPE}", read() {}, write() {} });`,
    );
    await assert.rejects(load(moduleOf(codec), second), /second\.mjs: there is a codec/);
  });

  test("after register() has returned", async () => {
    const key = `late${written.count}`;
    await load(moduleOf("", `globalThis.${key} = () => codec({});`));
    const late = (globalThis as unknown as Record<string, () => void>)[key];
    assert.throws(() => late?.(), /codec: registered after register\(\) had returned/);
  });
});
