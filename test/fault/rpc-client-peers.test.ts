/**
 * What if the far end misbehaves? Each row is one scripted peer and one call, the first on its
 * connection; afterwards a good call must be served at once, and never by bytes meant for the first.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ErrorCode } from "#src/base/errors.ts";
import { fakeClient } from "../fakes/dialer-client.ts";
import { jsonReply, type PeerScript, rawReply } from "../fakes/dialer-peer.ts";
import { settle } from "../fakes/fake-clock.ts";

const GOOD = jsonReply({ text: "good", pad: "x".repeat(300) });
const twice = Buffer.concat([GOOD, jsonReply("a second reply")]);

interface Fault {
  readonly why: string;
  readonly script: PeerScript;
  /** `undefined`: the call succeeds. */
  readonly code?: ErrorCode;
  /** Whether the connection may serve the next call. */
  readonly kept: boolean;
  readonly unsolicited?: number;
}

const FAULTS: readonly Fault[] = [
  { why: "one byte at a time", script: (_r, peer) => peer.inPieces(GOOD, GOOD.length), kept: true },
  {
    why: "in 37 pieces, as go-micro does",
    script: (_r, peer) => peer.inPieces(GOOD, 37),
    kept: true,
  },
  {
    why: "chunked",
    script: (_r, peer) =>
      peer.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    kept: true,
  },
  {
    why: "after an interim reply",
    script: (_r, peer) =>
      peer.raw(Buffer.concat([Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"), GOOD])),
    kept: true,
  },
  {
    why: "twice, in one piece",
    script: (_r, peer) => peer.raw(twice),
    kept: false,
    unsolicited: 1,
  },
  {
    why: "twice, in two pieces",
    script: (_r, peer) => {
      peer.raw(GOOD);
      peer.raw(jsonReply("a second reply"));
    },
    kept: false,
    unsolicited: 1,
  },
  {
    why: "with the beginning of another",
    script: (_r, peer) => peer.raw(twice.subarray(0, GOOD.length + 9)),
    kept: false,
    unsolicited: 1,
  },
  {
    why: "then closes",
    script: (_r, peer) => {
      peer.raw(GOOD);
      peer.close();
    },
    kept: false,
  },
  {
    why: "with Connection: close",
    script: (_r, peer) => peer.json({}, { Connection: "close" }),
    kept: false,
  },
  {
    why: "that lasts until the close",
    script: (_r, peer) => {
      peer.raw('HTTP/1.1 200 OK\r\n\r\n{"text":"old style"}');
      peer.close();
    },
    kept: false,
  },
  {
    why: "none: closes",
    script: (_r, peer) => peer.close(),
    code: "ERR_RPC_CONNECTION_LOST",
    kept: false,
  },
  {
    why: "closes within the head",
    script: (_r, peer) => {
      peer.raw(GOOD.subarray(0, 20));
      peer.close();
    },
    code: "ERR_RPC_CONNECTION_LOST",
    kept: false,
  },
  {
    why: "closes within the body",
    script: (_r, peer) => {
      peer.raw(GOOD.subarray(0, -1));
      peer.close();
    },
    code: "ERR_RPC_CONNECTION_LOST",
    kept: false,
  },
  {
    why: "garbage",
    script: (_r, peer) => peer.raw("220 smtp.example ESMTP\r\n"),
    code: "ERR_WIRE_MESSAGE",
    kept: false,
  },
  {
    why: "an endless head",
    script: (_r, peer) => peer.raw(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`),
    code: "ERR_WIRE_TOO_LARGE",
    kept: false,
  },
  {
    why: "a claim of five gigabytes",
    script: (_r, peer) => peer.raw("HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\n\r\n"),
    code: "ERR_WIRE_TOO_LARGE",
    kept: false,
  },
  {
    why: "chunks without end",
    script: (_r, peer) => {
      peer.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (let index = 0; index < 80; index += 1) peer.raw(`10000\r\n${"x".repeat(65_536)}\r\n`);
    },
    code: "ERR_WIRE_TOO_LARGE",
    kept: false,
  },
  {
    why: "both lengths",
    script: (_r, peer) =>
      peer.raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
    code: "ERR_WIRE_MESSAGE",
    kept: false,
  },
  {
    why: "a text about plain HTTP, as Go's TLS server has it",
    script: (_r, peer) => {
      peer.raw("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
      peer.close();
    },
    code: "ERR_RPC_REMOTE",
    kept: false,
  },
  {
    why: "a body that is not what it says",
    script: (_r, peer) => peer.raw(rawReply("\u0000\u0001", {})),
    code: "ERR_WIRE_BODY",
    kept: true,
  },
];

suite("a peer that replies", () => {
  for (const { why, script, code, kept, unsolicited = 0 } of FAULTS) {
    test(`${why}: ${code ?? "the call succeeds"}, connection ${kept ? "kept" : "closed"}`, async () => {
      const { client, clock, dialer } = fakeClient({
        script: (request, peer) => {
          if (dialer.peers.length === 1 && peer.requests.length === 1) script(request, peer);
          else peer.json("next");
        },
        options: { retries: 0 },
      });
      const first = client.call("greeter", "A.b", {});
      if (code === undefined) await first;
      else await assert.rejects(first, { code });
      for (let turn = 0; turn < 10; turn += 1) await settle();
      assert.equal(await client.call("greeter", "A.b", {}), "next");
      assert.equal(dialer.peers.length, kept ? 1 : 2);
      assert.equal(client.status.unsolicited, unsolicited);
      assert.deepEqual(client.status.pools, [
        { node: "127.0.0.1:1001", open: 1, idle: 1, dialing: 0, waiting: 0 },
      ]);
      assert.equal(clock.timers, 1, "only the sweep of idle connections");
    });
  }
});

suite("bytes that nobody asked for", () => {
  test("while the connection is idle: it is closed, and they answer nothing", async () => {
    const { client, dialer } = fakeClient({
      script: (_request, peer) => peer.json(dialer.peers.length),
    });
    assert.equal(await client.call("greeter", "A.b", {}), 1);
    dialer.peers[0]?.json("unasked");
    await settle();
    assert.equal(await client.call("greeter", "A.b", {}), 2);
    assert.equal(client.status.unsolicited, 1);
  });

  test("a late reply is never taken for the next call's", async () => {
    const { client, clock, dialer } = fakeClient({
      script: (_request, peer) => {
        if (dialer.peers.length > 1) peer.json("second");
      },
    });
    const first = assert.rejects(client.call("greeter", "A.b", {}, { timeoutMs: 100 }), {
      code: "ERR_RPC_DEADLINE",
    });
    await clock.advance(100);
    await first;
    dialer.peers[0]?.json("late");
    assert.equal(await client.call("greeter", "A.b", {}), "second");
  });

  /** The far end of the first connection speaks before anybody attaches to our end. */
  const hasty = (retries: number) =>
    fakeClient({
      script: (_request, peer) => peer.json("asked"),
      plan: (_target, count) => {
        if (count > 1) return undefined;
        queueMicrotask(() => refused.dialer.peers[0]?.error(REFUSAL));
        return "late";
      },
      addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
      options: { retries },
    });
  let refused = hasty(0);

  test("a reply before the request, on a new connection: its reason is the error", async () => {
    refused = hasty(0);
    await assert.rejects(refused.client.call("greeter", "A.b", {}), {
      code: "ERR_RPC_REMOTE",
      message: /expired 3 days ago/,
    });
    assert.deepEqual(
      refused.dialer.peers.map((peer) => peer.requests.length),
      [0],
    );
  });

  test("and since nothing was sent, another node is asked, for any call", async () => {
    refused = hasty(1);
    assert.equal(await refused.client.call("greeter", "A.b", {}), "asked");
    assert.deepEqual(
      refused.dialer.peers.map((peer) => peer.requests.length),
      [0, 1],
    );
  });
});

const REFUSAL =
  '{"id":"microedge","code":401,"detail":"client certificate expired 3 days ago","status":"Unauthorized"}';

suite("a reply before the whole request was read", () => {
  test("is the reply, and the connection is not used again", async () => {
    const { client, dialer } = fakeClient({
      script: (_request, peer) => peer.json(dialer.peers.length),
    });
    assert.equal(await client.call("greeter", "A.b", {}), 1);
    dialer.peers[0]?.socket.pause();
    const early = client.call("greeter", "A.b", { pad: "x".repeat(300_000) }, { timeoutMs: 1000 });
    await settle();
    dialer.peers[0]?.error('{"id":"g","code":413,"detail":"too large","status":""}');
    await assert.rejects(early, { code: "ERR_RPC_REMOTE", message: /^413/ });
    assert.equal(await client.call("greeter", "A.b", {}), 2);
    assert.equal(client.status.unsolicited, 0);
  });
});

suite("a call that is not idempotent", () => {
  const lost: readonly {
    why: string;
    break: (reset: () => void, end: () => void) => void;
    calls: number;
  }[] = [
    {
      why: "reset after the request was taken: not sent again",
      break: (reset) => reset(),
      calls: 1,
    },
    {
      why: "ended after the request was taken: not sent again",
      break: (_reset, end) => end(),
      calls: 1,
    },
  ];
  for (const { why, break: breakIt, calls } of lost) {
    test(`on a kept connection, ${why}`, async () => {
      let handled = 0;
      const { client, clock, dialer } = fakeClient({
        script: (_request, peer) => {
          if (peer.requests.length === 1) peer.json("warm");
          else {
            handled += 1;
            breakIt(
              () =>
                dialer.sockets[0]?.destroy(
                  Object.assign(new Error("read ECONNRESET"), {
                    syscall: "read",
                    code: "ECONNRESET",
                  }),
                ),
              () => peer.close(),
            );
          }
        },
        options: { retries: 3 },
      });
      await client.call("greeter", "A.b", {});
      const call = assert.rejects(client.call("greeter", "A.b", {}), {
        code: "ERR_RPC_CONNECTION_LOST",
      });
      await clock.advance(3000);
      await call;
      assert.equal(handled, calls);
    });
  }

  test("on a kept connection whose write the kernel refuses: sent again, runs once", async () => {
    let handled = 0;
    const { client, clock, dialer } = fakeClient({
      script: (_request, peer) => {
        handled += 1;
        peer.json(handled);
      },
    });
    assert.equal(await client.call("greeter", "A.b", {}), 1);
    dialer.sockets[0]?.refuseWrites();
    const call = client.exchange("greeter", "A.b", {});
    await clock.advance(100);
    assert.deepEqual([(await call).body, (await call).attempts, handled], [2, 2, 2]);
  });
});
