import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { plainShape } from "#src/rpc/client/plain-shape.ts";
import { isRemoteError } from "#src/rpc/client/remote-error.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import type { JsonValue } from "#src/wire/codec/json-value.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import { fakeClient } from "../../../fakes/dialer-client.ts";
import {
  jsonReply,
  type PeerRequest,
  type PeerScript,
  rawReply,
} from "../../../fakes/dialer-peer.ts";
import { settle } from "../../../fakes/fake-clock.ts";

const isEnd = (request: PeerRequest): boolean => request.headers.get("micro-error") === "EOS";

/** As a go-micro server: drops the opening, answers messages, never answers an end. */
const goChat: PeerScript = (request, peer) => {
  if (peer.requests.length > 1 && !isEnd(request)) peer.json(JSON.parse(String(request.body)));
};

/** As our own server: ends the stream when the client has. */
const ownChat: PeerScript = (request, peer) => {
  if (isEnd(request)) peer.endOfStream();
  else goChat(request, peer);
};

async function collect(replies: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const reply of replies) all.push(reply);
  return all;
}

suite("Client.stream: messages", () => {
  test("opens, sends and ends as go-micro does", async () => {
    const { client, clock, dialer } = fakeClient({ script: ownChat });
    const chat = client.stream("greeter", "Greeter.Chat", { metadata: { "X-Site": "7" } });
    await chat.send(1);
    await chat.send(2);
    await chat.end();
    assert.deepEqual(await collect(chat), [1, 2]);
    const [peer] = dialer.peers;
    const shown = peer?.requests.map(({ headers, body }) => [
      headers.get("micro-stream"),
      headers.get("micro-id"),
      headers.get("micro-endpoint"),
      headers.get("micro-error"),
      headers.get("x-site"),
      headers.get("timeout"),
      String(body).trim(),
    ]);
    const same = ["0", "0", "Greeter.Chat"];
    assert.deepEqual(shown, [
      [...same, undefined, "7", undefined, "{}"],
      [...same, undefined, "7", undefined, "1"],
      [...same, undefined, "7", undefined, "2"],
      [...same, "EOS", "7", undefined, ""],
    ]);
    await settle();
    assert.equal(peer?.ended, true);
    assert.equal(chat.node, "127.0.0.1:1001");
    assert.equal(clock.timers, 0);
  });

  test("lock step: receive one, send the next", async () => {
    const { client } = fakeClient({ script: goChat });
    await using chat = client.stream("greeter", "Greeter.Chat");
    for (const word of ["a", "b", "c"]) {
      await chat.send(word);
      assert.equal(await chat.receive(), word);
    }
  });

  test("typed by shapes, in protobuf: the opening is the zero message", async () => {
    const shape = messageShape(EchoSchema);
    const { client, dialer } = fakeClient({
      script: ({ body }, peer) => {
        if (peer.requests.length > 1)
          peer.raw(rawReply(body, { "Content-Type": "application/protobuf" }));
      },
    });
    await using chat = client.stream("greeter", "Agent.EchoStream", {
      codec: "protobuf",
      request: shape,
      response: shape,
    });
    await chat.send({ $typeName: "microedge.Echo", text: "x", seq: 5n, data: new Uint8Array() });
    assert.equal((await chat.receive())?.seq, 5n);
    assert.equal(dialer.peers[0]?.requests[0]?.body.length, 0);
  });

  test("each stream has a connection and an id of its own", async () => {
    const { client, dialer } = fakeClient({ script: goChat });
    await using a = client.stream("greeter", "Greeter.Chat");
    await using b = client.stream("greeter", "Greeter.Chat");
    await Promise.all([a.send("a"), b.send("b")]);
    assert.deepEqual(await Promise.all([a.receive(), b.receive()]), ["a", "b"]);
    assert.deepEqual(
      dialer.peers.map((peer) => peer.requests[0]?.headers.get("micro-stream")),
      ["0", "1"],
    );
    assert.equal(client.status.streamsOpen, 2);
  });

  test("leaving the loop ends the stream and closes the connection", async () => {
    const { client, dialer } = fakeClient({ script: goChat });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.send(1);
    for await (const reply of chat) {
      assert.equal(reply, 1);
      break;
    }
    await settle();
    assert.equal(dialer.peers[0]?.requests.at(-1)?.headers.get("micro-error"), "EOS");
    assert.equal(dialer.peers[0]?.ended, true);
    assert.equal(client.status.streamsOpen, 0);
    assert.equal(await chat.receive(), undefined);
    await assert.rejects(chat.send(2), { code: "ERR_RPC_STREAM_ENDED" });
  });
});

suite("Client.stream: closed with replies unread", () => {
  test("they are dropped", async () => {
    const { client, dialer } = fakeClient({ script: goChat });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.send(1);
    await chat.send(2);
    await settle();
    assert.equal(dialer.peers[0]?.requests.length, 3);
    await chat.close();
    assert.equal(await chat.receive(), undefined);
  });
});

