import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
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

test("a small buffer that stays keeps 8 KiB at most, a larger one nothing but itself", () => {
  keepSmallBuffers();
  // The slab that was begun before is used to its end: 64 KiB of Node's own.
  for (let used = 0; used < 65_536; used += 4_000) Buffer.allocUnsafe(4_000);
  assert.equal(Buffer.allocUnsafe(100).buffer.byteLength, 8_192);
  assert.equal(Buffer.allocUnsafe(10_000).buffer.byteLength, 10_000);
});
