import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { suite, test } from "node:test";
import { stream } from "#src/rpc/endpoint.ts";
import { settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, principal, request } from "../../../fakes/memory-server.ts";
import { anyJson } from "./echo-endpoints.ts";

suite("what goes out on a connection", () => {
  test("a handler is held while the socket is destroyed and not closed yet", async () => {
    const gate = Promise.withResolvers<void>();
    let yielded = 0;
    const talker = stream({
      kind: "read",
      request: anyJson,
      response: anyJson,
      async *handle() {
        await gate.promise;
        // Finite, since a test can't end a loop of microtasks.
        while (yielded < 10_000) yield ++yielded;
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Talk": talker } });
    let close = (): void => assert.fail("the socket was not destroyed");
    const socket = new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        done();
      },
      destroy(error, done) {
        close = () => done(error); // libuv closes a handle at the end of a turn of the loop
      },
    }) as Socket;
    server.server.handle({ socket, principal: principal(), alpn: "http/1.1" });
    socket.push(request("A.Talk", "null", { "Micro-Stream": "1" }));
    await settle();
    socket.destroy();
    gate.resolve();
    await settle();
    assert.equal(yielded, 2, "two in the time that noticing takes, and no other is asked for");
    close();
    await settle();
    assert.equal(server.server.counters.streams, 0, "and let go when it has closed");
  });
});
