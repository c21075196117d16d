/**
 * Our client and our server over real mutual TLS on loopback: no call lost, no reply swapped, identity
 * changes under way, servers that go away.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, suite, test } from "node:test";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { StaticRegistry } from "#src/registry/static-registry.ts";
import { Client } from "#src/rpc/client/client.ts";
import type { ClientOptions } from "#src/rpc/client/options.ts";
import { isRemoteError } from "#src/rpc/client/remote-error.ts";
import { unary } from "#src/rpc/endpoint.ts";
import { EndpointTable } from "#src/rpc/server/endpoint-table.ts";
import { MucpServer } from "#src/rpc/server/mucp-server.ts";
import { registerAgentService } from "#src/services/agent-service.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { bytesShape } from "#src/wire/codec/bytes-shape.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { formatMicroError, microErrorOf } from "#src/wire/mucp/error.ts";
import { formatReply } from "#src/wire/mucp/message-writer.ts";
import { HandSource, testPki } from "../fakes/certificates.ts";
import { type Rig, startRig } from "../fakes/network-rig.ts";

const pki = await testPki();
const strangers = await testPki("Strangers CA");
const serverMaterial = await pki.material("server");
const EMPTY = new TextEncoder().encode("");

interface Served {
  readonly rig: Rig;
  readonly server: MucpServer;
  /** Resolves when `Test.Slow` is called next. */
  slowCalled(): Promise<void>;
}

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

async function serve(): Promise<Served> {
  const waiters: (() => void)[] = [];
  const table = new EndpointTable("microedge");
  registerAgentService(table, { name: "microedge", version: "1", readyAtMs: 0 }, systemClock);
  table.register(
    "microedge",
    "Test.Slow",
    unary({
      kind: "read",
      request: bytesShape,
      response: bytesShape,
      handle: async (body, call) => {
        for (const wake of waiters.splice(0)) wake();
        await systemClock.sleep(50, call.signal);
        return body;
      },
    }),
  );
  const server = new MucpServer({
    serviceName: "microedge",
    table,
    interceptors: [],
    clock: systemClock,
    random: systemRandom,
    log: SILENT,
  });
  const rig = await startRig(
    {
      kind: "tls",
      source: new HandSource(serverMaterial),
      minVersion: "1.3",
      verify: { kind: "enforce" },
    },
    {
      handler: server.handle,
      refusalReply: (refusal) =>
        formatReply([["micro-error", formatMicroError(microErrorOf(refusal, "microedge"))]], EMPTY),
    },
  );
  cleanups.push(async () => {
    await server.drain(100);
    await rig[Symbol.asyncDispose]();
  });
  return { rig, server, slowCalled: () => new Promise((resolve) => waiters.push(resolve)) };
}

async function connect(
  port: number,
  options: Partial<ClientOptions> = {},
  from = pki,
): Promise<{ client: Client; source: HandSource }> {
  const own = await from.material("client");
  const source = new HandSource({ ...own, trustBundlePem: pki.caPem });
  const dialer = new TlsDialer({
    security: { kind: "tls", source, verify: "enforce", minVersion: "1.3" },
    network: systemNetwork,
    connectTimeoutMs: 5000,
    clock: systemClock,
    log: SILENT,
  });
  const registry = new StaticRegistry([{ service: "microedge", addresses: [`127.0.0.1:${port}`] }]);
  const client = new Client(
    { dialer, registry, clock: systemClock, random: systemRandom, log: SILENT },
    options,
  );
  source.subscribe(() => client.refresh());
  cleanups.push(async () => {
    await client.close();
    dialer[Symbol.dispose]();
  });
  return { client, source };
}

const echo = messageShape(EchoSchema, { bytesField: "data" });
const message = (index: number) => ({
  $typeName: "microedge.Echo" as const,
  text: `call ${index} é`,
  seq: 9_007_199_254_740_993n + BigInt(index),
  data: new Uint8Array([index & 255]),
});

