import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { isRemoteError, RemoteError } from "#src/rpc/client/remote-error.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { echoScript, fakeClient } from "../../../fakes/dialer-client.ts";
import { jsonReply, rawReply } from "../../../fakes/dialer-peer.ts";
import { settle } from "../../../fakes/fake-clock.ts";

/** Decoded objects have no prototype; literals do. */
const plain = (value: unknown): object => ({ ...(value as object) });

suite("Client.call: what goes out", () => {
  test("has the headers of a go-micro client, with a stream id of its own", async () => {
    const { client, dialer } = fakeClient();
    await client.call("greeter", "Greeter.Hello", { name: "ann" }, { metadata: { "X-Site": "7" } });
    await client.call("greeter", "Greeter.Hello", { name: "bob" });
    const [peer] = dialer.peers;
    assert.equal(dialer.peers.length, 1, "the connection is used again");
    const [first, second] = peer?.requests ?? [];
    const { "micro-stream": stream, ...rest } = Object.fromEntries(first?.headers ?? []);
    assert.deepEqual(rest, {
      host: "127.0.0.1:1001",
      accept: "application/json",
      "content-type": "application/json",
      "content-length": "15",
      "micro-endpoint": "Greeter.Hello",
      "micro-id": "0",
      "micro-method": "Greeter.Hello",
      "micro-service": "greeter",
      timeout: "5000000000",
      "x-site": "7",
    });
    assert.equal(stream, "0");
    assert.equal(second?.headers.get("micro-stream"), "1");
    assert.equal(String(first?.body).trim(), '{"name":"ann"}');
  });

  test("unique_stream can be switched off", async () => {
    const { client, dialer } = fakeClient({ options: { uniqueStream: false } });
    await client.call("greeter", "Greeter.Hello", {});
    assert.equal(dialer.peers[0]?.requests[0]?.headers.has("micro-stream"), false);
  });

  test("Timeout is what is left of the call, in nanoseconds, when the connection is there", async () => {
    const { client, clock, dialer } = fakeClient({ plan: () => "hold" });
    const call = client.call("greeter", "Greeter.Hello", {}, { timeoutMs: 2000 });
    await clock.advance(750);
    dialer.release();
    await call;
    assert.equal(dialer.peers[0]?.requests[0]?.headers.get("timeout"), "1250000000");
  });

  test("an address goes past the registry, with a server name", async () => {
    const { client, dialer } = fakeClient({ services: [] });
    const options = { address: "[::1]:7", serverName: "greeter.example" };
    assert.deepEqual(plain(await client.call("any", "A.B", { a: 1 }, options)), { a: 1 });
    assert.deepEqual(dialer.targets, [
      { host: "::1", port: 7, serverName: "greeter.example", alpn: ["http/1.1"] },
    ]);
  });

  const refused = [
    { why: "no dot", endpoint: "Hello", options: {}, reason: /write Handler\.Method/ },
    { why: "two dots", endpoint: "a.b.c", options: {}, reason: /write Handler\.Method/ },
    { why: "line end", endpoint: "a.b\r\nX: 1", options: {}, reason: /write Handler\.Method/ },
    { why: "no time", endpoint: "a.b", options: { timeoutMs: 0 }, reason: /timeoutMs must be/ },
    { why: "NaN", endpoint: "a.b", options: { attemptTimeoutMs: NaN }, reason: /attemptTimeoutMs/ },
    { why: "retries", endpoint: "a.b", options: { retries: 1.5 }, reason: /retries must be/ },
    {
      why: "framing",
      endpoint: "a.b",
      options: { metadata: { Host: "x" } },
      reason: /Host is a header of the transport/,
    },
    {
      why: "own",
      endpoint: "a.b",
      options: { metadata: { "micro-id": "x" } },
      reason: /transport itself/,
    },
    {
      why: "name",
      endpoint: "a.b",
      options: { metadata: { "a b": "x" } },
      reason: /not a header name/,
    },
    {
      why: "lone server name",
      endpoint: "a.b",
      options: { serverName: "x" },
      reason: /goes with address/,
    },
    {
      why: "no shapes",
      endpoint: "a.b",
      options: { codec: "protobuf" as const },
      reason: /needs the types/,
    },
  ];
  for (const { why, endpoint, options, reason } of refused) {
    test(`refuses ${why}, before anything is dialled`, async () => {
      const { client, dialer } = fakeClient();
      await assert.rejects(client.call("greeter", endpoint, {}, options), {
        code: "ERR_RPC_BAD_REQUEST",
        message: reason,
      });
      assert.equal(dialer.targets.length, 0);
    });
  }
  test("a bad address says so", async () =>
    assert.rejects(fakeClient().client.call("a", "B.c", {}, { address: "nowhere" }), {
      code: "ERR_REGISTRY_ADDRESS",
      message: /port is missing/,
    }));
  test("a body that JSON can't hold names the field", async () =>
    assert.rejects(fakeClient().client.call("greeter", "A.b", { a: { b: () => 1 } }), {
      code: "ERR_WIRE_BODY",
      message: /\.a\.b: /,
    }));
  test("an unknown service is named", async () =>
    assert.rejects(fakeClient().client.call("nobody", "A.b", {}), {
      code: "ERR_REGISTRY_NOT_FOUND",
      message: /nobody/,
    }));
});

