import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { unary } from "#src/rpc/endpoint.ts";
import { settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, principal, request } from "../../../fakes/memory-server.ts";
import { anyJson, echo, gated, hello, refusing, throwing } from "./echo-endpoints.ts";

suite("a unary call", () => {
  test("is answered with the handler's value, in one write", async () => {
    const peer = new MemoryServer({ endpoints: { "Greeter.Hello": hello } }).connect();
    peer.send(request("Greeter.Hello", '{"name":"ann"}', { "Micro-Id": "7", Authorization: "x" }));
    const reply = await peer.reply();
    assert.equal(reply.head.status, 200);
    assert.deepEqual(JSON.parse(reply.body), { text: "hello ann" });
    assert.equal(peer.writes, 1);
    assert.deepEqual([...reply.head.headers.keys()].sort(), [
      "content-length",
      "content-type",
      "micro-id",
    ]);
    assert.equal(reply.head.headers.get("micro-id"), "7");
  });

  test("is answered before the read event ends, without a promise", () => {
    const server = new MemoryServer({ endpoints: { "Greeter.Hello": hello } });
    const peer = server.connect();
    peer.send(request("Greeter.Hello", '{"name":"ann"}'));
    // duplexPair hands over in nextTick; the counters are updated in the read event itself.
    return new Promise<void>((resolve) => {
      process.nextTick(() => {
        assert.equal(server.server.counters.requests, 1);
        resolve();
      });
    });
  });

  test("answers of one read go out together", async () => {
    const peer = new MemoryServer({ endpoints: { "A.Echo": echo } }).connect();
    peer.send(Buffer.concat([1, 2, 3].map((n) => request("A.Echo", `${n}`))));
    const bodies = [await peer.reply(), await peer.reply(), await peer.reply()];
    assert.deepEqual(
      bodies.map((reply) => reply.body.trim()),
      ["1", "2", "3"],
    );
    assert.equal(peer.writes, 1);
  });

  test("pipelined answers keep the order of the requests", async () => {
    const gate = gated();
    const peer = new MemoryServer({
      endpoints: { "A.Wait": gate.endpoint, "A.Echo": echo },
    }).connect();
    peer.send(
      Buffer.concat([request("A.Wait", "1"), request("A.Echo", "2"), request("A.Wait", "3")]),
    );
    await settle();
    assert.equal(peer.waiting, 0, "the second answer waits for the first");
    gate.open(3);
    await settle();
    assert.equal(peer.waiting, 0);
    gate.open(1);
    const order = [await peer.reply(), await peer.reply(), await peer.reply()];
    assert.deepEqual(
      order.map((reply) => reply.body.trim()),
      ["1", "2", "3"],
    );
    assert.equal(peer.writes, 1, "late answers leave together too");
  });

  test("more than the allowed number waiting stops reading until one is answered", async () => {
    const gate = gated();
    let started = 0;
    const counted = unary({
      ...gate.endpoint,
      handle: (key, call) => {
        started++;
        return gate.endpoint.handle(key, call);
      },
    });
    const server = new MemoryServer({
      endpoints: { "A.Wait": counted },
      limits: { maxPendingCalls: 4 },
    });
    const peer = server.connect();
    const total = 20;
    for (let n = 0; n < total; n++) peer.send(request("A.Wait", `${n}`));
    await settle();
    assert.equal(started, 4, "within one piece, too");
    for (let n = 0; n < total; n++) gate.open(n);
    for (let n = 0; n < total; n++) assert.equal((await peer.reply()).body.trim(), `${n}`);
    assert.equal(started, total);
  });

  test("headers of one call never show in the answer to another", async () => {
    const peer = new MemoryServer({ endpoints: { "A.Echo": echo } }).connect();
    peer.send(
      request("A.Echo", "1", {
        "Micro-Id": "1",
        Authorization: "Bearer a",
        Cookie: "b",
        "X-Y": "c",
      }),
    );
    await peer.reply();
    peer.send(request("A.Echo", "2", { "Micro-Id": "2" }));
    await peer.reply();
    assert.doesNotMatch(peer.received, /bearer|cookie|x-y/i);
    assert.match(peer.received, /Micro-Id: 1[\s\S]*Micro-Id: 2/);
    assert.equal(peer.received.match(/Micro-Id/g)?.length, 2);
  });

  test("reply metadata goes along, without what is the transport's", async () => {
    const tagged = unary({
      ...echo,
      handle: (value, call) => {
        call.replyMetadata.set("x-tag", "t");
        call.replyMetadata.set("content-length", "99");
        return value;
      },
    });
    const peer = new MemoryServer({ endpoints: { "A.Tag": tagged } }).connect();
    peer.send(request("A.Tag", "1"));
    const { head } = await peer.reply();
    assert.equal(head.headers.get("x-tag"), "t");
    assert.notEqual(head.headers.get("content-length"), "99");
  });
});

