/**
 * Calls through the control socket of a whole agent: unary and streams, own services and others, and
 * whom it verifies when go-micro's variables say so.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { isRemoteError } from "#src/rpc/client/remote-error.ts";
import type { AdminCall } from "#src/sidecar/admin-operations.ts";
import { callJson, type Ground, makeGround } from "../fakes/running-agent.ts";

const RPC = '[rpc]\nlisten = "127.0.0.1:0"\n';
const ECHO_STREAM: AdminCall = {
  service: "microedge",
  endpoint: "Agent.EchoStream",
  codec: "json",
  metadata: new Map(),
  timeoutMs: 5_000,
};

async function* messages(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const each of texts) yield Buffer.from(each);
}

/** Sends lines to the stream route as they are; the whole answer. */
async function rawStream(ground: Ground, ...lines: string[]): Promise<string> {
  const asked = request({ socketPath: ground.controlPath, method: "POST", path: "/v1/stream" });
  asked.end(lines.map((line) => `${line}\n`).join(""));
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return text(answer);
}

suite("a stream through the control socket", () => {
  test("is answered message by message, and ends", async () => {
    await using ground = await makeGround(RPC);
    await using _agent = await ground.start();
    const replies: string[] = [];
    const bodies = messages('{"seq":"1"}', '{"seq":9007199254740993}');
    for await (const reply of ground.admin.stream(
      ECHO_STREAM,
      bodies,
      new AbortController().signal,
    )) {
      replies.push(Buffer.from(reply).toString());
    }
    assert.deepEqual(replies, ['{"seq":"1"}', '{"seq":"9007199254740993"}']);
  });

  test("with a bad line says what was wrong with it, and the agent serves on", async () => {
    await using ground = await makeGround(RPC);
    await using _agent = await ground.start();
    const call = '{"service":"microedge","endpoint":"Agent.EchoStream"}';
    const answer = await rawStream(ground, call, '{"body":"{}"}', '{"body":5}');
    assert.match(answer, /"code":"ERR_CONTROL_REQUEST"/);
    assert.match(answer, /body/);
    assert.equal(await callJson(ground.admin, "microedge", "Agent.Echo", "{}"), "{}");
    assert.equal((await ground.admin.status()).counters["streams_open"], 0);
  });

  test("to an endpoint that is not there fails with go-micro's error", async () => {
    await using ground = await makeGround(RPC);
    await using _agent = await ground.start();
    const replies = ground.admin.stream(
      { ...ECHO_STREAM, endpoint: "Agent.Nope" },
      messages("{}"),
      new AbortController().signal,
    );
    await assert.rejects(replies.next(), (error) => isRemoteError(error, 404));
  });
});

suite("a call through the control socket", () => {
  const rows = [
    { service: "microedge", endpoint: "Agent.Echo", body: "{", status: 400, why: "not JSON" },
    { service: "microedge", endpoint: "Agent.Echo", body: '{"seq":"x"}', status: 400, why: "type" },
    { service: "microedge", endpoint: "Agent.Nope", body: "{}", status: 404, why: "endpoint" },
  ];
  for (const { service, endpoint, body, status, why } of rows) {
    test(`${endpoint} ${body}: ${status}, wrong ${why}`, async () => {
      await using ground = await makeGround(RPC);
      await using _agent = await ground.start();
      await assert.rejects(callJson(ground.admin, service, endpoint, body), (error) =>
        isRemoteError(error, status),
      );
    });
  }

  test("a service that nobody knows is named with what to do", async () => {
    await using ground = await makeGround(RPC);
    await using _agent = await ground.start();
    await assert.rejects(
      callJson(ground.admin, "nobody", "A.B", "{}"),
      (error) => isAgentError(error, "ERR_REGISTRY_NOT_FOUND") && /nobody/.test(error.message),
    );
  });
});

suite("MICRO_TLS_INSECURE on a whole agent", () => {
  /** Two agents of different authorities, each knowing the other by address. */
  async function strangers(environment: Readonly<Record<string, string>>) {
    const here = await makeGround(RPC);
    const there = await makeGround(RPC);
    const other = await there.start(environment);
    await here.configure(
      `${RPC}[[registry.static]]\nservice = "there"\naddresses = ["${other.listen}"]\n`,
    );
    const own = await here.start(environment);
    await there.configure(
      `${RPC}[[registry.static]]\nservice = "here"\naddresses = ["${own.listen}"]\n`,
    );
    await other.reload();
    return {
      here,
      there,
      async [Symbol.asyncDispose]() {
        for (const each of [own, other, here, there]) await each[Symbol.asyncDispose]();
      },
    };
  }

  test("unset: a server of an unknown authority is refused before anything is sent", async () => {
    await using both = await strangers({});
    await assert.rejects(callJson(both.here.admin, "there", "Agent.Echo", "{}"), {
      code: "ERR_TLS_PEER_REFUSED",
    });
  });

  test("true: outbound is let pass, loudly; inbound is enforced as ever", async () => {
    await using both = await strangers({ MICRO_TLS_INSECURE: "true" });
    assert.equal((await both.here.event("agent.insecure"))["key"], "MICRO_TLS_INSECURE");
    assert.match((await both.here.admin.status()).warnings[0] ?? "", /^INSECURE: outbound/);
    // each lets the other's certificate pass as a server's, and refuses it as a client's
    for (const [from, to] of [
      [both.here, "there"],
      [both.there, "here"],
    ] as const) {
      await assert.rejects(callJson(from.admin, to, "Agent.Echo", "{}"), (error) =>
        isRemoteError(error, 401),
      );
    }
    assert.equal((await both.here.admin.status()).tls.verify, "enforce");
  });
});