suite("Client.call: what comes back", () => {
  test("large integers are exact in both directions", async () => {
    const { client, dialer } = fakeClient({
      script: (_request, peer) => peer.raw(rawReply('{"seq":9007199254740993,"n":1.5}')),
    });
    const reply = await client.call("greeter", "Greeter.Hello", { seq: 9007199254740993n });
    assert.deepEqual(plain(reply), { seq: 9007199254740993n, n: 1.5 });
    assert.equal(String(dialer.peers[0]?.requests[0]?.body).trim(), '{"seq":9007199254740993}');
  });

  for (const codec of ["json", "protobuf", "json-rpc", "proto-rpc"] as const) {
    test(`typed by shapes, codec ${codec}`, async () => {
      const shape = messageShape(EchoSchema);
      const { client, dialer } = fakeClient({
        script: (request, peer) => {
          const type = request.headers.get("content-type") ?? "";
          const body =
            codec === "json-rpc"
              ? `{"id":"0","error":null,"result":${/"params":\[(.*)\]/.exec(String(request.body))?.[1]}}`
              : request.body;
          peer.raw(rawReply(body, { "Content-Type": type }));
        },
      });
      const message = {
        $typeName: "microedge.Echo" as const,
        text: "hé",
        seq: 9007199254740993n,
        data: Buffer.from([0, 255]),
      };
      const reply = await client.call("greeter", "Agent.Echo", message, {
        codec,
        request: shape,
        response: shape,
      });
      assert.equal(reply.text, "hé");
      assert.equal(reply.seq, 9007199254740993n);
      assert.deepEqual([...reply.data], [0, 255]);
      assert.equal(
        dialer.peers[0]?.requests[0]?.headers.get("content-type"),
        `application/${codec}`,
      );
    });
  }

  test("bytes", async () => {
    const { client } = fakeClient({ script: (request, peer) => peer.raw(rawReply(request.body)) });
    const reply = await client.call("greeter", "A.b", Buffer.from([1, 0, 2]), { codec: "bytes" });
    assert.deepEqual([...reply], [1, 0, 2]);
  });

  test("exchange tells metadata, node and attempts", async () => {
    const { client } = fakeClient({
      script: (_request, peer) => peer.json({ ok: true }, { "X-Site": "7", "Micro-Id": "99" }),
    });
    const reply = await client.exchange("greeter", "Greeter.Hello", {});
    assert.deepEqual([...reply.metadata], [["x-site", "7"]]);
    assert.deepEqual([reply.node, reply.attempts], ["127.0.0.1:1001", 1]);
  });

  const errors = [
    {
      why: "typed",
      reply: rawReply("", {
        "Micro-Error": '{"id":"greeter.fail","code":404,"detail":"no ann","status":"Not Found"}',
      }),
      remote: { id: "greeter.fail", code: 404, detail: "no ann", status: "Not Found" },
    },
    {
      why: "plain text",
      reply: rawReply("", { "Micro-Error": "rpc: can't find service Nope" }),
      remote: { id: "", code: 404, detail: "rpc: can't find service Nope", status: "Not Found" },
    },
    {
      why: "text/plain without Micro-Error",
      reply: rawReply("unsupported Content-Type: a/b", {
        "Content-Type": "text/plain; charset=utf-8",
      }),
      remote: {
        id: "",
        code: 415,
        detail: "unsupported Content-Type: a/b",
        status: "Unsupported Media Type",
      },
    },
    {
      why: "not 200",
      reply: Buffer.from("HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nnope"),
      remote: {
        id: "go.micro.client.transport",
        code: 400,
        detail: "400 Bad Request: nope",
        status: "Bad Request",
      },
    },
  ];
  for (const { why, reply, remote } of errors) {
    test(`an error of the service, ${why}`, async () => {
      const { client } = fakeClient({ script: (_request, peer) => peer.raw(reply) });
      await assert.rejects(client.call("greeter", "Greeter.Hello", {}), (thrown) => {
        assert.ok(thrown instanceof RemoteError && thrown instanceof AgentError);
        assert.equal(thrown.code, "ERR_RPC_REMOTE");
        assert.deepEqual(thrown.remote, remote);
        assert.equal(thrown.status, remote.code);
        assert.ok(isRemoteError(thrown, remote.code) && !isRemoteError(thrown, 418));
        return true;
      });
      assert.deepEqual(client.status.remoteErrors, { [remote.code]: 1 });
    });
  }

  test("the error of a json-rpc envelope", async () => {
    const { client } = fakeClient({
      script: (_request, peer) => peer.raw(rawReply('{"id":"0","result":null,"error":"boom"}')),
    });
    const options = { codec: "json-rpc" as const };
    await assert.rejects(
      client.call("greeter", "A.b", {}, options),
      (thrown) => isRemoteError(thrown, 500) && thrown.remote.detail === "boom",
    );
  });

  test("a body that can't be decoded says why, and the connection lives on", async () => {
    const { client, dialer } = fakeClient({
      script: (_request, peer) => peer.raw(rawReply(peer.requests.length === 1 ? "{oops" : "{}")),
    });
    await assert.rejects(client.call("greeter", "A.b", {}), { code: "ERR_WIRE_BODY" });
    await client.call("greeter", "A.b", {});
    assert.equal(dialer.peers.length, 1);
  });

  test("an end of stream in answer to a unary call is an error", async () => {
    const { client } = fakeClient({ script: (_request, peer) => peer.endOfStream() });
    await assert.rejects(client.call("greeter", "A.b", {}), { code: "ERR_WIRE_MESSAGE" });
  });
});

