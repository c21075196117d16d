import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CodecName } from "#src/wire/codec/codec.ts";
import type { RequestHead } from "#src/wire/mucp/message.ts";
import { requestReader } from "#src/wire/mucp/message-reader.ts";
import { formatRequest } from "#src/wire/mucp/message-writer.ts";
import {
  type MessageRole,
  messageRole,
  type OutgoingRequest,
  type RequestMeta,
  readRequest,
  requestHeaders,
} from "#src/wire/mucp/request.ts";

const headOf = (headers: Readonly<Record<string, string>>): RequestHead => ({
  method: "POST",
  target: "/",
  headers: new Map(Object.entries(headers)),
  close: false,
  expectContinue: false,
});
const read = (headers: Readonly<Record<string, string>>): RequestMeta =>
  readRequest(headOf(headers));

suite("readRequest", () => {
  const FULL = {
    "micro-service": "greeter",
    "micro-endpoint": "Greeter.Hello",
    "micro-method": "Greeter.Hello",
    "micro-id": "7",
    "content-type": "application/json",
    timeout: "5000000000",
  };
  const rows: readonly {
    readonly why: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly meta: Partial<RequestMeta>;
  }[] = [
    {
      why: "everything that go-micro sends",
      headers: FULL,
      meta: {
        service: "greeter",
        endpoint: "Greeter.Hello",
        id: "7",
        streamId: undefined,
        contentType: "application/json",
        legacy: false,
        timeoutMs: 5000,
        topic: undefined,
        endOfStream: false,
        error: undefined,
      },
    },
    {
      why: "the smallest: an endpoint",
      headers: { "content-type": "application/json", "micro-endpoint": "A.B" },
      meta: { service: undefined, endpoint: "A.B", id: "", legacy: false, timeoutMs: undefined },
    },
    {
      why: "method stands in for endpoint",
      headers: { "micro-method": "A.B" },
      meta: { endpoint: "A.B", legacy: false },
    },
    {
      why: "endpoint wins over method",
      headers: { "micro-method": "A.B", "micro-endpoint": "C.D" },
      meta: { endpoint: "C.D" },
    },
    {
      why: "X- fall-backs",
      headers: {
        "x-micro-service": "s",
        "x-micro-endpoint": "A.B",
        "x-micro-id": "9",
        "x-micro-stream": "3",
        "x-micro-topic": "t",
        "x-micro-error": "EOS",
      },
      meta: {
        service: "s",
        endpoint: "A.B",
        id: "9",
        streamId: "3",
        topic: "t",
        endOfStream: true,
      },
    },
    {
      why: "X- method stands in too, but after any method without X-",
      headers: { "x-micro-method": "X.Y" },
      meta: { endpoint: "X.Y" },
    },
    {
      why: "the plain name wins over X-",
      headers: { "micro-endpoint": "A.B", "x-micro-endpoint": "C.D" },
      meta: { endpoint: "A.B" },
    },
    {
      why: "an empty value counts as absent",
      headers: {
        "micro-endpoint": "",
        "x-micro-endpoint": "C.D",
        "micro-service": "",
        "micro-stream": "",
      },
      meta: { endpoint: "C.D", service: undefined, streamId: undefined },
    },
    {
      why: "end of stream",
      headers: { ...FULL, "micro-stream": "1", "micro-error": "EOS" },
      meta: { streamId: "1", endOfStream: true, error: undefined },
    },
    {
      why: "another error of the caller",
      headers: { ...FULL, "micro-stream": "1", "micro-error": "boom" },
      meta: { endOfStream: false, error: "boom" },
    },
    { why: "an event", headers: { "micro-topic": "news" }, meta: { topic: "news", legacy: false } },
    {
      why: "a bad Timeout is no limit",
      headers: { ...FULL, timeout: "soon" },
      meta: { timeoutMs: undefined },
    },
    {
      why: "a missing content type is protobuf",
      headers: { "micro-endpoint": "A.B" },
      meta: { contentType: "application/protobuf" },
    },
  ];
  for (const { why, headers, meta } of rows) {
    test(why, () => assert.partialDeepStrictEqual(read(headers), meta));
  }
});

