/** A connection that is not read, because its calls or streams have enough to do, still sees its peer go. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Call } from "#src/rpc/call.ts";
import { stream, unary } from "#src/rpc/endpoint.ts";
import { DEFAULT_SERVER_LIMITS } from "#src/rpc/server/server-limits.ts";
import { rounds, settle } from "../../../fakes/fake-clock.ts";
import { MemoryServer, type RawPeer, request } from "../../../fakes/memory-server.ts";
import { anyJson } from "./echo-endpoints.ts";

const { lookMs, maxStreamBacklog, maxPendingCalls } = DEFAULT_SERVER_LIMITS;

interface Site {
  readonly server: MemoryServer;
  readonly peer: RawPeer;
  readonly calls: Call[];
}

/** Handlers that never answer and, for a stream, never read. */
function deaf(): Site {
  const calls: Call[] = [];
  const server = new MemoryServer({
    endpoints: {
      "A.Stream": stream({
        kind: "read",
        request: anyJson,
        response: anyJson,
        async *handle(_messages, call) {
          calls.push(call);
          await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
        },
      }),
      "A.Unary": unary({
        kind: "read",
        request: anyJson,
        response: anyJson,
        handle: (_body, call) => {
          calls.push(call);
          return new Promise(() => undefined);
        },
      }),
    },
  });
  return { server, peer: server.connect(), calls };
}

async function pourStream({ peer }: Site, messages: number, body = "1"): Promise<void> {
  for (let n = 0; n <= messages; n++) {
    peer.send(request("A.Stream", body, { "Micro-Stream": "1" }));
    await settle();
  }
}

suite("a peer that goes while its connection is paused", () => {
  test("a stream whose handler reads nothing is aborted", async () => {
    const site = deaf();
    await pourStream(site, maxStreamBacklog + 3);
    site.peer.stream.end();
    await site.server.clock.advance(lookMs - 1);
    assert.equal(site.calls[0]?.signal.aborted, false, "a paused socket says nothing");
    for (let looks = 0; looks < 5; looks++) await site.server.clock.advance(lookMs);
    assert.equal(site.calls[0]?.signal.aborted, true);
    assert.equal(site.server.server.counters.streams, 0);
  });

  test("calls that are never answered are aborted", async () => {
    const site = deaf();
    for (let n = 0; n < maxPendingCalls + 3; n++) site.peer.send(request("A.Unary", "1"));
    await rounds();
    assert.equal(site.calls.length, maxPendingCalls);
    site.peer.stream.end();
    for (let looks = 0; looks < 5; looks++) await site.server.clock.advance(lookMs);
    assert.ok(site.calls.every(({ signal }) => signal.aborted));
  });
});

suite("a peer that stays while its connection is paused", () => {
  test("is read a little at a time, less and less, and loses nothing", async () => {
    const taken: unknown[] = [];
    const gate = Promise.withResolvers<void>();
    const server = new MemoryServer({
      endpoints: {
        "A.Stream": stream({
          kind: "read",
          request: anyJson,
          response: anyJson,
          async *handle(messages) {
            await gate.promise;
            for await (const message of messages) taken.push(message);
            yield taken.length;
          },
        }),
      },
    });
    const site = { server, peer: server.connect(), calls: [] };
    await pourStream(site, 400, JSON.stringify("x".repeat(10_000)));
    const sent = (): number => site.peer.stream.writableLength;
    const before = sent();
    for (let looks = 0; looks < 20; looks++) await server.clock.advance(lookMs);
    assert.ok(sent() < before, "some was read");
    assert.ok(sent() > before - 1_000_000, `${before - sent()} bytes were read in 100 s`);
    site.peer.send(request("A.Stream", "", { "Micro-Stream": "1", "Micro-Error": "EOS" }));
    gate.resolve();
    assert.equal((await site.peer.reply()).body.trim(), "400");
  });
});