suite("Client.call: limits", () => {
  const silent = (): void => undefined;

  test("the deadline closes the connection, and the next call gets a new one", async () => {
    const { client, clock, dialer } = fakeClient({ script: silent });
    const call = assert.rejects(client.call("greeter", "A.b", {}, { timeoutMs: 1000 }), {
      code: "ERR_RPC_DEADLINE",
      message: /greeter A\.b: time is up, still waiting for the reply of 127\.0\.0\.1:1001/,
    });
    await clock.advance(999);
    assert.equal(client.status.inFlight, 1);
    await clock.advance(1);
    await call;
    assert.deepEqual(client.status.pools, []);
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
    assert.equal(clock.timers, 0);
  });

  test("the deadline covers connecting, and gives the dial up", async () => {
    const { client, clock, dialer } = fakeClient({ plan: () => "hold" });
    const call = assert.rejects(client.call("greeter", "A.b", {}, { timeoutMs: 10 }), {
      code: "ERR_RPC_DEADLINE",
      message: /waiting for a connection/,
    });
    await clock.advance(10);
    await call;
    assert.deepEqual([dialer.aborted, dialer.held, client.status.pools.length], [1, 0, 0]);
  });

  test("AbortSignal ends the call at once, with its reason as the cause", async () => {
    const { client, clock, dialer } = fakeClient({ script: silent });
    const controller = new AbortController();
    const call = assert.rejects(client.call("greeter", "A.b", {}, { signal: controller.signal }), {
      code: "ERR_RPC_CANCELLED",
      cause: "enough",
    });
    await settle();
    controller.abort("enough");
    await call;
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
    assert.equal(clock.timers, 0);
  });

  test("an aborted signal sends nothing", async () => {
    const { client, dialer } = fakeClient();
    const options = { signal: AbortSignal.abort("no") };
    await assert.rejects(client.call("greeter", "A.b", {}, options), { code: "ERR_RPC_CANCELLED" });
    assert.equal(dialer.targets.length, 0);
  });

  test("a call longer than the longest timer still ends on time", async () => {
    const { client, clock } = fakeClient({ script: silent });
    const hours = 3_600_000 * 2.5;
    const call = assert.rejects(client.call("greeter", "A.b", {}, { timeoutMs: hours }), {
      code: "ERR_RPC_DEADLINE",
    });
    await clock.advance(hours - 1);
    assert.equal(client.status.inFlight, 1);
    await clock.advance(1);
    await call;
  });

  test("a finished call lets go of the signal and its timers", async () => {
    const { client, clock } = fakeClient({ options: { poolTtlMs: 100 } });
    const controller = new AbortController();
    let listening = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    Object.assign(signal, {
      addEventListener: (...given: Parameters<typeof add>) => {
        listening += 1;
        add(...given);
      },
      removeEventListener: (...given: Parameters<typeof remove>) => {
        listening -= 1;
        remove(...given);
      },
    });
    for (let index = 0; index < 5; index += 1) {
      await client.call("greeter", "A.b", {}, { signal, timeoutMs: 50 });
    }
    assert.equal(listening, 0);
    assert.equal(clock.timers, 1, "only the sweep of idle connections");
  });

  test("a reply beyond max_reply_bytes is refused and the connection closed", async () => {
    const { client, dialer } = fakeClient({
      script: (_request, peer) => peer.json({ text: "x".repeat(2000) }),
      options: { maxReplyBytes: 1000 },
    });
    await assert.rejects(client.call("greeter", "A.b", {}), {
      code: "ERR_WIRE_TOO_LARGE",
      message: /reply of 127\.0\.0\.1:1001/,
    });
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });
});

suite("Client.close", () => {
  test("takes no new call, lets open ones finish, closes every connection", async () => {
    const { client, dialer } = fakeClient({ script: () => undefined });
    const open = client.call("greeter", "A.b", {});
    await settle();
    const closed = client.close();
    await assert.rejects(client.call("greeter", "A.b", {}), { code: "ERR_RPC_DRAINING" });
    dialer.peers[0]?.raw(jsonReply({ late: true }));
    assert.deepEqual(plain(await open), { late: true });
    await closed;
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
    assert.deepEqual(client.status.pools, []);
  });

  test("gives up what is still open after the drain time", async () => {
    const { client, clock } = fakeClient({ script: () => undefined, options: { drainMs: 100 } });
    const open = assert.rejects(client.call("greeter", "A.b", {}), { code: "ERR_RPC_CANCELLED" });
    await settle();
    const closed = client.close();
    await clock.advance(100);
    await open;
    await closed;
    assert.equal(clock.timers, 0);
  });

  test("may be called twice, and by await using", async () => {
    const { client } = fakeClient({ script: echoScript });
    await using closing = client;
    await closing.call("greeter", "A.b", {});
    await Promise.all([client.close(), client.close()]);
  });
});
