/**
 * Our client against real go-micro servers over mutual TLS: what it sends is understood, what they
 * answer is, and no call is lost on a kept connection.
 */
import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { StaticRegistry } from "#src/registry/static-registry.ts";
import { Client } from "#src/rpc/client/client.ts";
import { isRemoteError } from "#src/rpc/client/remote-error.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { HandSource, materialOf } from "../fakes/certificates.ts";
import { makeSite } from "../fakes/site.ts";
import { startGoServer, VERSIONS } from "./go-peer.ts";

const echo = messageShape(EchoSchema);
const shapes = { request: echo, response: echo };
const BIG = 9_007_199_254_740_993n;
const message = (text: string, seq = BIG) =>
  create(EchoSchema, { text, seq, data: new Uint8Array([0, 255, text.length & 255]) });

for (const version of VERSIONS) {
  suite(`our client against a go-micro ${version} server`, async () => {
    const stack = new AsyncDisposableStack();
    after(() => stack.disposeAsync());
    const site = stack.use(await makeSite());
    const go = stack.use(await startGoServer(version, await site.issue("go-server")));
    const source = new HandSource(materialOf(await site.pki.issue("client"), site.pki.caPem));
    const dialer = stack.use(
      new TlsDialer({
        security: { kind: "tls", source, verify: "enforce", minVersion: "1.3" },
        network: systemNetwork,
        connectTimeoutMs: 5000,
        clock: systemClock,
        log: SILENT,
      }),
    );
    const registry = new StaticRegistry([{ service: "greeter", addresses: [go.address] }]);
    const client = stack.use(
      new Client({ dialer, registry, clock: systemClock, random: systemRandom, log: SILENT }),
    );

    for (const codec of ["json", "protobuf", "json-rpc", "proto-rpc"] as const) {
      test(`unary, ${codec}: exact integers, bytes, UTF-8`, async () => {
        const sent = message("grüße");
        const reply = await client.call("greeter", "Agent.Echo", sent, { ...shapes, codec });
        assert.deepEqual(
          [reply.text, reply.seq, [...reply.data]],
          [sent.text, BIG, [...sent.data]],
        );
      });

      test(`stream, ${codec}, lock step`, async () => {
        await using chat = client.stream("greeter", "Agent.EchoStream", { ...shapes, codec });
        for (let index = 0n; index < 10n; index += 1n) {
          await chat.send(message("s", index));
          assert.equal((await chat.receive())?.seq, index);
        }
      });
    }

    test("plain JSON: metadata and the time limit reach the handler", async () => {
      const options = { metadata: { "X-Site": "7" }, timeoutMs: 3000 };
      const reply = (await client.call("greeter", "Greeter.Headers", {}, options)) as Readonly<
        Record<string, string>
      >;
      const text = reply["greetingText"] ?? reply["greeting_text"] ?? "";
      assert.match(text, /^X-Site=7$/m);
      assert.match(text, /^deadline_ms=2\d{3}$/m);
    });

    test("a typed error keeps its code and id", async () =>
      assert.rejects(
        client.call("greeter", "Greeter.Fail", { firstName: "ann" }),
        (thrown) =>
          isRemoteError(thrown, 404) &&
          thrown.remote.id === "greeter.fail" &&
          thrown.remote.detail === "no such ann",
      ));

    test("an untyped error is its text, with code 500", async () =>
      assert.rejects(
        client.call("greeter", "Greeter.Plain", { firstName: "ann" }),
        (thrown) => isRemoteError(thrown, 500) && thrown.remote.detail === "plain failure for ann",
      ));

    test("unknown handler: 404; unknown content: the reason", async () => {
      await assert.rejects(client.call("greeter", "Nope.Hello", {}), (thrown) =>
        isRemoteError(thrown, 404),
      );
      await assert.rejects(client.call("greeter", "Greeter.Hello", { nope: 1 }), (thrown) =>
        isRemoteError(thrown),
      );
    });

    test("a panic is never answered: the deadline ends the call, the next one is served", async () => {
      await assert.rejects(client.call("greeter", "Greeter.Panic", {}, { timeoutMs: 300 }), {
        code: "ERR_RPC_DEADLINE",
      });
      await client.call("greeter", "Greeter.Hello", { firstName: "ann" });
    });

    test("a stream that the server ends, and one that it fails", async () => {
      await using bye = client.stream("greeter", "Greeter.Chat");
      await bye.send({ firstName: "a" });
      assert.notEqual(await bye.receive(), undefined);
      await bye.send({ firstName: "bye" });
      assert.equal(await bye.receive(), undefined);
      await using fail = client.stream("greeter", "Greeter.Chat");
      await fail.send({ firstName: "fail" });
      await assert.rejects(
        fail.receive(),
        (thrown) => isRemoteError(thrown, 500) && thrown.remote.detail === "chat failed",
      );
    });

    test("an end is neither answered nor followed by a close: an error within its limit", async () => {
      await using chat = client.stream("greeter", "Greeter.Chat", { endTimeoutMs: 300 });
      await chat.send({ firstName: "a" });
      assert.notEqual(await chat.receive(), undefined);
      await chat.end();
      await assert.rejects(chat.receive(), {
        code: "ERR_RPC_DEADLINE",
        message: /read its replies before the end/,
      });
    });

    test("3,000 calls one after another on one connection: none lost, none swapped", async () => {
      const before = client.status;
      for (let index = 0n; index < 3000n; index += 1n) {
        const reply = await client.call("greeter", "Agent.Echo", message("n", index), {
          ...shapes,
          timeoutMs: 2000,
        });
        assert.equal(reply.seq, index);
      }
      assert.equal(client.status.succeeded - before.succeeded, 3000);
      assert.ok(client.status.connectionsOpened - before.connectionsOpened <= 1);
      assert.equal(client.status.unsolicited, 0);
    });
  });
}