suite("client and server over mutual TLS", () => {
  for (const codec of ["json", "protobuf", "json-rpc", "proto-rpc"] as const) {
    test(`500 calls in ${codec}, 8 at a time: every reply is its own`, async () => {
      const { rig } = await serve();
      const { client } = await connect(rig.port, { poolSize: 8, retries: 0 });
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let index = next++; index < 500; index = next++) {
          const sent = message(index);
          const reply = await client.call("microedge", "Agent.Echo", sent, {
            codec,
            request: echo,
            response: echo,
          });
          assert.deepEqual(
            [reply.text, reply.seq, [...reply.data]],
            [sent.text, sent.seq, [...sent.data]],
          );
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      const { connectionsOpened, failures, succeeded } = client.status;
      assert.deepEqual([succeeded, failures], [500, {}]);
      assert.ok(connectionsOpened <= 8, `${connectionsOpened} connections`);
    });
  }

  test("plain JSON and bytes, without shapes", async () => {
    const { rig } = await serve();
    const { client } = await connect(rig.port);
    const reply = await client.call("microedge", "Agent.Echo", {
      text: "hi",
      seq: 9_007_199_254_740_993n,
    });
    assert.deepEqual({ ...(reply as object) }, { text: "hi", seq: "9007199254740993" });
    const large = Buffer.alloc(1_000_000, 7);
    const bytes = await client.call("microedge", "Agent.Echo", large, { codec: "bytes" });
    assert.equal(Buffer.compare(large, bytes), 0);
  });

  test("an unknown endpoint is go-micro's 404, and the connection lives on", async () => {
    const { rig } = await serve();
    const { client } = await connect(rig.port);
    await assert.rejects(client.call("microedge", "Agent.Nope", {}), (thrown) =>
      isRemoteError(thrown, 404),
    );
    await client.call("microedge", "Agent.Echo", {});
    assert.equal(client.status.connectionsOpened, 1);
  });

  test("a stream: 300 messages there and back, ended by us, ended by the server", async () => {
    const { rig } = await serve();
    const { client } = await connect(rig.port);
    await using chat = client.stream("microedge", "Agent.EchoStream", {
      request: echo,
      response: echo,
    });
    const received: bigint[] = [];
    const reading = (async () => {
      for await (const reply of chat) received.push(reply.seq);
    })();
    for (let index = 0; index < 300; index += 1) await chat.send(message(index));
    await chat.end();
    await reading;
    assert.deepEqual(
      received,
      Array.from({ length: 300 }, (_, index) => message(index).seq),
    );
  });

  test("a deadline ends the call; the server sees it and stays well", async () => {
    const { rig } = await serve();
    const { client } = await connect(rig.port);
    const call = client.call("microedge", "Test.Slow", EMPTY, { codec: "bytes", timeoutMs: 10 });
    await assert.rejects(
      call,
      (thrown) =>
        isRemoteError(thrown, 408) || (thrown as { code?: string }).code === "ERR_RPC_DEADLINE",
    );
    await client.call("microedge", "Test.Slow", EMPTY, { codec: "bytes" });
  });

  test("a new identity: open calls finish on the old connection, later ones show the new one", async () => {
    const { rig } = await serve();
    const { client, source } = await connect(rig.port);
    const names = async (): Promise<string> => {
      const reply = (await client.call("microedge", "Agent.Info", {})) as { readonly peer: string };
      return reply.peer;
    };
    assert.equal(await names(), "CN=client");
    const open = client.call("microedge", "Test.Slow", EMPTY, { codec: "bytes" });
    source.replace({ ...(await pki.material("renewed")), trustBundlePem: pki.caPem });
    assert.equal(await names(), "CN=renewed");
    await open;
    assert.equal(await names(), "CN=renewed");
  });

  test("a client of another authority is told why, and sends nothing twice", async () => {
    const { rig } = await serve();
    const { client } = await connect(rig.port, {}, strangers);
    await assert.rejects(
      client.call("microedge", "Agent.Echo", {}),
      (thrown) =>
        isRemoteError(thrown, 401) && /authority|issuer|trust/i.test(thrown.remote.detail),
    );
  });

  test("a server that drains: idle connections are noticed, the next call is refused by the address", async () => {
    const { rig, server, slowCalled } = await serve();
    const { client } = await connect(rig.port, { retries: 0 });
    const called = slowCalled();
    const open = client.call("microedge", "Test.Slow", EMPTY, { codec: "bytes" });
    await called;
    await server.drain(2000);
    assert.equal((await open).length, 0, "the open call is finished by the drain");
    await rig.listener[Symbol.asyncDispose]();
    await assert.rejects(client.call("microedge", "Agent.Echo", {}), { code: "ERR_RPC_CONNECT" });
    assert.deepEqual(
      client.status.resting.map(({ failures }) => failures),
      [1],
    );
  });
});

suite("a TLS port that is not ours", () => {
  test("one that accepts and says nothing: the connect limit of the dialer ends it within the call's", async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    await once(mute, "listening");
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      mute.close();
    });
    const { client } = await connect((mute.address() as AddressInfo).port, { retries: 0 });
    await assert.rejects(client.call("microedge", "Agent.Echo", {}, { timeoutMs: 150 }), {
      code: "ERR_RPC_DEADLINE",
      message: /waiting for a connection/,
    });
    assert.deepEqual(client.status.pools, []);
  });
});