suite("what a handler throws", () => {
  test("its own error keeps code, detail and id", async () => {
    const peer = new MemoryServer({ endpoints: { "A.No": refusing } }).connect();
    peer.send(request("A.No", "1"));
    const { error, body, head } = await peer.reply();
    assert.deepEqual(error, {
      id: "shop.orders",
      code: 409,
      detail: "already there",
      status: "Conflict",
    });
    assert.equal(body, "");
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("x-micro-error"), head.headers.get("micro-error"));
  });

  test("an AgentError maps by its table", async () => {
    const thrown = new AgentError("ERR_RPC_OVERLOADED", "later", { cause: new Error("secret") });
    const peer = new MemoryServer({ endpoints: { "A.No": throwing(thrown) } }).connect();
    peer.send(request("A.No", "1"));
    const { error } = await peer.reply();
    assert.equal(error?.code, 503);
    assert.equal(error?.detail, "later");
    assert.equal(error?.id, "microedge.A.No");
    assert.doesNotMatch(peer.received, /secret/);
  });

  for (const { what, endpoint } of [
    { what: "an Error", endpoint: throwing(new Error("the password is 1234")) },
    { what: "a string", endpoint: throwing("the password is 1234") },
    { what: "an object", endpoint: throwing({ password: "1234" }) },
    {
      what: "a rejection",
      endpoint: unary({
        ...echo,
        handle: () => Promise.reject(new Error("the password is 1234")),
      }),
    },
    {
      what: "an answer that JSON can't hold",
      endpoint: unary({
        ...echo,
        handle: () => {
          const loop: Record<string, unknown> = { password: "1234" };
          loop["self"] = loop;
          return loop;
        },
      }),
    },
    {
      what: "an answer that can't be asked whether it is a promise",
      endpoint: unary({
        ...echo,
        handle: () => ({
          // biome-ignore lint/suspicious/noThenProperty: it is what this is about
          get then(): never {
            throw new Error("the password is 1234");
          },
        }),
      }),
    },
    {
      what: "a reply header name that is none",
      endpoint: unary({
        ...echo,
        handle: (value, call) => {
          call.replyMetadata.set("a\r\nb 1234", "x");
          return value;
        },
      }),
    },
  ]) {
    test(`${what} is a bug: 500, a correlation id, the stack only in the log`, async () => {
      const server = new MemoryServer({ endpoints: { "A.Bug": endpoint, "A.Echo": echo } });
      const peer = server.connect();
      peer.send(Buffer.concat([request("A.Bug", "1"), request("A.Echo", "2")]));
      const { error } = await peer.reply();
      assert.equal(error?.code, 500);
      const [line] = server.log.of("rpc.handler.failed");
      assert.equal(line?.["endpoint"], "A.Bug");
      assert.match(String(line?.["correlation_id"]), /^[0-9a-f]{16}$/);
      assert.match(error?.detail ?? "", new RegExp(String(line?.["correlation_id"])));
      assert.doesNotMatch(peer.received, /1234/);
      assert.match(String(line?.["stack"]), /\.ts:|not an Error/);
      assert.doesNotMatch(String(line?.["stack"]), /\[object/);
      assert.equal((await peer.reply()).body.trim(), "2", "the connection goes on");
    });
  }
});

