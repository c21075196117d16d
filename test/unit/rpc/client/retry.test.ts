import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError, type ErrorCode } from "#src/base/errors.ts";
import { RemoteError, retryAfterMs } from "#src/rpc/client/remote-error.ts";
import { type RetryState, retryWaitMs } from "#src/rpc/client/retry.ts";
import { fakeClient } from "../../../fakes/dialer-client.ts";
import { settle } from "../../../fakes/fake-clock.ts";

const STATE: RetryState = {
  attempts: 1,
  maxAttempts: 2,
  idempotent: true,
  otherNode: false,
  remainingMs: 10_000,
  draw: 0.5,
};
const ours = (code: ErrorCode): AgentError => new AgentError(code, "x");
const remote = (code: number, waitMs?: number): AgentError =>
  new RemoteError({ id: "", code, detail: "", status: "" }, "n:1", waitMs);

suite("retryWaitMs", () => {
  const rows: readonly {
    error: AgentError;
    sent: boolean;
    state?: Partial<RetryState>;
    wait: number | undefined;
    why: string;
  }[] = [
    { error: ours("ERR_RPC_CONNECT"), sent: false, wait: 50, why: "never sent: jitter, same node" },
    {
      error: ours("ERR_RPC_CONNECT"),
      sent: false,
      state: { idempotent: false },
      wait: 50,
      why: "never sent: safe for every call",
    },
    {
      error: ours("ERR_RPC_CONNECT"),
      sent: false,
      state: { otherNode: true },
      wait: 0,
      why: "another node: at once",
    },
    {
      error: ours("ERR_RPC_CONNECTION_LOST"),
      sent: false,
      state: { idempotent: false },
      wait: 50,
      why: "the kernel refused the request",
    },
    {
      error: ours("ERR_TLS_PEER_REFUSED"),
      sent: false,
      wait: undefined,
      why: "the same node stays wrong",
    },
    {
      error: ours("ERR_TLS_PEER_REFUSED"),
      sent: false,
      state: { otherNode: true },
      wait: 0,
      why: "another node may be right",
    },
    {
      error: ours("ERR_RPC_OVERLOADED"),
      sent: false,
      state: { otherNode: true },
      wait: undefined,
      why: "our own queue is full",
    },
    {
      error: ours("ERR_RPC_CANCELLED"),
      sent: false,
      state: { otherNode: true },
      wait: undefined,
      why: "the caller has gone",
    },
    { error: ours("ERR_RPC_CONNECTION_LOST"), sent: true, wait: 50, why: "lost, idempotent" },
    {
      error: ours("ERR_RPC_CONNECTION_LOST"),
      sent: true,
      state: { idempotent: false },
      wait: undefined,
      why: "lost: the handler may have run",
    },
    {
      error: ours("ERR_RPC_CONNECTION_LOST"),
      sent: true,
      state: { idempotent: false, otherNode: true },
      wait: undefined,
      why: "another node does not make it safe",
    },
    { error: ours("ERR_RPC_DEADLINE"), sent: true, wait: 50, why: "one attempt was too slow" },
    {
      error: ours("ERR_RPC_DEADLINE"),
      sent: true,
      state: { idempotent: false },
      wait: undefined,
      why: "go-micro would repeat this",
    },
    {
      error: ours("ERR_RPC_DEADLINE"),
      sent: true,
      state: { remainingMs: 0 },
      wait: undefined,
      why: "the whole call is out of time",
    },
    { error: ours("ERR_WIRE_BODY"), sent: true, wait: undefined, why: "a bad reply stays bad" },
    { error: remote(408), sent: true, wait: 50, why: "408" },
    { error: remote(503), sent: true, wait: 50, why: "503" },
    {
      error: remote(408),
      sent: true,
      state: { idempotent: false },
      wait: undefined,
      why: "408, not idempotent",
    },
    {
      error: remote(500),
      sent: true,
      wait: undefined,
      why: "500 may have half a side effect, and stays",
    },
    { error: remote(404), sent: true, wait: undefined, why: "404" },
    {
      error: remote(429, 700),
      sent: true,
      wait: 750,
      why: "what the service asked for, and jitter",
    },
    {
      error: remote(429, 10_000),
      sent: true,
      wait: undefined,
      why: "longer than the call may last",
    },
    {
      error: remote(503),
      sent: true,
      state: { attempts: 2 },
      wait: undefined,
      why: "attempts are used up",
    },
    {
      error: remote(503),
      sent: true,
      state: { attempts: 3, maxAttempts: 9 },
      wait: 200,
      why: "third wait: up to 400",
    },
    {
      error: remote(503),
      sent: true,
      state: { attempts: 8, maxAttempts: 9 },
      wait: 1000,
      why: "never above 2 s",
    },
  ];
  for (const { error, sent, state, wait, why } of rows) {
    test(`${error.code} ${error.status}: ${why}`, () =>
      assert.equal(retryWaitMs({ error, sent }, { ...STATE, ...state }), wait));
  }
});