suite("Client.stream: ends", () => {
  test("the service ends: what it sent before is read first, sending is refused", async () => {
    const { client } = fakeClient({
      script: (_request, peer) => {
        if (peer.requests.length !== 2) return;
        peer.raw(
          Buffer.concat([jsonReply(1), jsonReply(2), rawReply("", { "Micro-Error": "EOS" })]),
        );
      },
    });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.send("go");
    await settle();
    await assert.rejects(chat.send("more"), {
      code: "ERR_RPC_STREAM_ENDED",
      message: /the service has ended/,
    });
    assert.deepEqual(await collect(chat), [1, 2]);
    assert.deepEqual(client.status.failures, {});
  });

  test("the service fails: what it sent before is read, then the error; to senders as well", async () => {
    const { client } = fakeClient({
      script: (_request, peer) => {
        if (peer.requests.length !== 2) return;
        peer.json(1);
        peer.error('{"id":"greeter.chat","code":409,"detail":"no","status":"Conflict"}');
      },
    });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.send("go");
    await settle();
    assert.equal(await chat.receive(), 1);
    await assert.rejects(chat.receive(), (thrown) => isRemoteError(thrown, 409));
    await assert.rejects(chat.send("more"), (thrown) => isRemoteError(thrown, 409));
    await chat.close();
    assert.deepEqual(client.status.remoteErrors, { 409: 1 });
  });

  test("a connection that ends without an end of stream is an error", async () => {
    const { client } = fakeClient({
      script: (_request, peer) => {
        if (peer.requests.length === 2) peer.close();
      },
    });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.send("go");
    await assert.rejects(chat.receive(), {
      code: "ERR_RPC_CONNECTION_LOST",
      message: /without ending the stream/,
    });
  });

  test("one that ends in the middle of a reply too, even after our end", async () => {
    const { client } = fakeClient({
      script: (request, peer) => {
        if (!isEnd(request)) return;
        peer.raw(jsonReply({ text: "long" }).subarray(0, -4));
        peer.close();
      },
    });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.end();
    await assert.rejects(chat.receive(), {
      code: "ERR_RPC_CONNECTION_LOST",
      message: /middle of a reply/,
    });
  });

  test("a close after our end is an end", async () => {
    const { client } = fakeClient({
      script: (request, peer) => {
        if (isEnd(request)) peer.close();
      },
    });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.end();
    await chat.end();
    assert.deepEqual(await collect(chat), []);
  });

  test("silence after our end is an error, since replies may be missing; a reply extends the wait", async () => {
    const { client, clock, dialer } = fakeClient({ script: goChat });
    const chat = client.stream("greeter", "Greeter.Chat", { endTimeoutMs: 100 });
    await chat.end();
    await clock.advance(99);
    dialer.peers[0]?.json("late");
    await settle();
    assert.equal(await chat.receive(), "late");
    await clock.advance(99);
    assert.equal(client.status.streamsOpen, 1);
    const next = assert.rejects(chat.receive(), {
      code: "ERR_RPC_DEADLINE",
      message: /read its replies before the end/,
    });
    await clock.advance(1);
    await next;
    assert.equal(clock.timers, 0);
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });

  test("garbage is an error that names the node", async () => {
    const { client, dialer } = fakeClient({
      script: (_request, peer) => peer.raw("SSH-2.0-OpenSSH\r\n"),
    });
    const chat = client.stream("greeter", "Greeter.Chat");
    await assert.rejects(chat.receive(), {
      code: "ERR_WIRE_MESSAGE",
      message: /127\.0\.0\.1:1001/,
    });
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });

  test("an abort fails it at once", async () => {
    const { client, dialer } = fakeClient({ script: goChat });
    const controller = new AbortController();
    const chat = client.stream("greeter", "Greeter.Chat", { signal: controller.signal });
    await chat.send(1);
    assert.equal(await chat.receive(), 1);
    const next = assert.rejects(chat.receive(), { code: "ERR_RPC_CANCELLED", cause: "enough" });
    controller.abort("enough");
    await next;
    await settle();
    assert.equal(dialer.peers[0]?.ended, true);
  });

  test("a time limit is sent along and kept, when asked for", async () => {
    const { client, clock, dialer } = fakeClient({ script: goChat });
    const chat = client.stream("greeter", "Greeter.Chat", { timeoutMs: 1000 });
    await settle();
    const next = assert.rejects(chat.receive(), { code: "ERR_RPC_DEADLINE" });
    await clock.advance(1000);
    await next;
    assert.equal(dialer.peers[0]?.requests[0]?.headers.get("timeout"), "1000000000");
    assert.equal(clock.timers, 0);
  });
});