suite("deadline and abort", () => {
  test("the deadline answers 408, aborts the signal and drops the late result", async () => {
    let signal: AbortSignal | undefined;
    const late = Promise.withResolvers<string>();
    const slow = unary({
      ...echo,
      handle: (_value, call) => {
        signal = call.signal;
        return late.promise;
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Slow": slow, "A.Echo": echo } });
    const peer = server.connect();
    peer.send(request("A.Slow", "1", { Timeout: "250000000" }));
    await settle();
    await server.clock.advance(249);
    assert.equal(peer.waiting, 0);
    await server.clock.advance(1);
    const { error } = await peer.reply();
    assert.equal(error?.code, 408);
    assert.match(error?.detail ?? "", /250 ms/);
    assert.equal(signal?.aborted, true);
    assert.ok(isAgentError(signal?.reason, "ERR_RPC_DEADLINE"));
    late.resolve("too late");
    peer.send(request("A.Echo", '"next"'));
    assert.equal((await peer.reply()).body.trim(), '"next"');
    assert.doesNotMatch(peer.received, /too late/);
  });

  test("a body that comes after the deadline is answered 408, not handled", async () => {
    let ran = false;
    const note = unary({
      ...echo,
      handle: (value) => {
        ran = true;
        return value;
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Note": note } });
    const peer = server.connect();
    const whole = request("A.Note", "12345", { Timeout: "100000000" });
    peer.send(whole.subarray(0, whole.length - 2));
    await server.clock.advance(100);
    peer.send(whole.subarray(whole.length - 2));
    assert.equal((await peer.reply()).error?.code, 408);
    assert.equal(ran, false);
  });

  test("a call without Timeout has no deadline", async () => {
    let deadlineAt: number | undefined = 1;
    const look = unary({
      ...echo,
      handle: (value, call) => {
        deadlineAt = call.deadlineAt;
        return value;
      },
    });
    const peer = new MemoryServer({ endpoints: { "A.Look": look } }).connect();
    peer.send(request("A.Look", "1", { Timeout: "soon" }));
    assert.equal((await peer.reply()).body.trim(), "1", "an unreadable one is ignored");
    assert.equal(deadlineAt, undefined);
  });

  test("a peer that goes away aborts the signal", async () => {
    const seen = Promise.withResolvers<AbortSignal>();
    const slow = unary({
      ...echo,
      handle: (_value, call) => {
        seen.resolve(call.signal);
        return new Promise(() => undefined);
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Slow": slow } });
    const peer = server.connect();
    peer.send(request("A.Slow", "1"));
    const signal = await seen.promise;
    assert.equal(signal.aborted, false);
    peer.stream.destroy();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    assert.ok(isAgentError(signal.reason, "ERR_RPC_CANCELLED"));
    await server.clock.advance(30_000); // in memory, nothing tells that the other end is destroyed
    assert.equal(server.server.counters.connections, 0);
    assert.equal(server.clock.timers, 0, "no timer is left");
  });

  test("a signal asked for after the abort is already aborted", async () => {
    let read: (() => AbortSignal) | undefined;
    const slow = unary({
      ...echo,
      handle: (_value, call) => {
        read = () => call.signal;
        return new Promise(() => undefined);
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Slow": slow } });
    const peer = server.connect();
    peer.send(request("A.Slow", "1", { Timeout: "1000000" }));
    await settle();
    await server.clock.advance(5);
    assert.equal((await peer.reply()).error?.code, 408);
    assert.equal(read?.().aborted, true);
  });
});

suite("refusals before the body", () => {
  const writing = unary({ ...echo, kind: "write" as const });

  test("the body of a refused call is dropped and the connection kept", async () => {
    const peer = new MemoryServer({
      endpoints: { "A.Write": writing, "A.Echo": echo },
    }).connect();
    const refused = request("A.Write", '{"not": json');
    peer.send(refused.subarray(0, refused.length - 5));
    const { error } = await peer.reply();
    assert.equal(error?.code, 403, "answered before the body is complete");
    peer.send(refused.subarray(refused.length - 5));
    peer.send(request("A.Echo", "1"));
    assert.equal((await peer.reply()).body.trim(), "1");
  });

  test("an interceptor may wait; the order of answers holds and the body is not lost", async () => {
    const token = Promise.withResolvers<undefined>();
    let asked = 0;
    const server = new MemoryServer({
      endpoints: { "A.Echo": echo },
      interceptors: [
        { name: "wait", before: () => (asked++ === 0 ? token.promise : undefined) },
        { name: "after", before: () => undefined },
      ],
    });
    const peer = server.connect();
    peer.send(Buffer.concat([request("A.Echo", "1"), request("A.Echo", "2")]));
    await settle();
    assert.equal(asked, 1, "nothing more is read meanwhile");
    token.resolve(undefined);
    assert.equal((await peer.reply()).body.trim(), "1");
    assert.equal((await peer.reply()).body.trim(), "2");
  });

  test("an interceptor that refuses late is answered in its place", async () => {
    const verdict = Promise.withResolvers<AgentError>();
    const server = new MemoryServer({
      endpoints: { "A.Echo": echo },
      interceptors: [
        {
          name: "slow",
          before: (call) => (call.id === "1" ? verdict.promise : undefined),
        },
      ],
    });
    const peer = server.connect();
    peer.send(request("A.Echo", "1", { "Micro-Id": "1" }));
    peer.send(request("A.Echo", "2"));
    await settle();
    verdict.resolve(new AgentError("ERR_RATE_LIMITED", "wait 3 s"));
    assert.equal((await peer.reply()).error?.code, 429);
    assert.equal((await peer.reply()).body.trim(), "2");
  });

  test("the deadline holds while an interceptor waits", async () => {
    const server = new MemoryServer({
      endpoints: { "A.Echo": echo },
      interceptors: [{ name: "never", before: () => new Promise(() => undefined) }],
    });
    const peer = server.connect();
    peer.send(request("A.Echo", "1", { Timeout: "50000000" }));
    await settle();
    await server.clock.advance(50);
    assert.equal((await peer.reply()).error?.code, 408);
  });

  test("outcomes reach every interceptor once, refused calls included", async () => {
    const seen: string[] = [];
    const server = new MemoryServer({
      endpoints: { "A.Echo": echo, "A.No": refusing, "A.Write": writing },
      interceptors: [
        {
          name: "spy",
          before: (call) =>
            call.kind === "write" ? new AgentError("ERR_ACL_DENIED", "no") : undefined,
          after: (call, { status, code, requestBytes, replyBytes }) =>
            void seen.push([call.endpoint, status, code, requestBytes, replyBytes].join(" ")),
        },
      ],
    });
    const peer = server.connect();
    peer.send(request("A.Echo", "1234"));
    peer.send(request("A.No", "1"));
    peer.send(request("A.Write", "1"));
    for (let n = 0; n < 3; n++) await peer.reply();
    assert.deepEqual(seen, ["A.Echo 200  4 5", "A.No 409  1 0", "A.Write 403 ERR_ACL_DENIED 0 0"]);
    assert.equal(server.server.counters.requests, 3);
    assert.equal(server.server.counters.errors, 2);
  });

  test("the peer of the connection is in every call and log line", async () => {
    const spy: string[] = [];
    const who = unary({
      ...echo,
      request: anyJson,
      handle: (value, call) => {
        spy.push(call.peer.cn, call.metadata.get("tenant") ?? "");
        call.log.emit("rpc.client.retry");
        return value;
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Who": who } });
    const peer = server.connect(principal({ cn: "pump-7" }));
    peer.send(request("A.Who", "1", { Tenant: "blue" }));
    await peer.reply();
    assert.deepEqual(spy, ["pump-7", "blue"]);
    const [line] = server.log.of("rpc.client.retry");
    assert.equal(line?.["peer"], "CN=pump-7");
    assert.equal(line?.["endpoint"], "A.Who");
    assert.equal(line?.["service"], "microedge");
  });
});
