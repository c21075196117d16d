/**
 * Conformance with go-micro v4, v5 and v6 on the wire: every recorded request decodes to what it
 * meant, every good reply too, and what we write in their place means the same.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Envelope } from "#src/wire/codec/codec.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { formatMicroError, parseMicroError } from "#src/wire/mucp/error.ts";
import type { BodyPlan, RequestHead, ResponseHead } from "#src/wire/mucp/message.ts";
import {
  type MessageReader,
  requestReader,
  responseReader,
} from "#src/wire/mucp/message-reader.ts";
import { formatReply, formatRequest } from "#src/wire/mucp/message-writer.ts";
import { errorHeaders, readReply, replyHeaders } from "#src/wire/mucp/reply.ts";
import {
  END_OF_STREAM,
  messageRole,
  type RequestMeta,
  readRequest,
  requestHeaders,
} from "#src/wire/mucp/request.ts";
import { helloRequest, helloResponse, plain } from "./mucp-greeter.ts";
import { MEANINGS, type Meaning, type MeantReply, type MeantRequest } from "./mucp-meaning.ts";
import { type Recording, readIndex, recordings } from "./mucp-vectors.ts";

const STREAMS = new Set(["Greeter.Chat", "Greeter.Count"]);

interface Raw<Head> {
  readonly head: Head;
  readonly body: Uint8Array;
}

function messagesOf<Head extends RequestHead | ResponseHead>(
  reader: MessageReader<Head>,
  bytes: Uint8Array,
): Raw<Head>[] {
  const messages: Raw<Head>[] = [];
  const sink = {
    onHead: (): BodyPlan => "keep",
    onMessage: (head: Head, body: Uint8Array): void => {
      messages.push({ head, body });
    },
  };
  reader.push(bytes, sink);
  reader.end(sink);
  return messages;
}

/** Reads a request as a server does that knows which streams are open. */
function decodeRequest(
  { head, body }: Raw<RequestHead>,
  open: Set<string>,
): { meta: RequestMeta; meant: MeantRequest } {
  const meta = readRequest(head);
  const id = meta.streamId ?? "";
  const mode = STREAMS.has(meta.endpoint) ? "stream" : "unary";
  const role = messageRole(meta, mode, open.has(id));
  if (role === "open") open.add(id);
  if (role === "end") open.delete(id);
  const means = role === "unary" || role === "message";
  const value = means ? plain(codecOf(meta).readRequest(body, helloRequest)) : undefined;
  if (means) {
    const envelope = codecOf(meta).openRequest(body)?.envelope;
    if (envelope !== undefined) assert.equal(envelope.endpoint, meta.endpoint);
  }
  return { meta, meant: { role, id: meta.id, value } };
}

function codecOf(meta: RequestMeta) {
  assert.ok(meta.codec !== undefined, meta.contentType);
  return meta.codec;
}

function decodeReply({ head, body }: Raw<ResponseHead>, meaning: Meaning): MeantReply {
  const reply = readReply(head, body);
  const codec = CODECS[meaning.codec];
  if (reply.kind === "error" && (codec === CODECS["json-rpc"] || codec === CODECS["proto-rpc"])) {
    const decoded = codec.readReply(body, helloResponse);
    assert.ok(!decoded.ok, "the envelope says it too");
    assert.deepEqual(parseMicroError(decoded.error), reply.error);
  }
  if (reply.kind !== "ok") return reply;
  const decoded = codec.readReply(body, helloResponse);
  assert.ok(decoded.ok);
  return { kind: "ok", value: plain(decoded.value) };
}

/** Our own bytes for the same request. */
function ownRequest(meta: RequestMeta, body: Uint8Array): Uint8Array {
  const { service = "", endpoint, id, streamId, timeoutMs, endOfStream, metadata } = meta;
  const contentType = codecOf(meta).contentType;
  const headers = requestHeaders({
    service,
    endpoint,
    id,
    contentType,
    streamId,
    timeoutMs,
    endOfStream,
    metadata,
  });
  return formatRequest({ host: "127.0.0.1:9100" }, headers, body);
}

function ownRequestBody(meta: RequestMeta, { head, body }: Raw<RequestHead>): Uint8Array {
  const codec = codecOf(meta);
  if (body.length === 0) return body;
  const value = codec.readRequest(body, helloRequest);
  assert.equal(head.headers.get("content-type"), codec.contentType);
  return codec.writeRequest(value, helloRequest, { endpoint: meta.endpoint, id: meta.id });
}

/** Our own bytes for a reply that means the same, to the request `to`. */
function ownReply(to: RequestMeta, meant: MeantReply, original: Uint8Array): Uint8Array {
  const codec = codecOf(to);
  const envelope: Envelope = { endpoint: to.endpoint, id: to.id };
  if (meant.kind === "end-of-stream") {
    return formatReply(errorHeaders(to, END_OF_STREAM), new Uint8Array(0));
  }
  if (meant.kind === "error") {
    const text = formatMicroError(meant.error);
    return formatReply(errorHeaders(to, text), codec.writeError(text, envelope));
  }
  const decoded = codec.readReply(original, helloResponse);
  assert.ok(decoded.ok);
  return formatReply(replyHeaders(to), codec.writeReply(decoded.value, helloResponse, envelope));
}

/** Headers of a message without those that one side's HTTP library adds. */
function comparable(head: RequestHead | ResponseHead): Record<string, string> {
  const headers = Object.fromEntries(head.headers);
  for (const name of ["content-length", "transfer-encoding", "user-agent", "accept"]) {
    delete headers[name];
  }
  return headers;
}

function metasOf(recording: Recording): RequestMeta[] {
  return messagesOf(requestReader(), recording.request).map(({ head }) => readRequest(head));
}