suite("Client.stream: opening", () => {
  const refusedOnce = (_target: unknown, count: number): AgentError | undefined =>
    count === 1 ? new AgentError("ERR_RPC_CONNECT", "refused") : undefined;

  test("goes to another node when one refuses", async () => {
    const { client } = fakeClient({
      script: goChat,
      plan: refusedOnce,
      addresses: ["127.0.0.1:1001", "127.0.0.1:1002"],
    });
    await using chat = client.stream("greeter", "Greeter.Chat");
    await chat.send(1);
    assert.equal(await chat.receive(), 1);
    assert.equal(client.status.retries, 1);
  });

  test("its failure is thrown by whatever comes next, and by nothing when nothing comes", async () => {
    const { client } = fakeClient({ plan: refusedOnce, options: { retries: 0 } });
    const chat = client.stream("greeter", "Greeter.Chat");
    await settle();
    await assert.rejects(chat.send(1), { code: "ERR_RPC_CONNECT" });
    await assert.rejects(chat.receive(), { code: "ERR_RPC_CONNECT" });
    await assert.rejects(chat.end(), { code: "ERR_RPC_CONNECT" });
    await chat.close();
    assert.deepEqual(client.status.failures, { ERR_RPC_CONNECT: 1 });
  });

  test("closing while connecting gives the dial up", async () => {
    const { client, dialer } = fakeClient({ plan: () => "hold" });
    const chat = client.stream("greeter", "Greeter.Chat");
    await settle();
    await chat.close();
    assert.deepEqual([dialer.aborted, dialer.held, client.status.streamsOpen], [1, 0, 0]);
    assert.deepEqual(client.status.failures, {});
  });

  test("a node that refuses us after the handshake says why", async () => {
    const refusal =
      '{"id":"microedge","code":401,"detail":"client certificate expired 3 days ago","status":"Unauthorized"}';
    const { client } = fakeClient({
      script: (_request, peer) => {
        peer.error(refusal);
        peer.close();
      },
    });
    await assert.rejects(
      client.stream("greeter", "Greeter.Chat").receive(),
      (thrown) => isRemoteError(thrown, 401) && /expired 3 days ago/.test(thrown.message),
    );
  });
});

suite("Client.stream: pace", () => {
  test("replies that nobody reads stop the socket; nothing is lost, memory is bounded", async () => {
    const total = 5000;
    const { client, dialer } = fakeClient({
      script: (_request, peer) => {
        if (peer.requests.length !== 2) return;
        // Many in one piece, then many pieces: the queue must hold in both cases.
        peer.raw(Buffer.concat(Array.from({ length: 500 }, (_, index) => jsonReply(index))));
        for (let index = 500; index < total; index += 1) peer.json(index);
        peer.endOfStream();
      },
      options: { streamInbox: 8 },
    });
    let decoded = 0;
    const counting = {
      ...plainShape,
      fromJson: (value: JsonValue): unknown => {
        decoded += 1;
        return value;
      },
    };
    const shapes = { request: plainShape, response: counting };
    const chat = client.stream("greeter", "Greeter.Count", shapes);
    await chat.send("go");
    for (let turn = 0; turn < 50; turn += 1) await settle();
    const [socket] = dialer.sockets;
    assert.equal(socket?.isPaused(), true);
    assert.equal(decoded, 8, "no more replies are taken from one piece than the queue holds");
    const far = dialer.peers[0]?.socket;
    assert.ok((far?.writableLength ?? 0) > 0, "the far end is held back");
    assert.deepEqual(
      await collect(chat),
      Array.from({ length: total }, (_, index) => index),
    );
  });

  test("a peer that does not read holds the sender, and releases it", async () => {
    const { client, dialer } = fakeClient({ script: () => undefined });
    await using chat = client.stream("greeter", "Greeter.Upload", { codec: "bytes" });
    await chat.send(Buffer.alloc(10));
    const far = dialer.peers[0]?.socket;
    far?.pause();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64; sent += 1) await chat.send(Buffer.alloc(16_384));
    })();
    for (let turn = 0; turn < 20; turn += 1) await settle();
    assert.ok(sent < 16, `${sent} messages went into a peer that does not read`);
    far?.resume();
    await sending;
    await settle();
    assert.equal(dialer.peers[0]?.requests.length, 66);
  });

  test("a sender that is held is released with the error when the connection breaks", async () => {
    const { client, dialer } = fakeClient({ script: () => undefined });
    const chat = client.stream("greeter", "Greeter.Upload", { codec: "bytes" });
    await chat.send(Buffer.alloc(10));
    dialer.peers[0]?.socket.pause();
    const sending = assert.rejects(
      (async () => {
        for (;;) await chat.send(Buffer.alloc(16_384));
      })(),
      { code: "ERR_RPC_CONNECTION_LOST" },
    );
    await settle();
    dialer.peers[0]?.socket.destroy();
    dialer.sockets[0]?.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
    await sending;
  });

  test("client.close ends the streams", async () => {
    const { client, clock, dialer } = fakeClient({ script: goChat });
    const chat = client.stream("greeter", "Greeter.Chat");
    await chat.send(1);
    await client.close();
    await settle();
    assert.equal(dialer.peers[0]?.requests.at(-1)?.headers.get("micro-error"), "EOS");
    assert.equal(clock.timers, 0);
    assert.throws(() => client.stream("greeter", "Greeter.Chat"), { code: "ERR_RPC_DRAINING" });
  });
});