suite("readRequest, legacy-codec switch (wire.md 1.4)", () => {
  const E = { "micro-endpoint": "A.B" };
  const json = { "content-type": "application/json" };
  const rows: readonly {
    readonly why: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly codec: CodecName | undefined;
    readonly legacy: boolean;
  }[] = [
    { why: "json with Micro-*", headers: { ...json, ...E }, codec: "json", legacy: false },
    { why: "json without Micro-*", headers: json, codec: "json-rpc", legacy: true },
    {
      why: "protobuf without",
      headers: { "content-type": "application/protobuf" },
      codec: "proto-rpc",
      legacy: true,
    },
    {
      why: "octet-stream without",
      headers: { "content-type": "application/octet-stream" },
      codec: "proto-rpc",
      legacy: true,
    },
    {
      why: "json-rpc without",
      headers: { "content-type": "application/json-rpc" },
      codec: "json-rpc",
      legacy: true,
    },
    {
      why: "proto-rpc without",
      headers: { "content-type": "application/proto-rpc" },
      codec: "proto-rpc",
      legacy: true,
    },
    { why: "nothing at all", headers: {}, codec: "proto-rpc", legacy: true },
    {
      why: "the service alone is enough to be new",
      headers: { ...json, "micro-service": "s" },
      codec: "json",
      legacy: false,
    },
    {
      why: "the method alone too",
      headers: { ...json, "x-micro-method": "A.B" },
      codec: "json",
      legacy: false,
    },
    {
      why: "Micro-Id alone is not",
      headers: { ...json, "micro-id": "1" },
      codec: "json-rpc",
      legacy: true,
    },
    {
      why: "Micro-Target makes it old",
      headers: { ...json, ...E, "micro-target": "s" },
      codec: "json-rpc",
      legacy: true,
    },
    {
      why: "X-Micro-Target too",
      headers: { ...json, ...E, "x-micro-target": "s" },
      codec: "json-rpc",
      legacy: true,
    },
    {
      why: "Micro-Protocol makes it new",
      headers: { ...json, "micro-protocol": "mucp" },
      codec: "json",
      legacy: false,
    },
    {
      why: "even with a target",
      headers: { ...json, "micro-protocol": "mucp", "micro-target": "s" },
      codec: "json",
      legacy: false,
    },
    {
      why: "Micro-Topic makes it new",
      headers: { ...json, "micro-topic": "t" },
      codec: "json",
      legacy: false,
    },
    {
      why: "parameters are not taken",
      headers: { ...E, "content-type": "application/json; charset=utf-8" },
      codec: undefined,
      legacy: false,
    },
    {
      why: "nor another case",
      headers: { ...E, "content-type": "Application/JSON" },
      codec: undefined,
      legacy: false,
    },
    {
      why: "nor an unknown type, old or new",
      headers: { "content-type": "text/html" },
      codec: undefined,
      legacy: true,
    },
    {
      why: "raw bytes",
      headers: { ...E, "content-type": "application/octet-stream" },
      codec: "bytes",
      legacy: false,
    },
  ];
  for (const { why, headers, codec, legacy } of rows) {
    test(why, () => {
      const meta = read(headers);
      assert.equal(meta.codec?.name, codec);
      assert.equal(meta.legacy, legacy);
      assert.equal(
        meta.contentType,
        headers["content-type"] ?? "application/protobuf",
        "is echoed",
      );
    });
  }
});

suite("metadata", () => {
  const meta = read({
    host: "a",
    "content-length": "3",
    "content-type": "application/json",
    accept: "application/json",
    "accept-encoding": "gzip",
    "user-agent": "Go-http-client/1.1",
    connection: "close",
    timeout: "1",
    "micro-service": "s",
    "micro-endpoint": "A.B",
    "micro-method": "A.B",
    "micro-id": "1",
    "micro-stream": "1",
    "micro-error": "x",
    "micro-protocol": "mucp",
    "micro-target": "t",
    "micro-topic": "t",
    "x-micro-endpoint": "A.B",
    "x-micro-error": "x",
    authorization: "Bearer x",
    "micro-namespace": "n",
    "micro-trace-id": "t",
    "micro-span-id": "u",
    "micro-from-service": "f",
    tenant: "t1",
  }).metadata;
  const expected = {
    authorization: "Bearer x",
    "micro-namespace": "n",
    "micro-trace-id": "t",
    "micro-span-id": "u",
    "micro-from-service": "f",
    tenant: "t1",
  };

  test("is what the caller put there, without the transport's own", () =>
    assert.deepEqual(Object.fromEntries(meta), expected));
  test("reads as a map in every way", () => {
    assert.equal(meta.size, 6);
    assert.deepEqual([...meta.keys()], Object.keys(expected));
    assert.deepEqual([...meta.values()], Object.values(expected));
    assert.deepEqual([...meta.entries()], Object.entries(expected));
    const seen: Record<string, string> = {};
    meta.forEach((value, name, map) => {
      assert.equal(map, meta);
      seen[name] = value;
    });
    assert.deepEqual(seen, expected);
  });
  for (const [name, value] of [
    ["tenant", "t1"],
    ["Tenant", "t1"],
    ["micro-id", undefined],
    ["Content-Type", undefined],
    ["absent", undefined],
  ] as const) {
    test(`get and has ${name}`, () => {
      assert.equal(meta.get(name), value);
      assert.equal(meta.has(name), value !== undefined);
    });
  }
});