suite("retryAfterMs", () => {
  const now = Date.UTC(2026, 5, 1, 12, 0, 0);
  const rows = [
    { header: undefined, detail: "busy", wait: undefined, why: "says nothing" },
    { header: "3", detail: "", wait: 3000, why: "seconds" },
    { header: "Mon, 01 Jun 2026 12:00:05 GMT", detail: "", wait: 5000, why: "a date" },
    { header: "Mon, 01 Jun 2026 11:00:00 GMT", detail: "", wait: 0, why: "a date that has passed" },
    { header: "-3", detail: "", wait: undefined, why: "no number, no date" },
    { header: "soon", detail: "", wait: undefined, why: "a word" },
    { header: "3", detail: '{"retry_after_ms":250}', wait: 250, why: "the finer one counts" },
    { header: undefined, detail: '{"retry_after_ms":"250"}', wait: undefined, why: "a string" },
    { header: "1", detail: '{"retry_after_ms":-1}', wait: 1000, why: "a negative one is ignored" },
    { header: undefined, detail: "{oops", wait: undefined, why: "only begins like JSON" },
  ];
  for (const { header, detail, wait, why } of rows) {
    test(why, () => assert.equal(retryAfterMs(header, detail, now), wait));
  }
});

suite("attempts of a call", () => {
  const lostThenGood = {
    script: (
      request: { headers: ReadonlyMap<string, string> },
      peer: { json(b: unknown): void; close(): void },
    ) => {
      if (request.headers.get("micro-id") === "0") peer.close();
      else peer.json({ ok: true });
    },
  };

  test("an idempotent call is sent again after a lost connection, with ids of its own", async () => {
    const { client, clock, dialer, events } = fakeClient(lostThenGood);
    const call = client.exchange("greeter", "A.b", {}, { idempotent: true });
    await clock.advance(100);
    assert.equal((await call).attempts, 2);
    const ids = dialer.peers.flatMap((peer) =>
      peer.requests.map((request) => request.headers.get("micro-stream")),
    );
    assert.deepEqual(ids, ["0", "1"]);
    assert.equal(client.status.retries, 1);
    const retry = events.find(({ event }) => event === "rpc.client.retry");
    assert.deepEqual(
      [retry?.fields?.["attempt"], retry?.fields?.["code"], retry?.fields?.["node"]],
      [1, "ERR_RPC_CONNECTION_LOST", "127.0.0.1:1001"],
    );
  });

  test("any other call is not", async () => {
    const { client, clock, dialer } = fakeClient(lostThenGood);
    const call = assert.rejects(client.call("greeter", "A.b", {}), {
      code: "ERR_RPC_CONNECTION_LOST",
    });
    await clock.advance(1000);
    await call;
    assert.equal(dialer.peers.length, 1);
  });

  test("a refused node is passed over at once, for any call, and rests", async () => {
    const { client, dialer, events } = fakeClient({
      addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
      plan: ({ port }) =>
        port === 1001 ? new AgentError("ERR_RPC_CONNECT", "connection refused") : undefined,
      options: { selector: "round-robin" },
    });
    for (let index = 0; index < 6; index += 1) await client.call("greeter", "A.b", {});
    assert.deepEqual(
      dialer.targets.map(({ port }) => port),
      [1001, 1002],
    );
    assert.deepEqual(
      client.status.resting.map(({ address }) => address),
      ["127.0.0.1:1001"],
    );
    const rest = events.filter(({ event }) => event === "rpc.client.node.resting");
    assert.deepEqual(
      rest.map(({ fields }) => fields?.["rest_ms"]),
      [5000],
    );
  });

  test("a node that answers 503 is not asked again while another is left", async () => {
    const { client, clock } = fakeClient({
      script: (request, peer) => {
        if (request.headers.get("host") === "127.0.0.1:1001") {
          peer.error('{"id":"g","code":503,"detail":"down","status":""}');
        } else peer.json({});
      },
      addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
    });
    for (let index = 0; index < 20; index += 1) {
      const call = client.call("greeter", "A.b", {}, { idempotent: true });
      await clock.advance(100);
      await call;
    }
    assert.ok(client.status.retries > 0, "the first node was tried");
    assert.deepEqual(client.status.resting, [], "it answers, so it does not rest");
  });

  test("an address that the caller gave does not rest: nothing chooses among such", async () => {
    const { client, clock } = fakeClient({
      plan: () => new AgentError("ERR_RPC_CONNECT", "refused"),
    });
    const call = assert.rejects(client.call("any", "A.b", {}, { address: "127.0.0.1:9" }), {
      code: "ERR_RPC_CONNECT",
    });
    await clock.advance(100);
    await call;
    assert.deepEqual(client.status.resting, []);
  });

  test("when every node refuses, the error is the last one's", async () => {
    const { client, clock } = fakeClient({
      plan: () => new AgentError("ERR_RPC_CONNECT", "connection refused"),
      options: { retries: 3 },
    });
    const call = assert.rejects(client.call("greeter", "A.b", {}), {
      code: "ERR_RPC_CONNECT",
      message: "connection refused",
    });
    await clock.advance(1000);
    await call;
    assert.equal(client.status.retries, 3);
    assert.deepEqual(client.status.failures, { ERR_RPC_CONNECT: 1 });
  });

  test("429: waits what the service asks for, then succeeds", async () => {
    const { client, clock, dialer } = fakeClient({
      script: (_request, peer) => {
        if (peer.requests.length > 1) peer.json({});
        else
          peer.error('{"id":"g","code":429,"detail":"slow down","status":""}', {
            "Retry-After": "2",
          });
      },
    });
    const call = client.call("greeter", "A.b", {}, { idempotent: true });
    await clock.advance(1999);
    assert.equal(dialer.peers[0]?.requests.length, 1);
    await clock.advance(101);
    await call;
    assert.equal(dialer.peers[0]?.requests.length, 2, "on the same connection");
  });

  test("a slow attempt is given up and tried again within the call's time", async () => {
    const { client, clock, dialer } = fakeClient({
      script: (_request, peer) => {
        if (dialer.peers.length > 1) peer.json({});
      },
    });
    const call = client.exchange(
      "greeter",
      "A.b",
      {},
      { idempotent: true, attemptTimeoutMs: 300, timeoutMs: 2000 },
    );
    await clock.advance(500);
    assert.equal((await call).attempts, 2);
    assert.equal(dialer.peers[0]?.requests[0]?.headers.get("timeout"), "300000000");
    assert.equal(clock.timers, 1, "only the sweep of idle connections");
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });

  test("time that runs out during a wait shows the error that made it wait", async () => {
    const { client, clock } = fakeClient({
      script: (_request, peer) => peer.error('{"id":"g","code":503,"detail":"down","status":""}'),
      options: { retries: 20 },
    });
    const call = assert.rejects(
      client.call("greeter", "A.b", {}, { idempotent: true, timeoutMs: 400 }),
      { code: "ERR_RPC_REMOTE", message: /^503 .*: down/ },
    );
    await clock.advance(400);
    await call;
  });

  test("an abort during a wait ends it", async () => {
    const { client, clock } = fakeClient({
      script: (_request, peer) =>
        peer.error('{"id":"g","code":503,"detail":"down","status":""}', { "Retry-After": "3" }),
    });
    const controller = new AbortController();
    const call = assert.rejects(
      client.call("greeter", "A.b", {}, { idempotent: true, signal: controller.signal }),
      { code: "ERR_RPC_CANCELLED", cause: "enough" },
    );
    await clock.advance(10);
    controller.abort("enough");
    await call;
    assert.equal(clock.timers, 1, "only the sweep of idle connections");
  });
});