const mucp = recordings("http");
/** Response files by what is done with them; the last test says how many of each there must be. */
const tally = { requests: 0, replies: 0, knownBad: 0, never: 0 };

suite("recorded requests", () => {
  for (const recording of mucp) {
    const { name, version } = recording;
    test(`${name}, ${version}: decodes to its meaning, and ours means the same`, () => {
      const meaning = MEANINGS[name];
      assert.ok(meaning !== undefined, `${name} has no meaning written down`);
      const raws = messagesOf(requestReader(), recording.request);
      const open = new Set<string>();
      const ours = new Set<string>();
      const meant: MeantRequest[] = [];
      for (const raw of raws) {
        const { meta, meant: one } = decodeRequest(raw, open);
        meant.push(one);
        assert.equal(meta.service, "greeter");
        assert.equal(meta.endpoint, meaning.endpoint);
        assert.equal(meta.codec?.name, meaning.codec);
        assert.equal(meta.contentType, recording.contentType);
        assert.equal(meta.timeoutMs, meaning.timeoutMs);
        assert.equal(meta.legacy, false, "every recorded client sends Micro-* headers");
        assert.deepEqual(Object.fromEntries(meta.metadata), meaning.metadata ?? {});

        const [own, ...others] = messagesOf(
          requestReader(),
          ownRequest(meta, ownRequestBody(meta, raw)),
        );
        assert.ok(own !== undefined && others.length === 0);
        assert.deepEqual(comparable(own.head), comparable(raw.head));
        assert.deepEqual(decodeRequest(own, ours).meant, one);
      }
      assert.deepEqual(meant, meaning.requests);
      tally.requests += 1;
    });
  }
});

suite("recorded replies", () => {
  for (const recording of mucp) {
    const { name, version } = recording;
    const meaning = MEANINGS[name];
    if (meaning === undefined) continue; // named by the suite above
    const { replies } = meaning;
    if (replies === "none") {
      test(`${name}, ${version}: go-micro never answered`, () => {
        assert.equal(recording.response.length, 0);
        tally.never += 1;
      });
    } else if (replies === "known-bad") {
      test(`${name}, ${version}: go-micro corrupted its own stream; it still has four messages`, () => {
        const meant = messagesOf(responseReader(), recording.response).map((raw) =>
          decodeReply(raw, meaning),
        );
        assert.deepEqual(
          meant.map(({ kind }) => kind),
          ["ok", "ok", "ok", "end-of-stream"],
        );
        const counted = meant.map((reply) => (reply.kind === "ok" ? reply.value : {}));
        const good = ["1", "2", "3", undefined];
        assert.notDeepEqual(
          counted.map(({ seqNo }) => seqNo),
          good,
          "good after all: then say so above",
        );
        tally.knownBad += 1;
      });
    } else {
      test(`${name}, ${version}: decodes to its meaning, and ours means the same`, () => {
        const raws = messagesOf(responseReader(), recording.response);
        const metas = metasOf(recording);
        const meant = raws.map((raw) => decodeReply(raw, meaning));
        if (name === "json-headers") meant[0] = headersReply(meant[0]);
        assert.deepEqual(meant, replies);
        for (const [at, raw] of raws.entries()) {
          const to = metas[Math.min(at, metas.length - 1)];
          assert.ok(to !== undefined);
          const original = decodeReply(raw, meaning);
          const [own, ...others] = messagesOf(responseReader(), ownReply(to, original, raw.body));
          assert.ok(own !== undefined && others.length === 0);
          assert.deepEqual(decodeReply(own, meaning), original);
          assert.deepEqual(
            new Set(Object.keys(comparable(own.head))),
            new Set(
              ["content-type", "micro-id"]
                .concat(to.streamId === undefined ? [] : ["micro-stream"])
                .concat(original.kind === "ok" ? [] : ["micro-error"]),
            ),
            "nothing else is echoed",
          );
        }
        tally.replies += 1;
      });
    }
  }
});

/** The handler of this vector answers with the headers that it saw, in any order. */
function headersReply(reply: MeantReply | undefined): MeantReply {
  assert.ok(reply?.kind === "ok");
  const { greetingText, ...rest } = reply.value;
  const lines = new Set(String(greetingText).split("\n"));
  for (const line of ["Authorization=Bearer-x", "Micro-Id=0", "Timeout=5000000000"]) {
    assert.ok(lines.has(line), line);
  }
  return { kind: "ok", value: rest };
}

suite("the recordings", () => {
  test("are all there: 25 connections from each of three versions, nothing left out", () => {
    assert.equal(readIndex().length, 234);
    const byVersion = Object.groupBy(mucp, ({ version }) => version);
    assert.deepEqual(Object.keys(byVersion).sort(), ["v4.11.0", "v5.30.0", "v6.10.0"]);
    for (const [version, list = []] of Object.entries(byVersion)) {
      assert.deepEqual(list.map(({ name }) => name).sort(), Object.keys(MEANINGS).sort(), version);
    }
  });

  test("replayed: 75 request files, 63 response files; excepted: 6 known-bad, 6 empty", () => {
    assert.deepEqual(tally, { requests: 75, replies: 63, knownBad: 6, never: 6 });
  });

  test("of the HTTP broker are the same HTTP: 6 each way are read", () => {
    let read = 0;
    for (const { request, response, version } of recordings("http broker")) {
      for (const { head, body } of messagesOf(requestReader(), request)) {
        assert.match(head.target, /^\/\?id=/, version);
        assert.ok(Buffer.from(body).toString().startsWith('{"Header":'), version);
        read += 1;
      }
      for (const { head } of messagesOf(responseReader(), response)) {
        assert.equal(head.status, 200, version);
        read += 1;
      }
    }
    assert.equal(read, 12);
  });
});
