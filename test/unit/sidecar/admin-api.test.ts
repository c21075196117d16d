import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import type { AgentError } from "#src/base/errors.ts";
import { type Logger, SILENT } from "#src/base/log.ts";
import { type Clock, systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { RemoteError } from "#src/rpc/client/remote-error.ts";
import { AdminApi } from "#src/sidecar/admin-api.ts";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import type { AdminCall } from "#src/sidecar/admin-operations.ts";
import { FakeAgent, LIMITS, STATUS } from "../../fakes/admin-operations.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const NEVER = new AbortController().signal;
const ECHO: AdminCall = {
  service: "greeter",
  endpoint: "Greeter.Hello",
  codec: "json",
  metadata: new Map([["Trace", "ü"]]),
  timeoutMs: 250,
};
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (body: Uint8Array): string => Buffer.from(body).toString("utf8");

let directory = "";
let path = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "control-"));
  path = join(directory, "control.sock");
});
/** Stopped after each test, also when it fails half-way. */
const running: AdminApi[] = [];
afterEach(async () => {
  for (const api of running.splice(0)) await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function started(
  agent = new FakeAgent(),
  maxRequestBytes?: number,
  log: Logger = SILENT,
  clock: Clock = systemClock,
): Promise<AdminApi> {
  const api = new AdminApi({
    path,
    operations: agent,
    log,
    random: systemRandom,
    clock,
    ...(maxRequestBytes === undefined ? {} : { maxRequestBytes }),
  });
  await api.start(NEVER);
  running.push(api);
  return api;
}

/** A request as any HTTP client might make it. */
function raw(method: string, url: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, method, path: url, agent: false }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

suite("control socket: commands that stop half-way", () => {
  for (const [why, url, begun] of [
    ["in its body", "/v1/call", '{"service":'],
    ["in the first line of a stream", "/v1/stream", '{"service":'],
  ] as const) {
    test(`one that stops ${why} is told so, and gives its place back`, async () => {
      const clock = new FakeClock();
      await using api = await started(new FakeAgent(), undefined, SILENT, clock);
      const socket = connect(path);
      const ended = new Promise<string>((resolve) => {
        let text = "";
        socket.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        socket.on("close", () => resolve(text));
      });
      socket.write(`POST ${url} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n${begun}`);
      while (clock.timers === 0) await new Promise(setImmediate);
      await clock.advance(10_000);
      assert.match(await ended, /^HTTP\/1\.1 408 .*"code":"ERR_WIRE_TIMEOUT"/s, api.name);
      assert.equal(clock.timers, 0);
    });
  }
});

suite("control socket: the file", () => {
  test("is a socket of mode 0600 with nothing left beside it, and is gone afterwards", async () => {
    const outer = directory;
    directory = join(outer, "run");
    path = join(directory, "control.sock");
    const api = await started();
    assert.deepEqual(readdirSync(outer), ["run"], "nor beside its directory");
    const found = lstatSync(path);
    assert.ok(found.isSocket());
    assert.equal((found.mode & 0o777).toString(8), "600");
    assert.deepEqual(readdirSync(directory), ["control.sock"]);
    await api[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(directory), []);
    directory = outer;
  });

  test("touches nothing outside its directory", async () => {
    const inner = join(directory, "run");
    mkdirSync(inner);
    path = join(inner, "control.sock");
    const seen: string[] = [];
    const watcher = watch(directory, (_, name) => seen.push(String(name)));
    await using api = await started();
    watcher.close();
    assert.deepEqual(
      seen.filter((name) => name !== "run"),
      [],
      api.name,
    );
  });

  test("makes the missing directory, for the owner only", async () => {
    path = join(directory, "run", "control.sock");
    await using api = await started();
    assert.equal(api.name, "control socket");
    assert.equal((lstatSync(join(directory, "run")).mode & 0o777).toString(8), "700");
  });

  test("replaces the socket of a dead agent", async () => {
    // The name outlives its listener when the file is moved before the listener closes.
    const dead = createServer().listen(join(directory, "dead"));
    await new Promise((resolve) => dead.once("listening", resolve));
    const { linkSync } = await import("node:fs");
    linkSync(join(directory, "dead"), path);
    await new Promise((resolve) => dead.close(resolve));
    assert.ok(existsSync(path));
    await using api = await started();
    assert.deepEqual((await new AdminClient(path).status()).pid, STATUS.pid, api.name);
  });

  test("refuses to take the socket of a live agent, which goes on", async () => {
    await using first = await started();
    await assert.rejects(started(), { code: "ERR_CONTROL_SOCKET", message: /already running/ });
    assert.equal((await new AdminClient(path).status()).name, "greeter", first.name);
    assert.deepEqual(readdirSync(directory), ["control.sock"]);
  });

  test("never removes what is not a socket", async () => {
    writeFileSync(path, "precious");
    await assert.rejects(started(), { code: "ERR_FILE_EXISTS", message: /not a socket/ });
    assert.equal(lstatSync(path).size, "precious".length);
  });

  test("leaves a successor's socket alone when it stops", async () => {
    const old = await started();
    rmSync(path);
    await using successor = await started();
    await old[Symbol.asyncDispose]();
    assert.equal((await new AdminClient(path).status()).name, "greeter", successor.name);
  });

  test("says so when the path is too long for a socket", async () => {
    path = join(directory, "x".repeat(120));
    await assert.rejects(started(), { code: "ERR_CONTROL_SOCKET", message: /bytes long/ });
  });
});

suite("control socket: requests", () => {
  test("views arrive as they are", async () => {
    await using api = await started();
    const client = new AdminClient(path);
    assert.deepEqual(await client.status(), JSON.parse(JSON.stringify(STATUS)), api.name);
    assert.equal((await client.services())[0]?.endpoints[0]?.name, "Greeter.Hello");
    assert.deepEqual(await client.limits(), LIMITS);
    assert.equal((await client.config()).values[0]?.key, "rpc.listen");
    assert.deepEqual((await client.reload()).needRestart, ["rpc.listen"]);
  });

  const bodies = [
    { codec: "json", body: '{"seq":9007199254740993,"text":"ü"}', why: "digits survive" },
    { codec: "json-rpc", body: "{}", why: "text too" },
    { codec: "protobuf", body: "\u0000\u0001ÿ", why: "binary goes as base64" },
    { codec: "bytes", body: "", why: "empty" },
  ] as const;
  for (const { codec, body, why } of bodies) {
    test(`a call in ${codec} comes back: ${why}`, async () => {
      const agent = new FakeAgent();
      await using api = await started(agent);
      const reply = await new AdminClient(path).call({ ...ECHO, codec }, bytes(body));
      assert.equal(text(reply.body), body, api.name);
      assert.deepEqual(reply.metadata, new Map([["x-seen", "yes"]]));
      assert.deepEqual(agent.calls, [{ call: { ...ECHO, codec }, body }]);
    });
  }

  test("a remote error keeps its id, code, detail and status", async () => {
    const remote = { id: "go.greeter", code: 4090, detail: "twice", status: "Conflict" };
    const agent = new FakeAgent();
    agent.failure = new RemoteError(remote, "127.0.0.1:1");
    await using api = await started(agent);
    await assert.rejects(new AdminClient(path).call(ECHO, bytes("{}")), (error) => {
      assert.ok(error instanceof RemoteError, api.name);
      assert.equal(error.node, "127.0.0.1:1");
      assert.deepEqual(error.remote, remote);
      return true;
    });
  });

  test("a bug is answered without its text", async () => {
    const agent = new FakeAgent();
    agent.failure = new TypeError("secret is not a function");
    await using api = await started(agent);
    const answer = await raw("POST", "/v1/call", '{"service":"a","endpoint":"B.C"}');
    assert.equal(answer.status, 500, api.name);
    assert.doesNotMatch(answer.body, /secret/);
    assert.match(answer.body, /correlation id [0-9a-f]{16}/);
  });

  const refused = [
    { url: "/v1/call", body: "{", status: 400, says: /not JSON/ },
    { url: "/v1/call", body: "[".repeat(1_000), status: 400, says: /nested more than/ },
    { url: "/v1/call", body: "[]", status: 400, says: /not a JSON object/ },
    { url: "/v1/call", body: '{"service":"a"}', status: 400, says: /endpoint must be text/ },
    {
      url: "/v1/call",
      body: '{"service":"a","endpoint":"B.C","codec":"xml"}',
      status: 400,
      says: /codec must be one of/,
    },
    {
      url: "/v1/call",
      body: '{"service":"a","endpoint":"B.C","timeoutMs":-1}',
      status: 400,
      says: /timeoutMs/,
    },
    {
      url: "/v1/call",
      body: '{"service":"a","endpoint":"B.C","metadata":{"a":1}}',
      status: 400,
      says: /metadata\.a must be text/,
    },
    {
      url: "/v1/call",
      body: '{"service":"a","endpoint":"B.C","body":{}}',
      status: 400,
      says: /body must be text/,
    },
    { url: "/v1/call", body: "x".repeat(5000), status: 413, says: /longer than 4096 bytes/ },
    {
      url: "/v1/call",
      body: "y".repeat(3_000_000),
      status: 413,
      says: /longer than 4096 bytes/,
    },
    { url: "/v1/stream", body: "z".repeat(3_000_000), status: 400, says: /line is longer than/ },
    { url: "/v1/stream", body: "", status: 400, says: /first line/ },
    { url: "/v1/nothing", body: "", status: 400, says: /has no POST \/v1\/nothing/ },
  ];
  for (const { url, body, status, says } of refused) {
    test(`refuses ${url} with ${body.slice(0, 60) || "nothing"}, and serves the next`, async () => {
      await using api = await started(new FakeAgent(), 4096);
      const answer = await raw("POST", url, body);
      assert.equal(answer.status, status, answer.body);
      const { error } = JSON.parse(answer.body) as { error: { message: string; hint: string } };
      assert.match(error.message, says);
      assert.notEqual(error.hint, "");
      assert.equal((await new AdminClient(path).status()).name, "greeter", api.name);
    });
  }

  test("a caller that goes away aborts its call", async () => {
    const agent = new FakeAgent();
    const held = Promise.withResolvers<void>();
    agent.hold = held.promise;
    await using api = await started(agent);
    const caller = new AbortController();
    const call = new AdminClient(path).call(ECHO, bytes("{}"), caller.signal);
    while (agent.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    caller.abort(new Error("enough"));
    await assert.rejects(call, /enough/);
    assert.equal(((await agent.aborted.promise) as AgentError).code, "ERR_RPC_CANCELLED", api.name);
    held.resolve();
  });

  test("stopping waits for an open call and answers it", async () => {
    const agent = new FakeAgent();
    const held = Promise.withResolvers<void>();
    agent.hold = held.promise;
    const api = await started(agent);
    const call = new AdminClient(path).call(ECHO, bytes('"last"'));
    while (agent.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopped = api[Symbol.asyncDispose]();
    held.resolve();
    assert.equal(text((await call).body), '"last"');
    await stopped;
  });
});

suite("control socket: streams", () => {
  async function* say(...messages: string[]): AsyncGenerator<Uint8Array> {
    for (const message of messages) yield bytes(message);
  }

  test("messages go both ways in order", async () => {
    await using api = await started();
    const replies: string[] = [];
    const said = Array.from({ length: 300 }, (_, at) => `{"seq":"${at}"}`);
    for await (const reply of new AdminClient(path).stream(ECHO, say(...said), NEVER)) {
      replies.push(text(reply));
    }
    assert.deepEqual(replies, said, api.name);
  });

  test("a message is answered before the next is sent", async () => {
    await using api = await started();
    const turns: string[] = [];
    const answered = Promise.withResolvers<void>();
    async function* oneByOne(): AsyncGenerator<Uint8Array> {
      yield bytes('"first"');
      await answered.promise;
      turns.push("second sent");
      yield bytes('"second"');
    }
    for await (const reply of new AdminClient(path).stream(ECHO, oneByOne(), NEVER)) {
      turns.push(text(reply));
      answered.resolve();
    }
    assert.deepEqual(turns, ['"first"', "second sent", '"second"'], api.name);
  });

  test("an error ends it after the replies before it", async () => {
    await using api = await started();
    const replies: string[] = [];
    const stream = new AdminClient(path).stream(ECHO, say('"a"', "fail"), NEVER);
    await assert.rejects(
      async () => {
        for await (const reply of stream) replies.push(text(reply));
      },
      { code: "ERR_RPC_OVERLOADED", message: "no more" },
    );
    assert.deepEqual(replies, ['"a"'], api.name);
  });

  test("what could not be read on our side ends it, and the agent hears of it", async () => {
    const agent = new FakeAgent();
    await using api = await started(agent);
    const answered = Promise.withResolvers<void>();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes('"a"');
      await answered.promise;
      throw new RangeError("no more paper");
    }
    const stream = new AdminClient(path).stream(ECHO, broken(), NEVER);
    await assert.rejects(async () => {
      for await (const reply of stream) {
        assert.equal(text(reply), '"a"', api.name);
        answered.resolve();
      }
    }, /no more paper/);
    assert.equal(((await agent.aborted.promise) as AgentError).code, "ERR_RPC_CANCELLED");
  });

  test("an agent that is killed ends it with an error", async () => {
    await using server = createServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        socket.destroySoon();
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    async function* open(): AsyncGenerator<Uint8Array> {
      yield bytes('"a"');
      await new Promise(() => undefined);
    }
    const stream = new AdminClient(path).stream(ECHO, open(), NEVER);
    await assert.rejects(stream.next(), { code: "ERR_RPC_CONNECTION_LOST" });
  });

  test("ends when the agent stops", async () => {
    const agent = new FakeAgent();
    const api = await started(agent);
    async function* open(): AsyncGenerator<Uint8Array> {
      yield bytes('"a"');
      await new Promise(() => undefined);
    }
    const stream = new AdminClient(path).stream(ECHO, open(), NEVER);
    assert.equal(text((await stream.next()).value as Uint8Array), '"a"');
    const stopped = api[Symbol.asyncDispose]();
    await assert.rejects(stream.next(), { code: "ERR_RPC_DRAINING" });
    await stopped;
  });
});

suite("control socket: no agent", () => {
  test("no socket", async () => {
    await assert.rejects(new AdminClient(path).status(), {
      code: "ERR_CONTROL_UNREACHABLE",
      message: /not running: there is no socket at/,
    });
  });

  test("an agent that was killed", async () => {
    const dead = createServer().listen(join(directory, "dead"));
    await new Promise((resolve) => dead.once("listening", resolve));
    const { linkSync } = await import("node:fs");
    linkSync(join(directory, "dead"), path);
    await new Promise((resolve) => dead.close(resolve));
    await assert.rejects(new AdminClient(path).status(), {
      code: "ERR_CONTROL_UNREACHABLE",
      message: /nobody listens at/,
    });
  });
});

test("a command that hangs up amid its request is no bug of the agent", async () => {
  const log = new RecordingLog();
  const api = await started(undefined, undefined, log);
  const sent = connect(path);
  sent.write("POST /v1/call HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  await new AdminClient(path).status(); // by now the request has been read, too
  sent.destroy();
  await api[Symbol.asyncDispose](); // waits for what is open
  assert.deepEqual(log.of("control.request.failed"), []);
});
