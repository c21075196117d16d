/** go-micro's client ends a stream and closes its connection in one breath: what it sent still counts. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import type { Call } from "#src/rpc/call.ts";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { DEFAULT_SERVER_LIMITS, type ServerLimits } from "#src/rpc/server/server-limits.ts";
import { rounds, settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, principal, request } from "../../../fakes/memory-server.ts";
import { anyJson } from "./echo-endpoints.ts";

type Ending = "complete" | "torn" | "stopped";

interface Upload {
  readonly server: MemoryServer;
  readonly taken: unknown[];
  /** Lets the handler go on to its next message. */
  step(): Promise<void>;
  readonly ended: Promise<Ending>;
  call: Call | undefined;
}

/** A handler that takes one message a step, and answers each if `acknowledges`. */
function upload(acknowledges: boolean, limits: Partial<ServerLimits> = {}): Upload {
  const taken: unknown[] = [];
  const ended = Promise.withResolvers<Ending>();
  let gate = Promise.withResolvers<void>();
  const endpoint = stream({
    kind: "read",
    request: anyJson,
    response: anyJson,
    async *handle(messages, call) {
      result.call = call;
      let ending: Ending = "stopped";
      try {
        for await (const message of messages) {
          taken.push(message);
          await gate.promise;
          if (acknowledges) yield "got it";
        }
        ending = "complete";
      } catch (thrown) {
        assert.ok(isAgentError(thrown, "ERR_RPC_CANCELLED"));
        ending = "torn";
      } finally {
        ended.resolve(ending);
      }
    },
  });
  const result: Upload = {
    server: new MemoryServer({ endpoints: { "A.Upload": endpoint }, limits }),
    taken,
    ended: ended.promise,
    call: undefined,
    async step() {
      gate.resolve();
      gate = Promise.withResolvers();
      await settle();
    },
  };
  return result;
}

function messages(count: number, ends: boolean, spaces = 0): Buffer {
  const part = (body: string, headers: Record<string, string> = {}): Buffer =>
    request("A.Upload", body, { "Micro-Stream": "4", ...headers });
  const all = [part("null")];
  for (let n = 1; n <= count; n++) all.push(part(`${" ".repeat(spaces)}${n}`));
  if (ends) all.push(part("", { "Micro-Error": "EOS" }));
  return Buffer.concat(all);
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n + 1);

suite("a peer that ends a stream and goes at once", () => {
  for (const { count, acknowledges, leaves, why } of [
    { count: 5, acknowledges: false, leaves: "end", why: "its messages are read to the end" },
    { count: 5, acknowledges: true, leaves: "end", why: "also by a handler that answers each" },
    { count: 60, acknowledges: false, leaves: "end", why: "also those that were not read yet" },
    { count: 5, acknowledges: false, leaves: "reset", why: "also when the connection is reset" },
  ] as const) {
    test(why, async () => {
      const site = upload(acknowledges);
      const peer = site.server.connect();
      peer.send(messages(count, true));
      await settle();
      if (leaves === "end") peer.stream.end();
      else peer.stream.destroy();
      await settle();
      for (let n = 0; n <= count; n++) await site.step();
      assert.ok(site.call?.signal.aborted, "the handler may know that nobody waits");
      assert.equal(await site.ended, "complete");
      assert.deepEqual(site.taken.map(Number), upTo(count));
      const { counters } = site.server.server;
      assert.deepEqual([counters.streams, counters.errors], [0, 0]);
    });
  }

  test("a handler that yields without reading on is stopped", async () => {
    const gates: (() => void)[] = [];
    const endless = stream({
      kind: "read",
      request: anyJson,
      response: anyJson,
      async *handle(incoming) {
        for await (const _ of incoming) {
          for (;;) {
            await new Promise<void>((resolve) => gates.push(resolve));
            yield "tick";
          }
        }
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Upload": endless } });
    const peer = server.connect();
    peer.send(messages(3, true));
    await settle();
    peer.stream.end();
    for (let n = 0; n < 2; n++) {
      await settle();
      assert.equal(server.server.counters.streams, 1);
      gates.shift()?.();
    }
    await settle();
    assert.equal(server.server.counters.streams, 0);
  });

  test("what it left counts in the bound of all, and is let go when that is passed", async () => {
    const site = upload(false, { maxBufferedBytes: 2000 });
    const peer = site.server.connect();
    peer.send(messages(5, true, 300));
    await settle();
    peer.stream.end();
    await settle();
    const other = site.server.connect(principal({ remote: "127.0.0.2:1" }));
    const begun = request("A.Upload", "", { "Micro-Stream": "1", "Content-Length": "2000" });
    other.send(Buffer.concat([begun, Buffer.alloc(1000)]));
    await settle();
    await site.step();
    assert.equal(await site.ended, "torn", "it held the most");
    assert.equal(other.ended, false);
  });
});

suite("a peer that goes with calls under way", () => {
  test("those that have not begun never do", async () => {
    let begun = 0;
    const slow = unary({
      kind: "read",
      request: anyJson,
      response: anyJson,
      handle: () => {
        begun++;
        return new Promise(() => undefined);
      },
    });
    const server = new MemoryServer({ endpoints: { "A.Slow": slow } });
    const peer = server.connect();
    const { maxPendingCalls, lookMs } = DEFAULT_SERVER_LIMITS;
    peer.send(
      Buffer.concat(Array.from({ length: 3 * maxPendingCalls }, () => request("A.Slow", "1"))),
    );
    await rounds();
    assert.equal(begun, maxPendingCalls);
    peer.stream.end();
    await server.clock.advance(2 * lookMs);
    assert.equal(begun, maxPendingCalls);
    assert.equal(server.server.counters.requests, maxPendingCalls);
  });
});

suite("a peer that goes without having ended its stream", () => {
  test("has torn it: the handler is told so", async () => {
    const site = upload(false);
    const peer = site.server.connect();
    peer.send(messages(5, false));
    await settle();
    peer.stream.end();
    await settle();
    await site.step();
    assert.equal(await site.ended, "torn");
    assert.equal(site.server.server.counters.streams, 0);
  });
});