suite("messageRole (wire.md 1.6, 1.7)", () => {
  const rows: readonly {
    readonly why: string;
    readonly streamId?: string;
    readonly topic?: string;
    readonly endOfStream?: boolean;
    readonly mode?: "unary" | "stream";
    readonly open?: boolean;
    readonly role: MessageRole;
  }[] = [
    { why: "a plain call", mode: "unary", role: "unary" },
    { why: "a call without Micro-Stream of a stream endpoint", mode: "stream", role: "unary" },
    {
      why: "a unary call with a Micro-Stream of its own",
      streamId: "1",
      mode: "unary",
      role: "unary",
    },
    {
      why: "an endpoint that is not there: an error must be answered",
      streamId: "1",
      role: "unary",
    },
    { why: "the first message of a stream", streamId: "1", mode: "stream", role: "open" },
    { why: "the second", streamId: "1", mode: "stream", open: true, role: "message" },
    { why: "its end", streamId: "1", mode: "stream", open: true, endOfStream: true, role: "end" },
    {
      why: "an end after the end",
      streamId: "1",
      mode: "stream",
      endOfStream: true,
      role: "stray-end",
    },
    { why: "an event", topic: "t", role: "event" },
    {
      why: "a topic on a stream is the stream's",
      topic: "t",
      streamId: "1",
      mode: "stream",
      open: true,
      role: "message",
    },
  ];
  for (const { why, streamId, topic, endOfStream = false, mode, open = false, role } of rows) {
    test(`${role}: ${why}`, () =>
      assert.equal(messageRole({ streamId, topic, endOfStream }, mode, open), role));
  }
});

suite("requestHeaders", () => {
  const REQUEST: OutgoingRequest = {
    service: "greeter",
    endpoint: "Greeter.Hello",
    id: "7",
    contentType: "application/json",
  };
  /** Writes and reads back. */
  function roundTrip(request: OutgoingRequest): RequestMeta {
    let meta: RequestMeta | undefined;
    requestReader().push(
      formatRequest({ host: "h:1" }, requestHeaders(request), new Uint8Array(0)),
      {
        onHead: (head) => {
          meta = readRequest(head);
          return "keep";
        },
        onMessage: () => undefined,
      },
    );
    assert.ok(meta !== undefined);
    return meta;
  }

  test("what go-micro sends", () =>
    assert.deepEqual(Object.fromEntries(requestHeaders({ ...REQUEST, timeoutMs: 5000 })), {
      "content-type": "application/json",
      accept: "application/json",
      "micro-service": "greeter",
      "micro-method": "Greeter.Hello",
      "micro-endpoint": "Greeter.Hello",
      "micro-id": "7",
      timeout: "5000000000",
    }));

  test("reads back as it was meant", () => {
    const metadata = new Map([["Tenant", "t1"]]);
    const meta = roundTrip({
      ...REQUEST,
      streamId: "7",
      timeoutMs: 250,
      endOfStream: true,
      metadata,
    });
    assert.partialDeepStrictEqual(meta, {
      service: "greeter",
      endpoint: "Greeter.Hello",
      id: "7",
      streamId: "7",
      contentType: "application/json",
      timeoutMs: 250,
      endOfStream: true,
    });
    assert.deepEqual([...meta.metadata], [["tenant", "t1"]]);
  });

  test("metadata can't pass for the transport's own headers", () => {
    const metadata: [string, string][] = [
      ["Content-Length", "999"],
      ["transfer-encoding", "chunked"],
      ["HOST", "evil"],
      ["Micro-Endpoint", "Evil.Call"],
      ["X-Micro-Endpoint", "Evil.Call"],
      ["micro-error", "EOS"],
      ["Timeout", "1"],
      ["Connection", "close"],
      ["authorization", "Bearer x"],
    ];
    const meta = roundTrip({ ...REQUEST, metadata });
    assert.equal(meta.endpoint, "Greeter.Hello");
    assert.equal(meta.endOfStream, false);
    assert.equal(meta.timeoutMs, undefined);
    assert.deepEqual([...meta.metadata], [["authorization", "Bearer x"]]);
  });
});
