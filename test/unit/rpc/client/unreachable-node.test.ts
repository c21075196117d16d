import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import type { ClientOptions } from "#src/rpc/client/options.ts";
import { echoScript, type FakeClient, fakeClient } from "../../../fakes/dialer-client.ts";
import { settle } from "../../../fakes/fake-clock.ts";

const AWAY = { host: "127.0.0.1", port: 1001 };

/** Two nodes in turn; the first takes connections and never says a word. */
function withOneAway(options: Partial<ClientOptions> = {}, script = echoScript): FakeClient {
  return fakeClient({
    script,
    addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
    plan: ({ port }) => (port === AWAY.port ? "hold" : undefined),
    options: { selector: "round-robin", ...options },
  });
}

function resting({ client }: FakeClient): readonly string[] {
  return client.status.resting.map(({ address }) => address);
}

async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (thrown) {
    assert.ok(isAgentError(thrown), String(thrown));
    return thrown.code;
  }
}

suite("Client: a node that is gone without a word", () => {
  test("half of the time is left for another node, and it rests", async () => {
    const fake = withOneAway();
    const call = fake.client.call("greeter", "Greeter.Hello", { n: 1 }, { timeoutMs: 4000 });
    await fake.clock.advance(1999);
    assert.equal(fake.dialer.targets.length, 1, "the first still has its time");
    await fake.clock.advance(1);
    assert.equal(JSON.stringify(await call), '{"n":1}');
    assert.deepEqual(resting(fake), ["127.0.0.1:1001"]);
    assert.equal(fake.dialer.aborted, 1, "nothing goes on connecting");
    for (const n of [2, 3, 4]) {
      assert.equal(
        JSON.stringify(await fake.client.call("greeter", "Greeter.Hello", { n })),
        `{"n":${n}}`,
      );
    }
    assert.equal(fake.dialer.targets.filter(({ port }) => port === AWAY.port).length, 1);
  });

  test("a call that ran out of time on it makes it rest", async () => {
    const fake = withOneAway({ retries: 0 });
    const call = outcome(fake.client.call("greeter", "Greeter.Hello", {}, { timeoutMs: 2000 }));
    await fake.clock.advance(2000);
    assert.equal(await call, "ERR_RPC_DEADLINE");
    assert.deepEqual(resting(fake), ["127.0.0.1:1001"]);
  });

  test("a call with little time says nothing about a node", async () => {
    const fake = withOneAway();
    const call = outcome(fake.client.call("greeter", "Greeter.Hello", {}, { timeoutMs: 900 }));
    await fake.clock.advance(900);
    assert.equal(await call, "ERR_RPC_DEADLINE");
    assert.deepEqual(resting(fake), []);
  });

  test("a node whose connections are all in use is busy, not away", async () => {
    const fake = fakeClient({
      addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
      script: (request, peer) => {
        if (JSON.parse(String(request.body)).slow !== true) echoScript(request, peer);
      },
      options: { selector: "round-robin", poolSize: 1, timeoutMs: 60_000 },
    });
    const hello = (body: object, timeoutMs: number): Promise<unknown> =>
      outcome(fake.client.call("greeter", "Greeter.Hello", body, { timeoutMs, idempotent: false }));
    const slow = hello({ slow: true }, 60_000);
    await hello({ n: 1 }, 4000);
    const next = hello({ n: 2 }, 4000);
    await settle();
    await fake.clock.advance(2000);
    assert.equal(JSON.stringify(await next), '{"n":2}', "the other node has taken it");
    assert.deepEqual(resting(fake), []);
    await fake.clock.advance(58_000);
    assert.equal(await slow, "ERR_RPC_DEADLINE");
  });

  test("a stream goes to another node as well", async () => {
    const fake = withOneAway({}, () => undefined);
    const chat = fake.client.stream("greeter", "Greeter.Chat", { timeoutMs: 4000 });
    const sent = chat.send({ n: 1 });
    await fake.clock.advance(2000);
    await sent;
    assert.equal(chat.node, "127.0.0.1:1002");
    assert.deepEqual(resting(fake), ["127.0.0.1:1001"]);
    await chat.close();
  });

  test("a stream without another node ends at its limit, and the node rests", async () => {
    const fake = withOneAway({ retries: 0 });
    const chat = fake.client.stream("greeter", "Greeter.Chat", { timeoutMs: 2000 });
    const sent = outcome(chat.send({ n: 1 }));
    await fake.clock.advance(2000);
    assert.equal(await sent, "ERR_RPC_DEADLINE");
    assert.deepEqual(resting(fake), ["127.0.0.1:1001"]);
  });
});
