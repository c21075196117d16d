import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { TLSSocket } from "node:tls";
import { keepSmallBuffers } from "#src/host/small-buffers.ts";

test("every socket, also one that TLS makes, keeps one TLS record at most", () => {
  keepSmallBuffers();
  const raw = new Socket();
  for (const socket of [raw, new TLSSocket(raw)]) {
    assert.equal(socket.readableHighWaterMark, 16_384);
    assert.equal(socket.writableHighWaterMark, 16_384);
  }
});
